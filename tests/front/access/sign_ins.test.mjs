/** Sign-ins are written to the spool for the recorder: bounded, in complete files, and only with a history. */

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { SignIns } from '../../../front/server/access/sign_ins.mjs';
import { Log } from '../../../front/server/log.mjs';

const root = mkdtempSync(join(tmpdir(), 'spool'));
after(() => rmSync(root, { recursive: true, force: true }));

/** @type {string[]} */
const lines = [];
const log = new Log('warning', (line) => lines.push(line));
const ATTEMPT = { principal: 'ann', address: '10.0.0.1', way: /** @type {const} */ ('login'), outcome: 'ok' };

/** The lines of a file of the spool. @param {string} directory @param {string} name */
const read = (directory, name) =>
  readFileSync(join(directory, name), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

test('sign-ins of one moment are written to one complete file that only its owner can read; excess ones are counted', async () => {
  const spool = join(root, 'a');
  const signIns = new SignIns({ spool, spoolMaxBytes: 1e6 }, log);
  for (let n = 0; n < 503; n += 1) signIns.note({ ...ATTEMPT, principal: 'x'.repeat(200) });
  await signIns.flush();
  await signIns.flush();
  signIns.note({ ...ATTEMPT, outcome: 'TOKEN_INVALID' });
  await signIns.flush();
  const [first, second] = readdirSync(spool).sort();
  assert.match(first, new RegExp(`^\\d{13}-front-${process.pid}-000001\\.jsonl$`));
  assert.equal(readdirSync(spool).length, 2);
  const [many, end] = read(spool, first);
  assert.deepEqual([many.sign_ins.length, many.lost, end], [500, 3, { end: true }]);
  assert.equal(many.sign_ins[0].principal.length, 128);
  const { at, ...rest } = read(spool, second)[0].sign_ins[0];
  assert.deepEqual(rest, { ...ATTEMPT, outcome: 'TOKEN_INVALID' });
  assert.ok(Math.abs(at - Date.now() / 1000) < 60);
  assert.deepEqual([statSync(spool).mode & 0o777, statSync(join(spool, first)).mode & 0o777], [0o700, 0o600]);
});

test('nothing is written to a full spool, and the next file has the number of lost records', async () => {
  const spool = join(root, 'b');
  const signIns = new SignIns({ spool, spoolMaxBytes: 10 }, log);
  signIns.note(ATTEMPT);
  await signIns.flush();
  assert.deepEqual(readdirSync(spool), []);
  assert.match(lines.join(''), /the spool is full/);
  signIns.maxBytes = 1e6;
  signIns.note(ATTEMPT);
  await signIns.flush();
  const [{ sign_ins: kept, lost }] = read(spool, readdirSync(spool)[0]);
  assert.deepEqual([kept.length, lost], [1, 1]);
});

test('a file that cannot be completed leaves nothing behind', async (t) => {
  const spool = join(root, 'c');
  t.mock.method(Date, 'now', () => 1);
  mkdirSync(join(spool, `0000000000001-front-${process.pid}-000001.jsonl`), { recursive: true }); // in its place
  const signIns = new SignIns({ spool, spoolMaxBytes: 1e6 }, log);
  signIns.note(ATTEMPT);
  await signIns.flush();
  assert.equal(readdirSync(spool).length, 1);
  await signIns.flush();
  const [{ sign_ins: kept, lost }] = read(spool, readdirSync(spool).sort()[1]);
  assert.deepEqual([kept.length, lost], [0, 1]);
});

test('nothing is recorded if the history is off', async () => {
  const signIns = new SignIns({ spool: null, spoolMaxBytes: 0 }, log);
  signIns.note(ATTEMPT);
  await signIns.flush();
  assert.deepEqual(readdirSync(root).sort(), ['a', 'b', 'c']);
});
