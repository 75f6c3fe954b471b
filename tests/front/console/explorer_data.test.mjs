import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  filterLines,
  foldRepeats,
  lineOfEvent,
  lineOfRecord,
  MAX_LINES,
  mergeLines,
} from '../../../front/console/data/activity_lines.mjs';
import { knownUntil, mergeHistory, series, summarize, toolRows } from '../../../front/console/data/figures_data.mjs';
import { grouped, serverOf } from '../../../front/console/data/tool_list.mjs';

const SERVERS = [
  { key: 'notes', namespace: 'notes' },
  { key: 'notes two', namespace: 'notes_two' },
  { key: 'clock', namespace: 'clock' },
];
const WORKSPACE = { servers: ['notes', 'notes two', 'clock'], name_template: '{namespace}_{name}' };

describe('tool list', () => {
  test('the server of a tool is the one with the longest matching namespace', () => {
    assert.equal(serverOf('notes_add', WORKSPACE, SERVERS), 'notes');
    assert.equal(serverOf('notes_two_add', WORKSPACE, SERVERS), 'notes two');
    assert.equal(serverOf('other_add', WORKSPACE, SERVERS), '');
  });

  test('in a workspace with one server, every tool belongs to it', () => {
    assert.equal(serverOf('add', { servers: ['clock'], name_template: '{name}' }, SERVERS), 'clock');
  });

  test('another name template is applied', () => {
    assert.equal(serverOf('x-clock.now', { ...WORKSPACE, name_template: 'x-{namespace}.{name}' }, SERVERS), 'clock');
  });

  test('every word of a search must match; groups are in the order of the workspace', () => {
    const tools = [
      { name: 'clock_now', description: 'The time' },
      { name: 'notes_add', title: 'Add a note' },
      { name: 'notes_list', description: 'All notes, in time' },
    ];
    const names = (/** @type {string} */ search) =>
      grouped(tools, search, WORKSPACE, SERVERS).map((group) => [group.server, group.tools.map(({ name }) => name)]);
    assert.deepEqual(names(''), [
      ['notes', ['notes_add', 'notes_list']],
      ['clock', ['clock_now']],
    ]);
    assert.deepEqual(names('TIME'), [
      ['notes', ['notes_list']],
      ['clock', ['clock_now']],
    ]);
    assert.deepEqual(names('time notes'), [['notes', ['notes_list']]]);
    assert.deepEqual(names('nowhere'), []);
  });
});

describe('activity lines', () => {
  const record = (/** @type {number} */ second, more = {}) => ({
    time: new Date(second * 1000).toISOString(),
    level: 'info',
    process: 'sidecar',
    logger: 'x',
    message: `at ${second}`,
    ...more,
  });

  test('a line of a record has its fields; a line of server output is the text alone', () => {
    assert.equal(lineOfRecord(record(1, { server: 'a', tools: 5 })).text, 'at 1 · tools=5');
    assert.equal(lineOfRecord(record(1, { server: 'a', message: 'stderr', line: 'oops' })).text, 'oops');
    assert.equal(lineOfRecord({}).text, '');
    const of = (/** @type {string} */ name) =>
      lineOfRecord(record(1, { message: 'stderr', line: 'oops', logged_by: name }));
    assert.equal(of('r0').text, 'r0: oops');
    assert.notEqual(of('r0').id, of('r1').id, 'the same line of two replicas is two lines');
  });

  test('a line of an event names its subject', () => {
    const text = (/** @type {any} */ what) => lineOfEvent({ at: 1, tone: 'ok', ...what }).text;
    assert.equal(text({ kind: 'server', subject: 'time', text: 'failed: gone' }), 'server time: failed: gone');
    assert.equal(text({ kind: 'workspace', subject: 'dev', text: 'ready' }), 'workspace dev: ready');
    assert.equal(text({ kind: 'hub', subject: 'the adapter', text: 'is away' }), 'the adapter is away');
  });

  test('repeated lines of a retrying server are folded into the last one, with a count', () => {
    const tries = [1, 2, 3].flatMap((n) => [
      record(10 * n, { server: 'a', message: 'stderr', line: 'no permit' }),
      record(10 * n + 1, { server: 'a', message: 'server failed', attempt: n }),
      record(10 * n + 2, { server: 'b', message: 'stderr', line: `other ${n}` }),
      record(10 * n + 3, { message: 'hub' }),
    ]);
    const lines = foldRepeats(mergeLines([], tries.map(lineOfRecord)));
    assert.deepEqual(
      lines.filter(({ server }) => server === 'a').map(({ at, text, times }) => [at, text, times]),
      [
        [30, 'no permit', 3],
        [31, 'server failed · attempt=3', 3],
      ],
    );
    assert.deepEqual(
      lines.filter(({ server }) => server !== 'a').map(({ times }) => times),
      [1, 1, 1, 1, 1, 1],
    );
    assert.equal(new Set(lines.map(({ id }) => id)).size, lines.length);
    assert.equal(lines.find(({ server }) => server === 'a')?.id, lineOfRecord(tries[0]).id, 'its row stays the same');
  });

  test('lines are in time order, without duplicates, and only the newest are kept', () => {
    const first = [1, 3].map((at) => lineOfRecord(record(at)));
    const lines = mergeLines(first, [record(2), record(3), record(4)].map(lineOfRecord));
    assert.deepEqual(
      lines.map(({ at }) => at),
      [1, 2, 3, 4],
    );
    assert.equal(mergeLines(lines, [lineOfRecord(record(2))]), lines);
    const many = mergeLines(
      lines,
      Array.from({ length: MAX_LINES }, (_, index) => lineOfRecord(record(10 + index))),
    );
    assert.deepEqual([many.length, many[0].at], [MAX_LINES, 10]);
  });

  test('lines are filtered by source, minimum level and words', () => {
    const lines = [
      lineOfEvent({ at: 1, kind: 'server', subject: 'a', text: 'a failed', tone: 'bad' }),
      lineOfRecord(record(2, { server: 'a' })),
      lineOfRecord(record(3, { level: 'warning' })),
    ];
    const at = (/** @type {Partial<import('../../../front/console/data/activity_lines.mjs').Filter>} */ part) =>
      filterLines(lines, { source: '', level: 'debug', text: '', ...part }).map((line) => line.at);
    assert.deepEqual(at({}), [1, 2, 3]);
    assert.deepEqual(at({ source: 'event' }), [1]);
    assert.deepEqual(at({ source: 'server:a' }), [1, 2]);
    assert.deepEqual(at({ source: 'process:sidecar' }), [3]);
    assert.deepEqual(at({ level: 'warning' }), [1, 3]);
    assert.deepEqual(at({ text: 'FAIL' }), [1]);
  });
});

describe('figures', () => {
  const figure = (/** @type {string} */ tool, calls = 1, p50 = 0.1, p95 = 0.2, errors = 0, server = 's') => ({
    server,
    tool,
    calls,
    errors,
    seconds: calls * p50,
    p50,
    p95,
  });
  const history = (/** @type {number} */ now, /** @type {[number, any[]][]} */ ...samples) => ({
    interval: 10,
    now,
    samples: samples.map(([at, figures]) => ({ at, figures })),
  });

  test('percentiles of one figure are its own; without figures there are none', () => {
    assert.deepEqual(summarize([figure('a', 4)]), { calls: 4, errors: 0, mean: 0.1, p50: 0.1, p95: 0.2 });
    assert.deepEqual(summarize([]), { calls: 0, errors: 0, mean: null, p50: null, p95: null });
  });

  test('percentiles of several figures are estimated over all calls', () => {
    const { p50, p95 } = summarize([figure('fast', 90, 0.001, 0.002), figure('slow', 10, 1, 2)]);
    assert.ok(p50 !== null && p50 < 0.002, String(p50));
    assert.ok(p95 !== null && p95 > 0.9 && p95 < 1.1, String(p95));
  });

  test('newer samples are added, the incomplete one is replaced, old ones are removed', () => {
    const before = history(25, [10.01, [figure('a')]], [20.02, [figure('a')]], [25, [figure('a', 1)]]);
    assert.equal(knownUntil(before), 20.02);
    const after = mergeHistory(before, history(33, [30.01, [figure('a', 2)]], [33, [figure('a', 3)]]), 20);
    assert.deepEqual(
      after.samples.map(({ at }) => at),
      [20.02, 30.01, 33],
    );
    assert.deepEqual([knownUntil(null), knownUntil(after)], [0, 30.01]);
  });

  test('a chart has a point for each interval, also without calls, and each call in its interval', () => {
    const found = series(
      history(33, [10.01, [figure('a', 2)]], [30.2, [figure('a', 3)]], [33, [figure('b', 5)]]),
      { tool: 'a' },
      40,
    );
    assert.deepEqual(found.at, [10, 20, 30, 40]);
    assert.deepEqual(found.calls, [2, 0, 3, 0]);
    assert.deepEqual(found.p50, [0.1, null, 0.1, null]);
  });

  test('a long time span has fewer points, of several intervals each', () => {
    const found = series(history(3600, [3590, [figure('a')]], [3600, [figure('a')]]), {}, 3600);
    assert.equal(found.step, 60);
    assert.equal(found.at.length, 60);
    assert.equal(found.calls.at(-1), 2);
  });

  test('the table has one row for each tool of each server, most called first', () => {
    const all = history(
      20,
      [10, [figure('a', 1), figure('b', 2)]],
      [20, [figure('a', 2), figure('a', 9, 0.1, 0.2, 3, 't')]],
    );
    assert.deepEqual(
      toolRows(all, {}).map(({ server, tool, calls, errors }) => [server, tool, calls, errors]),
      [
        ['t', 'a', 9, 3],
        ['s', 'a', 3, 0],
        ['s', 'b', 2, 0],
      ],
    );
    assert.deepEqual(
      toolRows(all, { server: 's', tool: 'b' }).map(({ calls }) => calls),
      [2],
    );
  });
});
