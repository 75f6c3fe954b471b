/** What the pages of the history make of records: filters, lists, times of parts, diffs, usage (pure). */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  diffLines,
  exposedName,
  filtersOf,
  notUndoable,
  outcomeOf,
  partsOf,
  withNewer,
} from '../../../front/console/data/recorded.mjs';
import { callsOf, linesOf, rowsOf, totalOf } from '../../../front/console/data/usage_data.mjs';

/** @type {any} */
const CALL = { method: 'tools/call', server: 'notes', tool: 'add', workspace: 'w' };

describe('records', () => {
  test('filters of an address are those of the API; a range is counted from now', () => {
    const names = ['tool', 'outcome'];
    assert.deepEqual(filtersOf({ last: 'hour', tool: 'a', outcome: '', before: '7' }, names, 10_000), {
      since: 6400,
      tool: 'a',
    });
    assert.deepEqual(filtersOf({ since: '5', until: '6', last: 'never' }, names, 10_000), { since: '5', until: '6' });
    assert.deepEqual(filtersOf({ last: 'constructor' }, names, 10_000), {});
  });

  test('newer records come first by time, none twice, and no more than fit on a page', () => {
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

  test('the time of a call is divided into waiting and the rest', () => {
    const parts = partsOf({ seconds: 2, waited: 0.5 });
    assert.deepEqual(
      parts.map(({ id, seconds, share }) => [id, seconds, share]),
      [
        ['waited', 0.5, 0.25],
        ['server', 1.5, 0.75],
      ],
    );
    assert.deepEqual(partsOf({ seconds: 0, waited: 1 })[1].share, 0);
  });

  test('an outcome that is a code stands for itself', () => {
    assert.deepEqual(outcomeOf('tool_error'), { word: 'Tool error', tone: 'bad' });
    assert.deepEqual(outcomeOf('CALL_TIMEOUT'), { word: 'CALL_TIMEOUT', tone: 'bad' });
    assert.equal(outcomeOf('toString').word, 'toString');
  });

  test('a call is made again under the name that the workspace shows, where it can be', () => {
    const workspace = { servers: ['notes'], name_template: 'x_{namespace}-{name}' };
    const servers = [{ key: 'notes', namespace: '$&n' }];
    assert.equal(exposedName(CALL, workspace, servers), 'x_$&n-add');
    assert.equal(exposedName({ ...CALL, method: 'prompts/get' }, workspace, servers), null);
    assert.equal(exposedName(CALL, undefined, servers), null);
    assert.equal(exposedName({ ...CALL, server: 'gone' }, workspace, servers), null);
  });

  test('each line of a diff is what its first character says, but for the names of the files', () => {
    const diff = '--- server a\n+++ server a\n@@ -1 +1 @@\n {\n-  "--": 1\n+  "--": 2\n';
    assert.deepEqual(
      diffLines(diff).map(({ kind }) => kind),
      ['file', 'file', 'place', 'same', 'removed', 'added'],
    );
  });

  test('a change can be undone while the adapter remembers it; else it is said why not', () => {
    assert.equal(notUndoable({ change: '1-1', kind: 'put_server' }, ['0-1', '1-1']), null);
    assert.match(notUndoable({ change: '1-1', kind: 'put_server' }, []) ?? '', /undone, or/);
    assert.match(notUndoable({ change: '', kind: 'file' }, ['']) ?? '', /did not make it/);
    assert.match(notUndoable({ change: '', kind: 'undo' }, []) ?? '', /an undo itself/);
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

  test('a chart has every interval; one without calls has no quantile', () => {
    const lines = linesOf(usage, '', 150, 200);
    assert.deepEqual(lines.at, [60, 120, 180, 240]);
    assert.deepEqual(lines.calls, [0, 1, 0, 4]);
    assert.deepEqual(lines.p99, [null, 0.3, null, 0.3]);
    assert.deepEqual(linesOf(usage, 'a', 150, 200).calls, [0, 1, 0, 0]);
  });

  test('figures of a range are those of the hub, not sums of quantiles', () => {
    assert.equal(totalOf(usage, '')?.calls, 5);
    assert.deepEqual(
      rowsOf(usage).map(({ name }) => name),
      ['b', 'a'],
    );
  });

  test('a row leads to its calls, where a filter can tell them', () => {
    assert.deepEqual(callsOf('principal', 'ann', []), { principal: 'ann' });
    assert.deepEqual(callsOf('tool', 'a/b/c', ['a', 'a/b']), { server: 'a/b', tool: 'c' });
    assert.equal(callsOf('tool', '(others)', ['(others)']), null);
    assert.equal(callsOf('tool', 'gone/x', ['a']), null);
  });
});
