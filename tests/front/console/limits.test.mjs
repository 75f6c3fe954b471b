import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lastRefusal, refusedCount, storeNote, useText } from '../../../front/console/hub/limits.mjs';

/** @type {any} */
const LIMIT = { kind: 'concurrent', servers: null, tools: null, limit: 2000, burst: 0, used: 1200 };

test('a limit says what it is about, and how much of it is used', () => {
  assert.equal(useText(LIMIT), 'Calls at once: 1,200 of 2,000');
  assert.equal(
    useText({ ...LIMIT, servers: ['a', 'b*'], tools: ['find'] }),
    'Calls at once (a, b* / find): 1,200 of 2,000',
  );
  assert.equal(
    useText({ ...LIMIT, kind: 'rate', limit: 2.5, burst: 5, used: 1.5 }),
    'Requests per second: 2.5; 1.5 of a burst of 5 used',
  );
});

test('refusals are added up, and the last one names its tool', () => {
  /** @type {any} */
  const principal = {
    refused: { rate: 2, concurrent: 3 },
    last_code: 'TOO_MANY_CALLS',
    last_server: 'a',
    last_tool: '',
  };
  assert.equal(refusedCount(principal), 5);
  assert.equal(lastRefusal(principal), 'TOO_MANY_CALLS a');
});

test('it is said where is counted if that is not as usual', () => {
  /** @type {any} */
  const state = { store: 'shared_away', principals: [], total: 0 };
  assert.match(storeNote(state), /counts for itself/);
  assert.equal(storeNote({ ...state, store: 'memory' }), '');
});
