/** Requests that the hub's own HTTP API refuses before it sends anything to another process. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { asker } from '../support/api.mjs';
import { startHub } from '../support/hub.mjs';

const OPTIONS = { timeout: 180_000 };
/** @type {import('../support/hub.mjs').Hub} */
let hub;
/** @type {ReturnType<typeof asker>} */
let api;

before(async () => {
  hub = await startHub();
  api = asker(hub.front);
});
after(() => hub?.close());

test('an error of an invalid request names the invalid part', OPTIONS, async () => {
  const deep = JSON.parse(`${'{"a":'.repeat(80)}1${'}'.repeat(80)}`);
  const path = '/api/hub/workspaces';
  for (const [given, more, status, code, told] of /** @type {[string, object, number, string, RegExp][]} */ ([
    [path, {}, 400, 'BODY_NOT_JSON', /no body/],
    [path, { raw: '' }, 400, 'BODY_NOT_JSON', /empty/],
    [path, { raw: '{"name": hunter2}' }, 400, 'BODY_NOT_JSON', /line 1, column 10/],
    [path, { raw: '{"name": "a", }' }, 400, 'BODY_NOT_JSON', /line 1/],
    [path, { raw: Buffer.from([0x7b, 0xff, 0x7d]) }, 400, 'BODY_NOT_JSON', /UTF-8/],
    [path, { raw: 'name=a', headers: { 'Content-Type': 'text/plain' } }, 415, 'BODY_TYPE_REFUSED', /./],
    [path, { raw: 'x', headers: { 'Content-Encoding': 'gzip' } }, 415, 'BODY_TYPE_REFUSED', /compressed/],
    [path, { raw: `"${'x'.repeat(5 * 1024 * 1024)}"` }, 413, 'BODY_TOO_LARGE', /./],
    [path, { body: [] }, 400, 'BODY_INVALID', /object/],
    [path, { body: null }, 400, 'BODY_INVALID', /object/],
    [path, { body: { name: 'a' } }, 400, 'BODY_INVALID', /"servers" is missing/],
    [path, { body: { name: 1, servers: [] } }, 400, 'BODY_INVALID', /"name" must be text/],
    [path, { body: { name: 'a', servers: [1] } }, 400, 'BODY_INVALID', /"servers" has an item 1/],
    [path, { body: { name: 'a', servers: [], more: 1 } }, 400, 'BODY_INVALID', /"more" that is not known/],
    [path, { body: { name: 'a\0', servers: [] } }, 400, 'BODY_INVALID', /"name" contains NUL/],
    [path, { body: { name: 'a', servers: [] }, query: { odd: '1' } }, 400, 'QUERY_INVALID', /"odd"/],
    ['/api/hub/servers', { body: { key: 'a', entry: deep } }, 400, 'BODY_INVALID', /"entry" is nested/],
    ['/api/hub/servers', { body: { key: 'x'.repeat(2000), entry: {} } }, 400, 'BODY_INVALID', /"key" is longer/],
    ['/api/hub/servers/start', {}, 400, 'QUERY_INVALID', /"key" is missing/],
    ['/api/hub/servers/start?key=a&key=b', {}, 400, 'QUERY_INVALID', /"key" must be text/],
    [
      '/api/hub/call',
      { body: { workspace: 'first', tool: 'x', timeout: 0 } },
      400,
      'BODY_INVALID',
      /"timeout" must be/,
    ],
    [
      '/api/hub/call',
      { body: { workspace: 'first', tool: 'x', arguments: [] } },
      400,
      'BODY_INVALID',
      /"arguments" must be/,
    ],
    ['/api/hub/import', { body: { text: '{\n "a": b}' } }, 400, 'BODY_INVALID', /line 2, column 7/],
    [
      '/api/hub/import',
      { body: { text: '{}', replace: 'yes' } },
      400,
      'BODY_INVALID',
      /"replace" must be true or false/,
    ],
  ])) {
    const { status: was, body } = await api.post(given, more);
    assert.deepEqual(
      [was, body.code],
      [status, code],
      `${given} ${JSON.stringify(more).slice(0, 80)} ${JSON.stringify(body)}`,
    );
    assert.match(body.error, told);
    assert.ok(!body.error.includes('hunter2') && body.hint);
  }
  for (const query of /** @type {Record<string, string>[]} */ ([
    { limit: '0' },
    { limit: 'x' },
    { limit: '5001' },
    { since: 'x' },
    { unknown: '1' },
  ])) {
    assert.equal((await api.get('/api/hub/logs', { query })).body.code, 'QUERY_INVALID');
  }
});

test('a body of unknown length is also refused if it is larger than the limit', OPTIONS, async () => {
  let left = 100;
  const body = new ReadableStream({
    pull: (stream) => (left-- > 0 ? stream.enqueue(Buffer.alloc(65_536, ' ')) : stream.close()),
  });
  const init = { method: 'POST', body, duplex: 'half', headers: { 'content-type': 'application/json' } };
  const answer = await fetch(`${hub.front}/api/hub/workspaces`, /** @type {any} */ (init));
  assert.deepEqual([answer.status, (await answer.json()).code], [413, 'BODY_TOO_LARGE']);
});

test('an unknown path gets 404, an unsupported method 405, both in JSON', OPTIONS, async () => {
  const none = await api.get('/api/hub/nothing');
  assert.deepEqual([none.status, none.body.code], [404, 'NOT_FOUND']);
  const method = await api.del('/api/hub/state');
  assert.deepEqual([method.status, method.body.code, method.headers.allow], [405, 'METHOD_NOT_ALLOWED', 'GET, HEAD']);
  assert.equal((await api.get('/api/hub/import')).headers.allow, 'POST');
  assert.equal((await api.head('/api/hub/state')).status, 200);
});
