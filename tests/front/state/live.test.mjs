/** The live connection: State first, then every change, for many pages, with bounded buffers. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { WebSocket } from 'ws';
import { Front } from '../../../front/server/app.mjs';
import { Log } from '../../../front/server/log.mjs';
import { load } from '../support/settings.mjs';
import { freePort, mock, startHub } from '../support/hub.mjs';
import { pageOf } from '../support/live.mjs';

const LIMIT = { timeout: 180_000 };
const HEADERS = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
};

/** @type {import('../support/hub.mjs').Hub} */
let hub;
before(async () => {
  hub = await startHub({
    providers: { a: mock('a') },
    workspaces: { w: ['a'] },
    env: { HUB_MAX_BODY_BYTES: '65536' },
  });
}, LIMIT);
after(() => hub.close());

/** @param {'start' | 'stop'} verb */
const toggle = (verb) => fetch(`${hub.front}/api/hub/workspaces/${verb}?name=w`, { method: 'POST' });

/**
 * The status of a request for a WebSocket that is refused, and its body.
 * @param {string} path @param {Record<string, string>} [headers]
 * @returns {Promise<{status: number | undefined, body: any}>}
 */
function refused(path, headers = {}) {
  return new Promise((resolve, reject) => {
    const [host, port] = ['127.0.0.1', hub.env.HUB_PORT];
    const asking = request({ host, port, path, headers: { ...HEADERS, ...headers } }, async (answer) => {
      const pieces = await answer.toArray();
      resolve({ status: answer.statusCode, body: JSON.parse(String(Buffer.concat(pieces))) });
    });
    asking.on('upgrade', (_, socket) => {
      socket.destroy();
      reject(new Error(`${path} was let pass`));
    });
    asking.on('error', reject);
    asking.end();
  });
}

test('a page gets the State first, then each change with the next number', LIMIT, async () => {
  const page = await pageOf(hub);
  assert.equal(page.state.workspaces[0].state, 'ready');
  await toggle('stop');
  await page.until((state) => state.workspaces[0].state === 'off' && state.workspaces[0].tools === 0);
  await toggle('start');
  await page.until((state) => state.workspaces[0].state === 'ready' && state.workspaces[0].tools > 0);
  assert.deepEqual(page.state.workspaces, (await (await fetch(`${hub.front}/api/hub/state`)).json()).workspaces);
  await page.close();
});

test('a page gets a response to status and ping messages', LIMIT, async () => {
  const page = await pageOf(hub);
  const known = page.seq;
  page.send({ type: 'status' });
  const { seq } = (await page.next('state')).state;
  assert.ok(known <= seq && seq <= page.seq, `${seq} is not from ${known} to ${page.seq}`); // changes may come with it
  page.send({ type: 'ping', id: 5 });
  assert.deepEqual(await page.next('pong'), { type: 'pong', id: 5 });
  await page.close();
});

test('a tool is called, and its result or error has the id of the request', LIMIT, async () => {
  const page = await pageOf(hub);
  page.send({ type: 'execute', id: 'x', workspace: 'w', tool: 'a_add', arguments: { a: 1, b: 2 } });
  const { id, result, seconds } = await page.next('result');
  assert.deepEqual([id, result.structuredContent], ['x', { sum: 3 }]);
  assert.ok(seconds > 0 && seconds < 30);
  page.send({ type: 'execute', id: 'y', workspace: 'w', tool: 'a_nothing', arguments: {} });
  const failed = await page.next('result');
  assert.deepEqual([failed.id, failed.error.code], ['y', 'TOOL_UNKNOWN']);
  assert.ok(failed.error.error && failed.error.hint);
  page.send({ type: 'execute', id: 'z', workspace: 'w', tool: 5 });
  assert.equal((await page.next('result')).error.code, 'LIVE_MESSAGE_INVALID');
  await page.close();
});

test('calls over the limit of a page are refused, not queued', LIMIT, async () => {
  const page = await pageOf(hub);
  for (let id = 0; id < 33; id += 1) {
    page.send({ type: 'execute', id, workspace: 'w', tool: 'a_slow', arguments: { seconds: 30 }, timeout: 30 });
  }
  const { id, error } = await page.next('result');
  assert.deepEqual([id, error.code], [32, 'LIVE_BUSY']);
  await page.close();
});

test('log records go to the pages that follow them, optionally of one server', LIMIT, async () => {
  const [all, one, none] = await Promise.all([pageOf(hub), pageOf(hub), pageOf(hub)]);
  all.send({ type: 'logs', on: true });
  one.send({ type: 'logs', on: true, server: 'nobody' });
  for (const page of [all, one, none]) {
    page.send({ type: 'ping', id: 1 });
    await page.next('pong');
  }
  const record = all.next('log', (message) => message.record.line === 'told of');
  for (let time = 0; !(await Promise.race([record, all.soon()])); time += 1) {
    none.send({ type: 'execute', id: time, workspace: 'w', tool: 'a_stderr', arguments: { text: 'told of' } });
    await none.next('result');
  }
  assert.equal((await record).record.server, 'a');
  all.send({ type: 'logs', on: false });
  for (const page of [one, none]) assert.equal(page.seen('log'), 0);
  await Promise.all([all.close(), one.close(), none.close()]);
});

test('an invalid message of a page gets an error, and the connection stays open', LIMIT, async () => {
  const page = await pageOf(hub);
  for (const text of ['x', '[]', 'null', '{}', '{"type":"__proto__"}', '{"type":5}']) {
    page.socket.send(text);
    assert.equal((await page.next('error')).code, 'LIVE_MESSAGE_INVALID', text);
  }
  page.socket.send(Buffer.from('{"type":"status"}'), { binary: true });
  assert.equal((await page.next('error')).code, 'LIVE_MESSAGE_INVALID');
  await page.close();
});

test('a message that is too large closes the connection of its page only', LIMIT, async () => {
  const [page, other] = await Promise.all([pageOf(hub), pageOf(hub)]);
  const closed = once(page.socket, 'close');
  page.socket.send(JSON.stringify({ type: 'ping', id: 'x'.repeat(70_000) }));
  assert.equal((await closed)[0], 1009);
  other.send({ type: 'ping', id: 1 });
  await other.next('pong');
  await other.close();
});

test('a WebSocket of another site, or at another path, is refused', LIMIT, async () => {
  const live = '/api/hub/live';
  assert.equal((await refused(live, { Origin: 'http://evil.example' })).body.code, 'ORIGIN_REFUSED');
  assert.equal((await refused(live, { Origin: 'null' })).body.code, 'ORIGIN_REFUSED');
  assert.deepEqual((await refused(live, { Host: 'evil.example' })).status, 403);
  for (const path of [
    '/API/hub/live',
    '/api/hub/../hub/live',
    '/api/hub/LIVE',
    '/api/hub/live/',
    '/',
    '/mcp/w',
    '/x',
  ]) {
    assert.equal((await refused(path)).status, 404, path);
  }
  const page = await pageOf(hub, { origin: `http://localhost:${hub.env.HUB_PORT}` });
  await page.close();
});

test('a request for an upgrade to HTTP/2, also with a body, is answered over HTTP/1.1', LIMIT, async () => {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' });
  const socket = connect(Number(hub.env.HUB_PORT), '127.0.0.1');
  const lines = [
    'POST /mcp/nowhere HTTP/1.1',
    'Host: localhost',
    'Connection: Upgrade, HTTP2-Settings',
    'Upgrade: h2c',
  ];
  socket.write(
    `${lines.join('\r\n')}\r\nHTTP2-Settings: AA\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`,
  );
  socket.write(body);
  const [said] = await once(socket, 'data');
  assert.match(String(said), /^HTTP\/1\.1 404 [\s\S]*WORKSPACE_UNKNOWN/);
  socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  assert.match(String((await once(socket, 'data'))[0]), /"status":"ok"/);
  socket.destroy();
});

test('a page that disappeared is detected, and one that answers pings stays connected', LIMIT, async () => {
  const { front, url, root } = await frontAlone({ HUB_PING_INTERVAL: '0.1' }); // pages of its own process miss no ping
  const [page, frozen] = await Promise.all([pageOf({ front: url }), pageOf({ front: url })]);
  const closed = once(frozen.socket, 'close');
  frozen.freeze();
  for (let beat = 0; beat < 5; beat += 1) await once(page.socket, 'ping');
  frozen.thaw();
  await closed;
  assert.equal(page.socket.readyState, WebSocket.OPEN);
  await page.close();
  await front.stop();
  rmSync(root, { recursive: true });
});

test(
  'twenty pages get each of 10,000 changes; one that does not read is disconnected, and memory stays constant',
  LIMIT,
  async () => {
    const { front, url, root } = await frontAlone();
    const pages = await Promise.all(Array.from({ length: 20 }, () => pageOf({ front: url })));
    const slow = await pageOf({ front: url });
    slow.freeze();
    const dropped = new Promise((resolve) => slow.socket.once('close', resolve));
    await flood(front, 2_000);
    const before = heap();
    await flood(front, 8_000);
    const { seq } = front.hub.state;
    await Promise.all(pages.map((page) => page.until((state) => state.seq >= seq)));
    const grown = heap() - before;
    assert.ok(pages.every((page) => page.seen('change') >= 10_000 && page.seen('state') === 1));
    assert.ok(grown < 4 * 1024 * 1024, `${grown} bytes more than before`);
    slow.thaw();
    assert.ok([1013, 1006].includes(await dropped), 'it was told to connect again, or cut off');
    assert.ok(slow.seen('change') < 10_000);
    const ended = Promise.all(pages.map((page) => once(page.socket, 'close')));
    await front.stop();
    assert.deepEqual([...new Set((await ended).map(([code]) => code))], [1001]);
    rmSync(root, { recursive: true });
  },
);

/** A front without the rest of a hub, in the process of the test. Stop it. @param {Record<string, string>} [env] */
async function frontAlone(env = {}) {
  const root = mkdtempSync(join(tmpdir(), 'live'));
  const settings = load({ HUB_PORT: String(await freePort()), HUB_DATA_DIR: root, HUB_YAMCP_UI_DIR: root, ...env });
  const front = new Front(settings, new Log('error'));
  await front.start();
  return { front, url: settings.baseUrl, root };
}

/** So many changes of State, as fast as pages take them. @param {Front} front @param {number} count */
async function flood(front, count) {
  for (let change = 0; change < count; change += 1) {
    front.hub.yamcpUiAnswers(front.hub.state.hub.yamcp_ui === 'away');
    if (change % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Bytes in use once everything that can go has gone. */
function heap() {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().heapUsed;
}
