import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { filtered, folded, joined, MAX_LINES, ofEvent, ofRecord } from '../../../front/console/data/activity_lines.mjs';
import { extended, knownUntil, rows, series, summed } from '../../../front/console/data/figures_data.mjs';
import { grouped, serverOf } from '../../../front/console/data/tool_list.mjs';

const SERVERS = [
  { key: 'notes', namespace: 'notes' },
  { key: 'notes two', namespace: 'notes_two' },
  { key: 'clock', namespace: 'clock' },
];
const WORKSPACE = { servers: ['notes', 'notes two', 'clock'], name_template: '{namespace}_{name}' };

describe('the list of tools', () => {
  test('a tool is of the server whose namespace its name begins with, the longest that fits', () => {
    assert.equal(serverOf('notes_add', WORKSPACE, SERVERS), 'notes');
    assert.equal(serverOf('notes_two_add', WORKSPACE, SERVERS), 'notes two');
    assert.equal(serverOf('other_add', WORKSPACE, SERVERS), '');
  });

  test('in a workspace of one server every tool is of it, whatever its name', () => {
    assert.equal(serverOf('add', { servers: ['clock'], name_template: '{name}' }, SERVERS), 'clock');
  });

  test('another template of names is followed', () => {
    assert.equal(serverOf('x-clock.now', { ...WORKSPACE, name_template: 'x-{namespace}.{name}' }, SERVERS), 'clock');
  });

  test('each word of a search has to be somewhere; groups are in the order of the workspace', () => {
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

describe('lines of activity', () => {
  const record = (/** @type {number} */ second, more = {}) => ({
    time: new Date(second * 1000).toISOString(),
    level: 'info',
    process: 'sidecar',
    logger: 'x',
    message: `at ${second}`,
    ...more,
  });

  test('a record tells its fields; what a server wrote stands for itself', () => {
    assert.equal(ofRecord(record(1, { server: 'a', tools: 5 })).text, 'at 1 · tools=5');
    assert.equal(ofRecord(record(1, { server: 'a', message: 'stderr', line: 'oops' })).text, 'oops');
    assert.equal(ofRecord({}).text, '');
  });

  test('an event says what it is about', () => {
    const text = (/** @type {any} */ what) => ofEvent({ at: 1, tone: 'ok', ...what }).text;
    assert.equal(text({ kind: 'server', subject: 'time', text: 'failed: gone' }), 'server time: failed: gone');
    assert.equal(text({ kind: 'workspace', subject: 'dev', text: 'ready' }), 'workspace dev: ready');
    assert.equal(text({ kind: 'hub', subject: 'the adapter', text: 'is away' }), 'the adapter is away');
  });

  test('what a retrying server says again stands once, where it was said last, with how often', () => {
    const tries = [1, 2, 3].flatMap((n) => [
      record(10 * n, { server: 'a', message: 'stderr', line: 'no permit' }),
      record(10 * n + 1, { server: 'a', message: 'server failed', attempt: n }),
      record(10 * n + 2, { server: 'b', message: 'stderr', line: `other ${n}` }),
      record(10 * n + 3, { message: 'hub' }),
    ]);
    const lines = folded(joined([], tries.map(ofRecord)));
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
    assert.equal(lines.find(({ server }) => server === 'a')?.id, ofRecord(tries[0]).id, 'its row stays the same');
  });

  test('lines stay in the order of time, none twice, the newest of too many', () => {
    const first = [1, 3].map((at) => ofRecord(record(at)));
    const lines = joined(first, [record(2), record(3), record(4)].map(ofRecord));
    assert.deepEqual(
      lines.map(({ at }) => at),
      [1, 2, 3, 4],
    );
    assert.equal(joined(lines, [ofRecord(record(2))]), lines);
    const many = joined(
      lines,
      Array.from({ length: MAX_LINES }, (_, index) => ofRecord(record(10 + index))),
    );
    assert.deepEqual([many.length, many[0].at], [MAX_LINES, 10]);
  });

  test('they are filtered by source, least level and words', () => {
    const lines = [
      ofEvent({ at: 1, kind: 'server', subject: 'a', text: 'a failed', tone: 'bad' }),
      ofRecord(record(2, { server: 'a' })),
      ofRecord(record(3, { level: 'warning' })),
    ];
    const at = (/** @type {Partial<import('../../../front/console/data/activity_lines.mjs').Filter>} */ part) =>
      filtered(lines, { source: '', level: 'debug', text: '', ...part }).map((line) => line.at);
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

  test('of one figure the percentiles are its own; of none there are none', () => {
    assert.deepEqual(summed([figure('a', 4)]), { calls: 4, errors: 0, mean: 0.1, p50: 0.1, p95: 0.2 });
    assert.deepEqual(summed([]), { calls: 0, errors: 0, mean: null, p50: null, p95: null });
  });

  test('of several the percentiles are those of the calls together', () => {
    const { p50, p95 } = summed([figure('fast', 90, 0.001, 0.002), figure('slow', 10, 1, 2)]);
    assert.ok(p50 !== null && p50 < 0.002, String(p50));
    assert.ok(p95 !== null && p95 > 0.9 && p95 < 1.1, String(p95));
  });

  test('newer samples are added, the one that was not over is replaced, old ones go', () => {
    const before = history(25, [10.01, [figure('a')]], [20.02, [figure('a')]], [25, [figure('a', 1)]]);
    assert.equal(knownUntil(before), 20.02);
    const after = extended(before, history(33, [30.01, [figure('a', 2)]], [33, [figure('a', 3)]]), 20);
    assert.deepEqual(
      after.samples.map(({ at }) => at),
      [20.02, 30.01, 33],
    );
    assert.deepEqual([knownUntil(null), knownUntil(after)], [0, 30.01]);
  });

  test('a chart has a point for each interval, without calls too, and each call in its own', () => {
    const found = series(
      history(33, [10.01, [figure('a', 2)]], [30.2, [figure('a', 3)]], [33, [figure('b', 5)]]),
      { tool: 'a' },
      40,
    );
    assert.deepEqual(found.at, [10, 20, 30, 40]);
    assert.deepEqual(found.calls, [2, 0, 3, 0]);
    assert.deepEqual(found.p50, [0.1, null, 0.1, null]);
  });

  test('a long time has fewer points, each of several intervals', () => {
    const found = series(history(3600, [3590, [figure('a')]], [3600, [figure('a')]]), {}, 3600);
    assert.equal(found.step, 60);
    assert.equal(found.at.length, 60);
    assert.equal(found.calls.at(-1), 2);
  });

  test('the table has one row for each tool of each server, those called most first', () => {
    const all = history(
      20,
      [10, [figure('a', 1), figure('b', 2)]],
      [20, [figure('a', 2), figure('a', 9, 0.1, 0.2, 3, 't')]],
    );
    assert.deepEqual(
      rows(all, {}).map(({ server, tool, calls, errors }) => [server, tool, calls, errors]),
      [
        ['t', 'a', 9, 3],
        ['s', 'a', 3, 0],
        ['s', 'b', 2, 0],
      ],
    );
    assert.deepEqual(
      rows(all, { server: 's', tool: 'b' }).map(({ calls }) => calls),
      [2],
    );
  });
});
