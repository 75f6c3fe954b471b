import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  configurationText,
  replicaState,
  serversText,
  since,
  sums,
  versionText,
} from '../../../front/console/hub/replicas.mjs';

const ID = { epoch: 3, revision: 14, hash: '45d62ddb56d7ae83' };
/** @type {any} */
const REPLICA = {
  state: 'serving',
  uptime: 65,
  age: 0.4,
  up_to_date: true,
  applied: ID,
  servers: 3,
  servers_failing: 0,
};

test('a replica says how it is, and which configuration it serves', () => {
  assert.equal(replicaState(REPLICA).word, 'Serving');
  assert.equal(since(REPLICA), 'for 1 min');
  assert.equal(since({ ...REPLICA, state: 'lost', age: 70 }), 'last report 1 min ago');
  assert.equal(configurationText(REPLICA), 'Current');
  assert.equal(configurationText({ ...REPLICA, up_to_date: false }), 'Another one: 3.14 (45d62ddb)');
  assert.equal(configurationText({ ...REPLICA, up_to_date: false, applied: null }), 'None yet');
  assert.equal(versionText(null), 'none');
  assert.equal(serversText(REPLICA), '3');
  assert.equal(serversText({ ...REPLICA, servers_failing: 1 }), '3, 1 failing');
});

test('the sums say where the current configuration is applied', () => {
  /** @type {any} */
  const state = { replicas: [REPLICA, REPLICA, REPLICA], live: 2, up_to_date: 1, sessions: 1, calls_in_flight: 0 };
  assert.equal(
    sums(state),
    '2 replicas, 1 more gone; the current configuration is applied at 1 of 2; 1 session; 0 calls in progress',
  );
  assert.match(sums({ ...state, up_to_date: 2 }), /is applied everywhere/);
});
