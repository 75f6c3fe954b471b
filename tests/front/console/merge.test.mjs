/** The console's State: applying changes, and the events that describe them. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventsBetween, merge } from '../../../front/console/hub/merge.mjs';

/** @param {string} name @param {object} [more] @returns {any} */
const workspace = (name, more = {}) => ({
  name,
  state: 'ready',
  enabled: true,
  servers: ['a'],
  tools: 3,
  sessions: 0,
  ...more,
});
/** @param {string} key @param {object} [more] @returns {any} */
const server = (key, more = {}) => ({
  key,
  state: 'ready',
  enabled: true,
  workspaces: ['w'],
  restarts: 0,
  tools: 3,
  ...more,
});
/** @param {object} [more] @returns {any} */
const whole = (more = {}) => ({
  seq: 7,
  hub: { at: 100, adapter: 'ok', sidecar: 'ok', yamcp_ui: 'none' },
  workspaces: [workspace('w'), workspace('v')],
  servers: [server('a'), server('b')],
  ...more,
});
/** @param {object} more @returns {any} */
const change = (more) => ({ type: 'change', seq: 8, workspaces: [], servers: [], ...more });
/** @param {any} state */
const told = (state) => eventsBetween(whole(), state).map(({ subject, text }) => `${subject} ${text}`);

test('a change replaces the items that it names, and no others', () => {
  const before = whole();
  const after = merge(before, change({ workspaces: [workspace('v', { state: 'off' })] }));
  assert.deepEqual(
    after?.workspaces.map(({ state }) => state),
    ['ready', 'off'],
  );
  assert.equal(after?.workspaces[0], before.workspaces[0]);
  assert.equal(after?.servers, before.servers);
  assert.equal(after?.seq, 8);
});

test('removed items disappear, and new items take their place in the order of the change', () => {
  const order = { workspaces: ['u', 'w'], servers: ['a', 'b'] };
  const gone = { workspaces: ['v'], servers: [] };
  const after = merge(whole(), change({ workspaces: [workspace('u')], gone, order }));
  assert.deepEqual(
    after?.workspaces.map(({ name }) => name),
    ['u', 'w'],
  );
});

test('a missed change, or an order with an unknown item, requires the whole State', () => {
  assert.equal(merge(whole(), change({ seq: 9 })), null);
  assert.equal(merge(null, change({})), null);
  assert.equal(merge(whole(), change({ order: { workspaces: ['w', 'v', 'x'], servers: ['a', 'b'] } })), null);
});

test('a change that is older than the State is ignored', () => {
  const before = whole();
  assert.equal(merge(before, change({ seq: 7, workspaces: [workspace('w', { state: 'off' })] })), before);
});

test('names that are properties of every object are ordinary names', () => {
  const after = merge(whole(), change({ servers: [server('__proto__'), server('constructor')] }));
  assert.deepEqual(
    after?.servers.map(({ key }) => key),
    ['a', 'b', '__proto__', 'constructor'],
  );
});

test('the first State causes no events, nor does an equal one', () => {
  assert.deepEqual(eventsBetween(null, whole()), []);
  const state = whole();
  assert.deepEqual(eventsBetween(state, { ...state, seq: 8 }), []);
});

test('added, removed and changed items become events, with the reason of a failure', () => {
  const reason = { message: 'It ended.' };
  assert.deepEqual(told(whole({ servers: [server('a', { state: 'backoff', reason }), server('c')] })), [
    'b was removed',
    'a retrying: It ended.',
    'c was added: ready',
  ]);
  assert.deepEqual(
    told(whole({ workspaces: [workspace('w', { enabled: false, state: 'off' }), workspace('v', { sessions: 2 })] })),
    ['w off', 'v a client connected: 2 now'],
  );
});

test('a process of the hub that becomes unavailable or available causes an event', () => {
  const away = whole({ hub: { at: 101, adapter: 'ok', sidecar: 'away', yamcp_ui: 'none' } });
  assert.deepEqual(told(away), ['the sidecar is unavailable']);
  assert.deepEqual(
    eventsBetween(away, whole()).map(({ tone, text }) => `${tone} ${text}`),
    ['ok is available again'],
  );
});
