/** Detection of whether YAMCP-UI runs, by an idle connection to it. */

import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { Presence } from '../../../front/server/yamcp_ui/presence.mjs';
import { freePort } from '../support/hub.mjs';

const OPTIONS = { timeout: 180_000 };

/** @param {number} port */
async function listen(port) {
  const sockets = new Set();
  const server = createServer((socket) => sockets.add(socket.on('error', () => {})));
  await new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve(undefined)));
  const end = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { sockets, end };
}

/** @param {number} port */
function watch(port) {
  const bell = new EventEmitter();
  /** @type {boolean[]} */
  const told = [];
  const presence = new Presence(port, (there) => {
    if (told.at(-1) === there) return;
    told.push(there);
    bell.emit(String(there));
  });
  presence.start();
  return { presence, told, until: (/** @type {boolean} */ there) => once(bell, String(there)) };
}

test('start, end and restart of a program are reported', OPTIONS, async () => {
  const port = await freePort();
  const { presence, told, until } = watch(port);
  await until(false);
  for (const _ of [1, 2]) {
    const came = until(true);
    const program = await listen(port);
    await came;
    const ended = until(false);
    program.end();
    await ended;
  }
  presence.close();
  assert.deepEqual(told, [false, true, false, true, false]);
});

test('a program that only closes the idle connection is not reported as away', OPTIONS, async () => {
  const port = await freePort();
  const program = await listen(port);
  const { presence, told, until } = watch(port);
  await until(true);
  while (program.sockets.size < 3) {
    for (const socket of program.sockets) socket.end('HTTP/1.1 408 Request Timeout\r\n\r\n');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.deepEqual(told, [true]);
  presence.close();
  program.end();
});

test('after close there is no connection, no timer and no further report', OPTIONS, async () => {
  const port = await freePort();
  const { presence, told, until } = watch(port);
  await until(false);
  presence.close();
  const program = await listen(port);
  presence.start();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(program.sockets.size, 0);
  assert.deepEqual(told, [false]);
  program.end();
});
