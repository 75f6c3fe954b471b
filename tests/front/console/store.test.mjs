/** The console's connection to the hub: it reconnects, catches up, and reports the outcome of calls. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import {
  connect,
  connection,
  disconnect,
  events,
  execute,
  live,
  lostAt,
  state,
  until,
} from '../../../front/console/hub/store.mjs';

/** @import {TestContext} from 'node:test' */

const OPTIONS = { timeout: 180_000 };
const WAIT = 20; // s, more than the store ever waits between two tries

after(disconnect);

/** @param {number} seq @returns {any} */
const whole = (seq) => ({
  seq,
  hub: { at: 100, adapter: 'ok', sidecar: 'ok', yamcp_ui: 'none' },
  workspaces: [{ name: 'w', state: seq % 2 ? 'ready' : 'off', enabled: true, servers: [], tools: 0, sessions: 0 }],
  servers: [],
});

/** A hub's live connection as the store sees it; every message that comes is kept. @param {TestContext} t */
async function served(t) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  /** @type {any[]} */
  const heard = [];
  server.on('connection', (socket) => socket.on('message', (data) => heard.push(JSON.parse(String(data)))));
  const stop = () => {
    disconnect();
    for (const socket of server.clients) socket.terminate();
    server.close();
  };
  t.after(stop);
  const say = (/** @type {any} */ message) => {
    for (const socket of server.clients) socket.send(JSON.stringify(message));
  };
  const next = async () => {
    while (heard.length === 0) await once([...server.clients][0], 'message');
    return heard.shift();
  };
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return { server, say, next, url: `ws://127.0.0.1:${port}` };
}

test('the store follows changes, and requests the whole State after a missed one', OPTIONS, async (t) => {
  const { server, say, next, url } = await served(t);
  connect(url, WebSocket);
  await once(server, 'connection');
  say({ type: 'state', state: whole(1) });
  assert.ok(await until(() => connection.value === 'live', WAIT));
  say({ type: 'change', seq: 2, workspaces: whole(2).workspaces, servers: [] });
  assert.ok(await until(() => state.value?.workspaces[0].state === 'off', WAIT));
  assert.equal(events.value.at(-1)?.text, 'off');
  say({ type: 'change', seq: 4, workspaces: [], servers: [] });
  assert.deepEqual(await next(), { type: 'status' });
  say({ type: 'tick', seq: 9 });
  assert.deepEqual(await next(), { type: 'status' });
});

test(
  'the store reports a lost connection and the time of its State, reconnects, and is current again',
  OPTIONS,
  async (t) => {
    const { server, say, url } = await served(t);
    connect(url, WebSocket);
    await once(server, 'connection');
    say({ type: 'state', state: whole(1) });
    await until(() => connection.value === 'live', WAIT);
    const again = once(server, 'connection');
    for (const socket of server.clients) socket.terminate();
    assert.ok(await until(() => connection.value === 'lost', WAIT));
    assert.ok(Math.abs(lostAt.value - Date.now() / 1000) < WAIT);
    assert.equal(live.send({ type: 'ping', id: 1 }), false);
    await again;
    say({ type: 'state', state: whole(2) });
    assert.ok(await until(() => connection.value === 'live' && state.value?.seq === 2, WAIT));
  },
);

test('a call gets its result or its error, and fails when the connection ends', OPTIONS, async (t) => {
  const { server, say, next, url } = await served(t);
  connect(url, WebSocket);
  await once(server, 'connection');
  say({ type: 'state', state: whole(1) });
  await until(() => connection.value === 'live', WAIT);
  const good = execute('w', 'add', { a: 1 }, 5);
  const { id, ...asked } = await next();
  assert.deepEqual(asked, { type: 'execute', workspace: 'w', tool: 'add', arguments: { a: 1 }, timeout: 5 });
  say({ type: 'result', id, result: { content: [] }, seconds: 0.1 });
  assert.deepEqual(await good, { result: { content: [] }, seconds: 0.1 });
  const refused = execute('w', 'add', {});
  say({ type: 'result', id: (await next()).id, error: { code: 'TOOL_UNKNOWN', error: 'No.', hint: 'Look.' } });
  await assert.rejects(refused, { code: 'TOOL_UNKNOWN', message: 'No.', hint: 'Look.' });
  const cut = execute('w', 'add', {});
  await next();
  for (const socket of server.clients) socket.terminate();
  await assert.rejects(cut, { code: 'CONNECTION_LOST' });
});

test('logs are requested while there is a listener, and again after a reconnection', OPTIONS, async (t) => {
  const { server, say, next, url } = await served(t);
  connect(url, WebSocket);
  await once(server, 'connection');
  say({ type: 'state', state: whole(1) });
  await until(() => connection.value === 'live', WAIT);
  /** @type {any[]} */
  const records = [];
  const off = live.onLog((record) => records.push(record));
  assert.deepEqual(await next(), { type: 'logs', on: true });
  const again = once(server, 'connection');
  for (const socket of server.clients) socket.terminate();
  await again;
  assert.deepEqual(await next(), { type: 'logs', on: true });
  say({ type: 'log', record: { message: 'hello' } });
  say({ type: 'state', state: whole(3) });
  await until(() => state.value?.seq === 3, WAIT);
  assert.deepEqual(records, [{ message: 'hello' }]);
  off();
  assert.deepEqual(await next(), { type: 'logs', on: false });
});
