/** Uses of keys are reported at most once a minute, and kept while the adapter is unavailable. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyUses } from '../../../front/server/access/key_uses.mjs';

test('uses are reported together, some time after the first one', { timeout: 180_000 }, async () => {
  /** @type {Record<string, number>[]} */
  const told = [];
  const uses = new KeyUses(5);
  const begun = Date.now() / 1000;
  const once = new Promise((done) => uses.start(async (each) => done(told.push(each))));
  for (const id of ['k1', 'k2', 'k1']) uses.note(id);
  assert.equal(told.length, 0);
  const awake = setInterval(() => {}, 1_000); // its own timer keeps no process alive
  await once;
  clearInterval(awake);
  assert.deepEqual(Object.keys(told[0] ?? {}), ['k1', 'k2']);
  assert.ok(told[0].k1 >= begun);
  await uses.flush();
  assert.equal(told.length, 1, 'nothing is told twice');
});

test(
  'uses that could not be reported are reported later, unless there are newer ones',
  { timeout: 180_000 },
  async () => {
    const uses = new KeyUses();
    uses.note('k1');
    await uses.flush(); // before there is anybody
    let away = true;
    /** @type {Record<string, number>} */
    let told = {};
    uses.start(async (each) => {
      if (away) throw new Error('away');
      told = each;
    });
    await uses.flush();
    away = false;
    uses.note('k2');
    await uses.flush();
    assert.deepEqual(Object.keys(told).sort(), ['k1', 'k2']);
    uses.close();
  },
);
