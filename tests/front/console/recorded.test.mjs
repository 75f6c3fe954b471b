/** Data of the history pages: filters, lists, parts of durations, diffs, usage (pure). */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  diffLines,
  exposedName,
  filtersOf,
  whyNotUndoable,
  outcomeOf,
  durationParts,
  withNewer,
} from '../../../front/console/data/recorded.mjs';
import { callsOf, linesOf, rowsOf, totalOf } from '../../../front/console/data/usage_data.mjs';

/** @type {any} */
const CALL = { method: 'tools/call', server: 'notes', tool: 'add', workspace: 'w' };

describe('records', () => {
  test('filters in the URL become filters of the API; a range counts back from now', () => {
    const names = ['tool', 'outcome'];
    assert.deepEqual(filtersOf({ last: 'hour', tool: 'a', outcome: '', before: '7' }, names, 10_000), {
      since: 6400,
      tool: 'a',
    });
    assert.deepEqual(filtersOf({ since: '5', until: '6', last: 'never' }, names, 10_000), { since: '5', until: '6' });
    assert.deepEqual(filtersOf({ last: 'constructor' }, names, 10_000), {});
  });

  test('newer records come first, by time, without duplicates, and at most one page of them', () => {
    const list = [
      { id: 3, at: 30 },
      { id: 2, at: 20 },
    ];
    const added = [
      { id: 3, at: 30 },
      { id: 4, at: 25 },
      { id: 5, at: 30 },
    ];
    assert.deepEqual(withNewer(list, added, 3), [
      { id: 5, at: 30 },
      { id: 3, at: 30 },
      { id: 4, at: 25 },
    ]);
  });

  test('the duration of a call is divided into waiting and the rest', () => {
    const parts = durationParts({ seconds: 2, waited: 0.5 });
    assert.deepEqual(
      parts.map(({ id, seconds, share }) => [id, seconds, share]),
      [
        ['waited', 0.5, 0.25],
        ['server', 1.5, 0.75],
      ],
    );
    assert.deepEqual(durationParts({ seconds: 0, waited: 1 })[1].share, 0);
  });

  test('an outcome that is an error code is shown as it is', () => {
    assert.deepEqual(outcomeOf('tool_error'), { word: 'Tool error', tone: 'bad' });
    assert.deepEqual(outcomeOf('CALL_TIMEOUT'), { word: 'CALL_TIMEOUT', tone: 'bad' });
    assert.equal(outcomeOf('toString').word, 'toString');
  });

  test('a call can be repeated under the name that the workspace exposes', () => {
    const workspace = { servers: ['notes'], name_template: 'x_{namespace}-{name}' };
    const servers = [{ key: 'notes', namespace: '$&n' }];
    assert.equal(exposedName(CALL, workspace, servers), 'x_$&n-add');
    assert.equal(exposedName({ ...CALL, method: 'prompts/get' }, workspace, servers), null);
    assert.equal(exposedName(CALL, undefined, servers), null);
    assert.equal(exposedName({ ...CALL, server: 'gone' }, workspace, servers), null);
  });

  test('the first character of a diff line decides its kind, except in file headers', () => {
    const diff = '--- server a\n+++ server a\n@@ -1 +1 @@\n {\n-  "--": 1\n+  "--": 2\n';
    assert.deepEqual(
      diffLines(diff).map(({ kind }) => kind),
      ['file', 'file', 'place', 'same', 'removed', 'added'],
    );
  });

  test('a change can be undone while the adapter remembers it; otherwise there is a reason', () => {
    assert.equal(whyNotUndoable({ change: '1-1', kind: 'put_server' }, ['0-1', '1-1']), null);
    assert.match(whyNotUndoable({ change: '1-1', kind: 'put_server' }, []) ?? '', /undone, or/);
    assert.match(whyNotUndoable({ change: '', kind: 'file' }, ['']) ?? '', /did not make this change/);
    assert.match(whyNotUndoable({ change: '', kind: 'undo' }, []) ?? '', /itself an undo/);
  });
});

describe('usage', () => {
  const point = (/** @type {number} */ at, /** @type {string} */ name, calls = 1) => ({
    at,
    name,
    calls,
    failed: 1,
    seconds: 2,
    p50: 0.1,
    p95: 0.2,
    p99: 0.3,
  });
  const usage = {
    interval: 60,
    points: [point(60, 'a'), point(180, 'b', 4)],
    all: [point(60, '', 1), point(180, '', 4)],
    totals: [point(0, '', 5), point(0, 'b', 4), point(0, 'a')],
  };

  test('a chart has every interval; one without calls has no quantiles', () => {
    const lines = linesOf(usage, '', 150, 200);
    assert.deepEqual(lines.at, [60, 120, 180, 240]);
    assert.deepEqual(lines.calls, [0, 1, 0, 4]);
    assert.deepEqual(lines.p99, [null, 0.3, null, 0.3]);
    assert.deepEqual(linesOf(usage, 'a', 150, 200).calls, [0, 1, 0, 0]);
  });

  test('totals of a range come from the hub, not from sums of quantiles', () => {
    assert.equal(totalOf(usage, '')?.calls, 5);
    assert.deepEqual(
      rowsOf(usage).map(({ name }) => name),
      ['b', 'a'],
    );
  });

  test('a row links to its calls, if a filter can select them', () => {
    assert.deepEqual(callsOf('principal', 'ann', []), { principal: 'ann' });
    assert.deepEqual(callsOf('tool', 'a/b/c', ['a', 'a/b']), { server: 'a/b', tool: 'c' });
    assert.equal(callsOf('tool', '(others)', ['(others)']), null);
    assert.equal(callsOf('tool', 'gone/x', ['a']), null);
  });
});
