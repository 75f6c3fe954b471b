/** The console's texts for states, times and sizes. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  clock,
  count,
  displayName,
  duration,
  serverState,
  size,
  took,
  workspaceState,
} from '../../../front/console/words.mjs';

test('every state in docs/states.md has its own word, and an unknown state is shown as unknown', () => {
  const [, workspaces, servers] = readFileSync(join(import.meta.dirname, '../../../docs/states.md'), 'utf8').split(
    '\n## ',
  );
  const statesOf = (/** @type {string} */ text) => [...text.matchAll(/^\| `(\w+)` \|/gm)].map(([, state]) => state);
  const states = [...statesOf(workspaces), 'unknown'];
  assert.equal(states.length, 7);
  for (const state of states) assert.equal(workspaceState({ state }).word.toLowerCase(), state);
  const words = [...statesOf(servers), 'unknown', 'invalid'].map((state) => serverState({ state }).word);
  assert.equal(new Set(words).size, 11);
  assert.equal(workspaceState({ state: 'new one' }).word, 'Unknown');
  assert.equal(serverState({ state: 'toString' }).word, 'Unknown');
});

test('a stopped server shows why', () => {
  const words = [
    { enabled: false, workspaces: ['w'] },
    { enabled: true, workspaces: [] },
    { enabled: true, workspaces: ['w'], session: 'per_client' },
    { enabled: true, workspaces: ['w'], session: 'shared' },
  ].map((server) => serverState({ state: 'stopped', ...server }).word);
  assert.deepEqual(words, ['Off', 'Not in use', 'On demand', 'Stopped']);
});

test('durations and sizes are short', () => {
  assert.deepEqual([0, 59.9, 60, 3599, 3660, 90_000, -5].map(duration), [
    '0 s',
    '59 s',
    '1 min',
    '59 min',
    '1 h 1 min',
    '1 d 1 h',
    '0 s',
  ]);
  assert.deepEqual([0, 1023, 1536, 61e6, 5e12].map(size), ['0 B', '1023 B', '1.5 KB', '58 MB', '4.5 TB']);
  assert.deepEqual(
    [count(1, 'tool'), count(2, 'tool'), count(1200, 'entry', 'entries')],
    ['1 tool', '2 tools', '1,200 entries'],
  );
});

test('a time of today has no date, any other has one', () => {
  const noon = new Date(2026, 4, 3, 12, 3, 9).getTime() / 1000;
  assert.equal(clock(noon, noon + 60), '12:03:09');
  assert.equal(clock(noon, noon + 2 * 86400), '3 May 12:03:09');
});

test('an empty or blank name is visible', () => {
  assert.deepEqual(['', ' ', 'dev'].map(displayName), ['(no name)', '“ ”', 'dev']);
});

test('durations of calls have a decimal where they are short', () => {
  const seconds = [0.00001, 0.0004, 0.0012, 0.003, 0.0123, 0.999, 1, 12.34];
  assert.deepEqual(seconds.map(took), ['0.1 ms', '0.4 ms', '1.2 ms', '3 ms', '12 ms', '999 ms', '1.00 s', '12.3 s']);
});
