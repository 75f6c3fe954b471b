/** Parts of the authorization server that need no front: limits by address, questions for consent, names. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plainName } from '../../../front/server/oauth/clients/client_metadata.mjs';
import { Consents } from '../../../front/server/oauth/consents.mjs';
import { printable } from '../../../front/server/oauth/oauth_error.mjs';
import { Rate } from '../../../front/server/oauth/rate.mjs';
import { usableWorkspaces } from '../../../front/server/oauth/usable_workspaces.mjs';

test('an address may do so much at once, and so much a minute; another is not affected', () => {
  let now = 100;
  const rate = new Rate({ burst: 3, perMinute: 6 }, () => now);
  assert.deepEqual(
    [1, 2, 3, 4].map(() => rate.take('192.0.2.1')),
    [0, 0, 0, 10],
  );
  assert.equal(rate.take('192.0.2.2'), 0);
  now += 9.5;
  assert.equal(rate.wait('192.0.2.1'), 1);
  now += 0.5;
  assert.deepEqual([rate.take('192.0.2.1'), rate.take('192.0.2.1')], [0, 10]);
  assert.equal(rate.take('2001:db8::1'), 0);
  assert.equal(rate.take('2001:db8::2'), 0);
  for (let host = 0; host < 10_000; host += 1) rate.take(`10.${host >> 8}.${host & 255}.1`);
  assert.ok(rate.size <= 4096, 'memory is bounded');
});

test('questions end by time, by their answer, and by too many of one login', () => {
  let now = 0;
  const consents = new Consents(() => now);
  const question = (/** @type {string} */ login) => /** @type {any} */ ({ login, workspaces: ['w'] });
  const mine = consents.ask(question('me'));
  for (let count = 0; count < 50; count += 1) consents.ask(question('flood'));
  assert.ok(consents.size <= 21, 'those of one login are few');
  assert.equal(consents.take(mine, 'flood'), null);
  assert.ok(consents.take(mine, 'me'));
  assert.equal(consents.take(mine, 'me'), null);
  const late = consents.ask(question('me'));
  now = 601;
  assert.equal(consents.take(late, 'me'), null);
  for (let count = 0; count < 2000; count += 1) consents.ask(question(`login ${count}`));
  assert.equal(consents.size, 1000);
});

test('a name is one line of visible text, and a description what OAuth allows', () => {
  assert.equal(plainName('a\u0000b\u202ec\u200b d\n\n e'), 'a b c d e');
  assert.equal(plainName('x'.repeat(5000)).length, 100);
  assert.equal([...plainName('😀'.repeat(500))].length, 100);
  assert.equal(plainName({ toString: () => 'x' }), '');
  assert.equal(printable('a "b" \\ ü\r\n'), "a 'b' ' ???");
});

test('the workspaces of an admin, of a key, and of a user, about whom the sidecar is asked', async () => {
  const workspaces = ['a', 'b', 'c'].map((name) => ({ name }));
  /** @type {any[]} */
  const asked = [];
  const hub = /** @type {any} */ ({
    fresh: async () => ({ hub: { source: 'adapter' }, workspaces }),
    askSidecar: async (/** @type {string} */ kind, /** @type {any} */ body) => {
      asked.push([kind, body]);
      return {
        workspaces: [
          { name: 'a', usable: false },
          { name: 'b', usable: true },
        ],
      };
    },
  });
  const names = async (/** @type {object} */ principal) =>
    (await usableWorkspaces(hub, /** @type {any} */ (principal))).map(({ name }) => name);
  assert.deepEqual(await names({ id: 'admin', admin: true, workspaces: null }), ['a', 'b', 'c']);
  assert.deepEqual(await names({ id: 'k1234567', admin: true, workspaces: null }), ['a', 'b', 'c']);
  assert.deepEqual(await names({ id: 'k1234567', admin: false, workspaces: ['c', 'gone'] }), ['c']);
  assert.deepEqual(asked, []);
  const user = `u${'0'.repeat(15)}`;
  assert.deepEqual(await names({ id: user, admin: false, workspaces: [] }), ['b']);
  assert.deepEqual(asked, [['view_as', { subject: `user:${user}` }]]);
  hub.fresh = async () => ({ hub: { source: 'none' }, workspaces: [] });
  await assert.rejects(names({ id: 'admin', admin: true }), { code: 'temporarily_unavailable' });
});
