/** Sessions of real MCP clients through the front: pings, cancellation, disconnection, and a restart of the sidecar. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get } from 'node:http';
import { after, before, test } from 'node:test';
import { mock, startHub } from './support/hub.mjs';
import { pageOf } from './support/live.mjs';
import { McpClient } from './support/mcp.mjs';

const LIMIT = { timeout: 180_000 };

/** @type {import('./support/hub.mjs').Hub} */
let hub;
before(async () => {
  const env = { HUB_PING_INTERVAL: '2', HUB_MAX_BODY_BYTES: '100000' }; // pages that miss three pings are closed
  hub = await startHub({ providers: { a: mock('a') }, workspaces: { w: ['a'] }, env });
}, LIMIT);
after(() => hub.close());

/** @param {string} rest */
const url = (rest) => `${hub.front}/mcp/w${rest}`;

/** A session of Streamable HTTP stays until it is ended by its client. @param {McpClient} client @param {string} rest */
async function leave(client, rest) {
  if (!rest) await client.client.transport.terminateSession();
  await client.close();
}

for (const [name, rest] of Object.entries({ 'HTTP+SSE': '/sse', 'Streamable HTTP': '' })) {
  test(`a client lists and calls over ${name}, and its session ends when it disconnects`, LIMIT, async () => {
    const page = await pageOf(hub);
    const client = await McpClient.connect(url(rest));
    assert.ok((await client.tools()).includes('a_echo'));
    assert.equal(await client.call('a_echo', { text: 'hello' }), 'hello');
    assert.equal((await client.call('a_big', { bytes: 1_000_000 })).length, 1_000_000);
    await page.until((state) => state.workspaces[0].sessions === 1);
    if (!rest) await client.client.transport.terminateSession();
    await client.close();
    await page.until((state) => state.workspaces[0].sessions === 0);
    await page.close();
  });

  test(`a call that is cancelled over ${name} is cancelled at the server`, LIMIT, async () => {
    const client = await McpClient.connect(url(rest));
    const cancelled = async () => (await client.client.callTool({ name: 'a_connection' })).structuredContent.cancelled;
    const before = await cancelled();
    const stop = new AbortController();
    const call = client.client.callTool({ name: 'a_slow', arguments: { seconds: 30 } }, undefined, {
      signal: stop.signal,
    });
    await hub.waitJson(`${hub.sidecar}/status`, (status) => status.servers[0].calls_in_flight === 1);
    stop.abort('enough');
    await assert.rejects(call);
    await hub.waitJson(`${hub.sidecar}/status`, (status) => status.servers[0].calls_in_flight === 0);
    assert.equal(await cancelled(), before + 1);
    await leave(client, rest);
  });
}

test('disconnected clients leave no session behind', LIMIT, async () => {
  const page = await pageOf(hub);
  await page.until((state) => state.hub.sessions === 0);
  const open = async () => {
    const [stream] = await once(get(url('/sse'), { agent: false }), 'response');
    await once(stream, 'data');
    return stream.on('error', () => {});
  };
  const streams = await Promise.all(Array.from({ length: 10 }, open));
  await page.until((state) => state.hub.sessions === 10);
  for (const stream of streams) stream.destroy();
  await page.until((state) => state.hub.sessions === 0);
  await page.close();
});

test('pings on a stream are passed on as they are sent', LIMIT, async () => {
  const [stream] = await once(get(url('/sse'), { agent: false }), 'response');
  let text = '';
  for await (const piece of stream) {
    text += piece;
    if (text.split(': ping').length > 2) break;
  }
  assert.match(text, /event: endpoint\r?\ndata: messages\?session_id=/);
});

test('a message that is too large gets an error, with and without a stated length', LIMIT, async () => {
  const client = await McpClient.connect(url(''));
  await assert.rejects(client.call('a_echo', { text: 'x'.repeat(110_000) }), /larger than 100000 bytes/);
  assert.equal(await client.call('a_echo', { text: 'small' }), 'small');
  await leave(client, '');
  const body = new ReadableStream({
    start(stream) {
      for (let piece = 0; piece < 20; piece += 1) stream.enqueue(Buffer.alloc(10_000, ' '));
      stream.close();
    },
  });
  const options = /** @type {RequestInit} */ ({
    method: 'POST',
    body,
    duplex: 'half',
    headers: { 'content-type': 'application/json' },
  });
  const answer = await fetch(url(''), options);
  assert.equal(answer.status, 413);
  assert.equal((await answer.json()).error.data.code, 'BODY_TOO_LARGE');
});

test('a page of another site cannot use an endpoint', LIMIT, async () => {
  const answer = await fetch(url(''), { method: 'POST', body: '{}', headers: { origin: 'http://evil.example' } });
  assert.equal(answer.status, 403);
  assert.equal((await answer.json()).error.data.code, 'ORIGIN_REFUSED');
  for (const path of ['/MCP/w', '/mcp/%77/..', '/mcp/w%2Fsse', '/mcp//w']) {
    assert.equal((await fetch(`${hub.front}${path}`)).status, 404, path);
  }
});

test(
  'when the sidecar dies, streams end, clients get the reason, and new ones are served without a restart',
  LIMIT,
  async () => {
    const page = await pageOf(hub);
    const client = await McpClient.connect(url('/sse'));
    const ended = new Promise((resolve) => {
      client.client.onerror = resolve;
    });
    const call = client.client
      .callTool({ name: 'a_slow', arguments: { seconds: 30 } })
      .catch((/** @type {unknown} */ error) => error);
    await client.tools();
    await hub.stop('sidecar', 'SIGKILL');
    await page.until((state) => state.hub.sidecar === 'away');
    assert.equal(page.state.workspaces[0].state, 'unknown');
    await ended;
    const answer = await fetch(url(''), { method: 'POST', body: '{}' });
    assert.equal(answer.status, 503); // it has waited
    assert.equal((await answer.json()).error.data.code, 'SIDECAR_AWAY');
    const health = await fetch(`${hub.front}/healthz`);
    assert.equal(health.status, 503);
    assert.equal((await health.json()).reasons[0].code, 'HUB_AWAY');
    hub.start('sidecar');
    await page.until((state) => state.hub.settled && state.workspaces[0].state === 'ready');
    const next = await McpClient.connect(url(''));
    assert.equal(await next.call('a_echo', { text: 'again' }), 'again');
    assert.equal((await fetch(`${hub.front}/healthz`)).status, 200);
    await Promise.all([client.close(), next.close(), page.close()]);
    await call;
  },
);
