/** The routes of the history over a recorder in memory: requests to it, its errors, and paged exports. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import express from 'express';
import { BridgeError } from '../../../bridge/node/index.mjs';
import { COLUMNS } from '../../../front/server/api/history/export.mjs';
import { csvLine } from '../../../front/server/api/history/csv.mjs';
import { HISTORY_ROUTES } from '../../../front/server/api/history/routes.mjs';
import { records } from '../../../front/server/api/history/handlers.mjs';
import { routerOf } from '../../../front/server/api/router.mjs';
import { answerOf, describeError } from '../../../front/server/errors.mjs';
import { Log } from '../../../front/server/log.mjs';
import { Recorder } from '../../../front/server/state/recorder.mjs';
import { asker } from '../support/api.mjs';
import { ROOT } from '../support/hub.mjs';

const VECTORS = JSON.parse(readFileSync(join(ROOT, 'bridge/vectors/csv.json'), 'utf8'));
const MANY = 1201;
/** @type {[kind: string, body: any, options?: any][]} */
const asked = [];
/** @type {(kind: string, body: any) => any} */
let answer = paged;
/** @type {any} */
const recorder = {
  ask: async (/** @type {string} */ kind, /** @type {any} */ body, /** @type {any} */ options) => {
    asked.push([kind, body, options]);
    return answer(kind, body);
  },
};
/** @type {import('node:http').Server} */
let server;
/** @type {string} */
let base;
/** @type {ReturnType<typeof asker>} */
let api;

before(async () => {
  const app = express();
  const routes = HISTORY_ROUTES.filter((route) => route.id !== 'logs'); // the sidecar's
  app.use(routerOf(routes, records(recorder), { maxBodyBytes: 1000 }));
  /** @type {import('express').ErrorRequestHandler} */
  const failed = (error, _request, response, _next) => {
    if (response.headersSent) response.destroy();
    else response.status(describeError(error).status).json(answerOf(error));
    return undefined;
  };
  app.use(failed);
  server = createServer(app).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  base = `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (server.address()).port}`;
  api = asker(base);
});
after(() => server.close());

/** @param {string} path */
async function download(path) {
  const response = await fetch(base + path);
  return { headers: response.headers, body: await response.text() };
}

/** The loop has gone round once. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Calls with ids from MANY down to 1, as a store has them. @param {string} kind @param {any} body */
function paged(kind, { before: older = MANY + 1, limit = 100 } = {}) {
  if (kind === 'records_status') return { replicas: [] };
  const last = Math.max(0, older - 1 - limit);
  const calls = Array.from({ length: older - 1 - last }, (_, at) => ({
    ...Object.fromEntries(COLUMNS.calls.map((name) => [name, ''])),
    id: older - 1 - at,
    at: 1_800_000_000 + older - 1 - at,
    tool: '=cmd()',
  }));
  return { calls, next: last === 0 ? null : last + 1 };
}

test('each route sends its query to the recorder, and refuses invalid parameters', async () => {
  answer = () => ({});
  for (const [path, kind, body] of /** @type {[string, string, any][]} */ ([
    [
      '/api/hub/calls?since=5&tool=a%20b&outcome=failed&limit=7',
      'read_calls',
      { since: 5, tool: 'a b', outcome: 'failed', limit: 7 },
    ],
    ['/api/hub/calls?after=12', 'read_calls', { after: 12 }],
    ['/api/hub/calls/12', 'read_call', { id: 12 }],
    ['/api/hub/changes?source=console&replica=r1', 'read_changes', { source: 'console', replica: 'r1' }],
    ['/api/hub/sign-ins?limit=500', 'read_sign_ins', { limit: 500 }],
    ['/api/hub/sessions/recorded?workspace=w', 'read_recorded_sessions', { workspace: 'w' }],
    ['/api/hub/usage?range=day&by=principal&limit=5', 'read_usage', { range: 'day', by: 'principal', limit: 5 }],
    ['/api/hub/records', 'records_status', undefined],
  ])) {
    asked.length = 0;
    assert.equal((await api.get(path)).status, 200, path);
    assert.deepEqual(asked[0].slice(0, 2), [kind, body]);
  }
  const optimized = await api.post('/api/hub/records/optimize', { body: { dry_run: true } });
  assert.deepEqual([optimized.status, asked.at(-1)?.[1]], [200, { dry_run: true }]);
  asked.length = 0;
  for (const [path, status] of /** @type {[string, number][]} */ ([
    ['/api/hub/calls?limit=501', 400],
    ['/api/hub/calls?before=1.5', 400],
    ['/api/hub/calls?who=me', 400],
    ['/api/hub/calls/x', 404],
    ['/api/hub/calls/1e3', 404],
    ['/api/hub/usage?range=year', 400],
    ['/api/hub/usage', 400],
    ['/api/hub/calls/export?form=xls', 400],
  ]))
    assert.equal((await api.get(path)).status, status, path);
  assert.deepEqual(asked, []);
});

test('errors of the recorder are passed on', async () => {
  answer = () => {
    throw new BridgeError('NO_SUCH_RECORD', 'There is no call 9.', { hint: 'It may be older than what is kept.' });
  };
  for (const path of ['/api/hub/calls/9', '/api/hub/calls/export?form=csv']) {
    const { status, body } = await api.get(path);
    assert.deepEqual([status, body.code, body.hint], [404, 'NO_SUCH_RECORD', 'It may be older than what is kept.']);
  }
});

test('an export contains every record once, in order, over any number of pages', async () => {
  answer = paged;
  asked.length = 0;
  const { headers, body } = await download('/api/hub/calls/export?form=jsonl&server=s');
  const rows = body
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    rows.map((/** @type {any} */ row) => row.id),
    Array.from({ length: MANY }, (_, at) => MANY - at),
  );
  assert.deepEqual(
    asked.map(([, sent]) => sent),
    [
      { server: 's', limit: 500 },
      { server: 's', limit: 500, before: 702 },
      { server: 's', limit: 500, before: 202 },
    ],
  );
  assert.equal(headers.get('content-disposition'), 'attachment; filename="calls.jsonl"');
  const csv = (await api.get('/api/hub/calls/export?form=csv')).body.split('\r\n');
  assert.equal(csv.length, MANY + 2);
  assert.match(csv[0], /^time,id,at,seconds,/);
  assert.match(csv[1], /^2027-01-15T08:20:01\.000Z,1201,1800001201,.*,'=cmd\(\),/);
  answer = () => ({ sign_ins: [], next: null, replicas: ['r0', 'r1'] });
  assert.equal(
    (await api.get('/api/hub/sign-ins/export?form=csv')).body,
    'time,id,at,principal,address,way,outcome,replica\r\n',
  );
  assert.equal(
    (await api.head('/api/hub/sign-ins/export?form=csv')).headers['content-type'],
    'text/csv; charset=utf-8',
  );
});

test('an export that fails midway ends incomplete, so that it is not taken for the whole', async () => {
  answer = (kind, body) => {
    if (body.before) throw new BridgeError('STORE_UNAVAILABLE', 'away');
    return paged(kind, body);
  };
  await assert.rejects(download('/api/hub/calls/export?form=jsonl'), { message: 'terminated' });
});

test('an export is read at the speed of its client, and stops when the client disconnects', async () => {
  const wide = 'x'.repeat(20_000);
  answer = (_, { before: older = 1_000_000 }) => ({
    calls: Array.from({ length: 50 }, (_each, at) => ({ id: older - at, at: 0, tool: wide })),
    next: older - 50,
  });
  asked.length = 0;
  const began = once(server, 'request');
  const leaving = new AbortController();
  const response = await fetch(`${base}/api/hub/calls/export?form=jsonl`, { signal: leaving.signal });
  assert.equal(response.headers.get('content-type'), 'application/jsonl; charset=utf-8');
  const [, sending] = await began;
  while (!sending.writableNeedDrain) await turn();
  const read = asked.length;
  for (let turns = 0; turns < 200; turns += 1) await turn();
  assert.ok(asked.length <= read + 2, `${asked.length - read} MB more were read for a client that reads nothing`);
  const left = once(sending, 'close');
  leaving.abort();
  await left;
  await turn();
  const then = asked.length;
  for (let turns = 0; turns < 200; turns += 1) await turn();
  assert.equal(asked.length, then);
});

test('CSV is readable by spreadsheets and contains no formulas', () => {
  for (const { values, line } of VECTORS.lines) assert.equal(csvLine(values), line);
  assert.deepEqual(COLUMNS, VECTORS.columns);
});

test('errors without a history, or without a recorder, have a hint', async () => {
  const log = new Log('error', () => {});
  await assert.rejects(new Recorder(null, log).ask('records_status'), { code: 'HISTORY_OFF', status: 409 });
  const absent = new Recorder('ipc:///nowhere/at/all.sock', log);
  await assert.rejects(absent.ask('records_status'), { code: 'HISTORY_UNAVAILABLE', status: 503 });
  await absent.close();
});
