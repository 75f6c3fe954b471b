/** The principals of a protected hub, with the roles that access.json gives them. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Principals } from '../../../front/server/access/principals.mjs';

/**
 * @param {readonly string[] | null} workspaces  of the key @param {string[]} owned  patterns of access.json
 * @returns {readonly string[]} what the key owns
 */
function ownedBy(workspaces, owned) {
  const key = { id: 'k1234567', name: 'ci', workspaces, admin: false, mark: 'm' };
  const parts = {
    keyring: { check: () => key, holder: () => key, current: () => key },
    journal: {},
    roles: { of: () => ({ role: 'owner', owns: { servers: ['s*'], workspaces: owned } }) },
  };
  const principals = new Principals(/** @type {any} */ ({}), /** @type {any} */ ({}), /** @type {any} */ (parts));
  const found = [
    principals.check('token'),
    principals.holder(key.id, ''),
    principals.current(/** @type {any} */ (key)),
  ];
  for (const each of found) assert.deepEqual([each?.role, each?.owns], ['owner', found[0]?.owns]);
  assert.deepEqual(found[0]?.owns.servers, ['s*']);
  return found[0]?.owns.workspaces ?? [];
}

test('a key owns nothing beyond the workspaces that keys.json allows it, whatever access.json says', () => {
  assert.deepEqual(ownedBy(null, ['dev*']), ['dev*']);
  assert.deepEqual(ownedBy(['dev', 'prod'], ['dev*', 'lab']), ['dev']);
  assert.deepEqual(ownedBy(['dev', 'prod'], ['*']), ['dev', 'prod']);
  assert.deepEqual(ownedBy([], ['*']), []);
  assert.deepEqual(ownedBy(['d*'], ['*']), [], 'a name is no pattern');
});
