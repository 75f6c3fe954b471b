/** Connections at the public port: time limits, limits in total and per address, and which are closed first. */

import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, test } from 'node:test';
import { bodyReader } from '../../front/server/api/body.mjs';
import { Connections, maxConnections } from '../../front/server/connections.mjs';
import { answerOf, describeError } from '../../front/server/errors.mjs';
import { Log } from '../../front/server/log.mjs';
import { load } from './support/settings.mjs';

/** @import {IncomingMessage, ServerResponse} from 'node:http' */
/** @import {Socket} from 'node:net' */

const LIMIT = { timeout: 180_000 };
const HALF = 'GET / HTTP/1.1\r\nHost: x\r\nAcc';
const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

/** @type {(() => unknown)[]} */
let closing = [];
afterEach(async () => {
  for (const close of closing.reverse()) await close();
  closing = [];
});

/**
 * A server with limits, that answers so; seconds pass by `connections.tick`.
 * @param {(request: IncomingMessage, response: ServerResponse) => unknown} [handle]
 */
async function served(handle = (_, response) => response.end('yes')) {
  /** @type {string[]} */
  const lines = [];
  const settings = load({ HUB_DATA_DIR: '/tmp/x', HUB_TRUSTED_PROXIES: '127.0.0.0/8' });
  const server = createServer({ headersTimeout: 0, requestTimeout: 0 }, (request, response) => {
    try {
      connections.began(request, response);
      handle(request, response);
    } catch (error) {
      response.writeHead(describeError(error).status);
      response.end(JSON.stringify(answerOf(error)));
    }
  });
  const connections = new Connections(server, settings, new Log('info', (line) => lines.push(line)));
  clearInterval(connections.timer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return { server, port, connections, lines };
}

/** @param {number} port @param {string} data */
async function client(port, data) {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  closing.push(() => socket.destroy());
  socket.write(data);
  await once(socket, 'connect');
  return socket;
}

/** @param {number} count @param {number} port @param {string} data */
const clients = (count, port, data) => Promise.all(Array.from({ length: count }, () => client(port, data)));

/** @param {() => boolean} condition */
async function until(condition) {
  while (!condition()) await pause(2);
}

/** What comes until an answer is whole. @param {Socket} socket @param {string} end */
async function answer(socket, end) {
  let seen = '';
  while (!seen.includes(end)) seen += String((await once(socket, 'data'))[0]);
  return seen;
}

test(
  'half-open connections are closed for new ones; active connections stay, and new clients are served',
  LIMIT,
  async () => {
    /** @type {ServerResponse | undefined} */
    let held;
    const { port, connections, lines } = await served((request, response) => {
      if (request.url === '/stream') held = response.writeHead(200) && response;
      else response.end('yes');
    });
    connections.most = 20;
    const stream = await client(port, GET.replace('/', '/stream'));
    await until(() => held !== undefined);
    for (let round = 0; round < 3; round += 1) {
      await clients(40, port, HALF);
      assert.match(await answer(await client(port, GET), 'yes'), /^HTTP\/1.1 200/);
      assert.ok(connections.size <= 20);
    }
    held?.end('the end');
    await answer(stream, 'the end');
    const told = lines.filter((line) => line.includes('CONNECTIONS_LIMIT'));
    assert.equal(told.length, 1);
    connections.tick();
  },
);

test(
  'idle connections are closed for new ones; if all are active, a new one is refused with an error',
  LIMIT,
  async () => {
    const { port, connections } = await served((request, response) => {
      if (request.url === '/stream') response.writeHead(200).flushHeaders();
      else response.end('yes');
    });
    connections.most = 5;
    const idle = await clients(3, port, GET);
    await Promise.all(idle.map((each) => answer(each, 'yes')));
    const stream = GET.replace('/', '/stream');
    for (let count = 0; count < 5; count += 1) await answer(await client(port, stream), '\r\n\r\n');
    await Promise.all(idle.map((each) => each.closed || once(each, 'close')));
    const late = await text(await client(port, ''));
    assert.match(late, /^HTTP\/1.1 503 .*Retry-After: 5\r\n.*"code":"CONNECTIONS_LIMIT"/s);
    assert.equal(connections.size, 5);
  },
);

test('each address has a share of connections, and of requests through a trusted proxy', LIMIT, async () => {
  const { server, port, connections } = await served((_, response) => response.writeHead(200).flushHeaders());
  connections.most = 64;
  let refused = 0;
  for (let count = 0; count < 20; count += 1) {
    const socket = Object.assign(new EventEmitter(), {
      remoteAddress: '203.0.113.7',
      remotePort: count,
      destroyed: false,
    });
    Object.assign(socket, { bytesWritten: 0, writableLength: 0, destroy: () => (refused += 1) });
    server.listeners('connection').at(-1)?.call(server, socket);
  }
  assert.deepEqual([connections.size, refused], [16, 4]);
  const said = GET.replace('\r\n\r\n', '\r\nX-Forwarded-For: 203.0.113.8\r\n\r\n');
  for (let count = 0; count < 16; count += 1) await answer(await client(port, said), '200 OK');
  assert.match(await answer(await client(port, said), '}'), /^HTTP\/1.1 503 .*203.0.113.8 has 16 requests under way/s);
  assert.match(await answer(await client(port, said.replace('.8', '.9')), '\r\n\r\n'), /^HTTP\/1.1 200/);
});

test('a stalled body is ended after 30 s, later the more of it arrives', LIMIT, async () => {
  let came = 0;
  const { port, connections } = await served((request) => request.on('data', ({ length }) => (came += length)));
  const post = (/** @type {number} */ size) => `POST /mcp/w HTTP/1.1\r\nHost: x\r\nContent-Length: ${size}\r\n\r\n`;
  const still = await client(port, `${post(1000)}${'x'.repeat(999)}`);
  const slow = await client(port, post(1e6));
  await until(() => connections.size === 2);
  slow.write('x'.repeat(500_000));
  await until(() => came === 999 + 500_000);
  for (let second = 0; second < 32; second += 1) connections.tick();
  const late = await text(still);
  assert.match(late, /^HTTP\/1.1 408 .*"code":-32600,.*"code":"REQUEST_TIMEOUT"/s);
  assert.equal(slow.closed, false);
  for (let second = 0; second < 60; second += 1) connections.tick();
  assert.match(await text(slow), /^HTTP\/1.1 408/);
});

test('a client that reads nothing for 30 s is disconnected', LIMIT, async () => {
  /** @type {import('node:net').Socket | undefined} */
  let socket;
  const { port, connections } = await served((request, response) => {
    ({ socket } = request);
    response.end(Buffer.alloc(50_000_000));
  });
  const silent = await client(port, GET);
  silent.pause();
  await until(() => Number(socket?.writableLength) > 0);
  for (let second = 0; second < 35; second += 1) connections.tick();
  assert.equal(connections.size, 0);
});

test('bodies that are being read use bounded memory in total; small bodies are always read', LIMIT, async () => {
  const read = bodyReader(1_000_000);
  let refused = 0;
  const { port } = await served(async (request, response) => {
    try {
      await read(/** @type {any} */ (request), /** @type {any} */ (response));
      response.end('read');
    } catch (error) {
      refused += 1;
      response.writeHead(describeError(error).status).end(describeError(error).code);
    }
  });
  const post = (/** @type {number} */ size) =>
    `POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${size}\r\n\r\n`;
  const half = await clients(20, port, `${post(1_000_000)}[`);
  await until(() => refused === 4);
  assert.match(await answer(await client(port, `${post(2)}[]`), 'read'), /^HTTP\/1.1 200/);
  for (const each of half) each.destroy();
  await until(() => refused === 20);
  assert.match(await answer(await client(port, `${post(100_000)}[${'1'.repeat(99_998)}]`), 'read'), /^HTTP\/1.1 200/);
});

test('the connection limit leaves file descriptors for files and for one sidecar connection each', () => {
  const limits = (/** @type {string} */ most) =>
    `Max open files            ${most}        1048576              files\n`;
  assert.deepEqual(
    ['256', '2048', '1048576', 'unlimited'].map((most) => maxConnections(limits(most))),
    [96, 768, 8192, 384],
  );
});
