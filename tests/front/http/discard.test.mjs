/** Requests that are answered before their body is complete: the client gets the response, within limits. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, createServer } from 'node:http';
import { connect } from 'node:net';
import { afterEach, test } from 'node:test';
import { discardRest } from '../../../front/server/http/discard.mjs';
import { forward } from '../../../front/server/http/hop.mjs';

/** @import {RequestListener, Server} from 'node:http' */

const LIMIT = { timeout: 20_000 };
const MEGABYTE = 1024 * 1024;
const PART = Buffer.alloc(64 * 1024, ' ');
const CLOSE = 'Connection: close\r\n';

/** @type {Server[]} */
let servers = [];
afterEach(() => {
  for (const server of servers) server.closeAllConnections();
  for (const server of servers) server.close();
  servers = [];
});

/** @param {RequestListener} handle @returns {Promise<number>} the port */
async function listening(handle) {
  const server = createServer({ keepAliveTimeout: 0 }, handle).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return /** @type {import('node:net').AddressInfo} */ (server.address()).port;
}

/** A server that refuses each request at once. @param {Parameters<typeof discardRest>[2]} [limits] */
const refusing = (limits) =>
  listening((request, response) => {
    discardRest(request, response, limits);
    response.writeHead(401).end('refused');
  });

/** A client that has sent a head and 2 MB of a body of 64 MB. @param {number} port @param {string} [more]  headers */
async function client(port, more = '') {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  await once(socket, 'connect');
  socket.write(`POST / HTTP/1.1\r\nHost: x\r\n${more}Content-Length: ${64 * MEGABYTE}\r\n\r\n`);
  socket.write(Buffer.alloc(2 * MEGABYTE, ' '));
  return socket;
}

/** What comes until the server closes its side. @param {import('node:net').Socket} socket */
async function received(socket) {
  let seen = '';
  socket.on('data', (piece) => (seen += String(piece)));
  await once(socket, 'end');
  return seen;
}

/** Send until the connection is reset. @param {import('node:net').Socket} socket */
async function sendUntilReset(socket) {
  socket.resume();
  const reset = once(socket, 'error');
  const more = () => void (socket.writable && socket.write(PART, more));
  more();
  const [error] = await reset;
  assert.match(error.code, /^(ECONNRESET|EPIPE)$/);
  assert.ok(socket.bytesWritten < 40 * MEGABYTE); // with what the system's buffers take
}

test('the response arrives though the client still sends, and the connection ends with the body', LIMIT, async () => {
  const socket = await client(await refusing(), CLOSE);
  assert.match(await received(socket), /^HTTP\/1.1 401 .*refused/s);
  for (let left = 10; left > 0; left -= 1) socket.write(Buffer.alloc(MEGABYTE, ' '));
  socket.end();
  await once(socket, 'close');
});

test('a connection that is kept serves the next request after the rest of the body', LIMIT, async () => {
  const socket = await client(await refusing({ bytes: 64 * MEGABYTE, milliseconds: 100_000 }));
  assert.match(String(await once(socket, 'data')), /401/);
  for (let left = 62; left > 0; left -= 1) socket.write(Buffer.alloc(MEGABYTE, ' '));
  socket.write(`GET / HTTP/1.1\r\nHost: x\r\n${CLOSE}\r\n`);
  assert.match(await received(socket), /401 .*refused/s);
});

for (const [kind, more] of [
  ['kept', ''],
  ['that is to end', CLOSE],
])
  test(`bytes are limited on a connection ${kind}`, LIMIT, async () => {
    await sendUntilReset(await client(await refusing({ bytes: MEGABYTE, milliseconds: 100_000 }), more));
  });

test('seconds are limited', LIMIT, async () => {
  const socket = await client(await refusing({ bytes: 64 * MEGABYTE, milliseconds: 10 }));
  socket.resume();
  await new Promise((resolve) => socket.once('end', resolve).once('error', resolve));
  socket.destroy();
});

test('the rest of a forwarded request goes nowhere', LIMIT, async () => {
  /** @type {(value: unknown) => void} */
  let aborted = () => {};
  const gone = new Promise((resolve) => (aborted = resolve));
  const behind = await listening((request, response) => {
    request.socket.once('close', aborted);
    response.writeHead(413).end('too large');
  });
  const agent = new Agent({ keepAlive: true });
  const port = await listening((request, response) => {
    discardRest(request, response);
    forward(request, response, {
      place: { host: '127.0.0.1', port: behind },
      agent,
      headers: request.headers,
      answered: (answer) => answer.pipe(response.writeHead(answer.statusCode ?? 0)),
      failed: (error) => response.destroy(error),
    });
  });
  const socket = await client(port);
  assert.match(String(await once(socket, 'data')), /^HTTP\/1.1 413 /);
  await gone;
  for (let left = 10; left > 0; left -= 1)
    await new Promise((resolve) => socket.write(Buffer.alloc(MEGABYTE, ' '), resolve));
  assert.ok(!socket.destroyed, 'the client is read on');
  agent.destroy();
  socket.destroy();
});
