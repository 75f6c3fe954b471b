/** The front's socket behind the acceptor: the header line (PROXY protocol) of a connection, valid and invalid. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { listenBehindAcceptor } from '../../../front/server/http/behind.mjs';

const LIMIT = { timeout: 180_000 };
const LINE = 'PROXY TCP4 192.0.2.7 127.0.0.1 4711 8765\r\n';
const REQUEST = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
const directory = mkdtempSync(join(tmpdir(), 'front'));
const path = join(directory, 'front.sock');
const server = createServer(({ socket }, response) => response.end(`${socket.remoteAddress} ${socket.remotePort}`));

before(async () => {
  listenBehindAcceptor(server, path);
  await once(server, 'listening');
});
after(() => {
  server.close();
  server.closeAllConnections();
  rmSync(directory, { recursive: true });
});

/** What is answered to these pieces, each sent when the one before has arrived. @param {string[]} pieces */
async function answer(...pieces) {
  const socket = connect(path);
  for (const piece of pieces) {
    await new Promise((resolve) => socket.write(piece, resolve));
    await new Promise((resolve) => setImmediate(resolve));
  }
  return text(socket).catch(() => '');
}

test("the PROXY header gives the client's address, in one packet with the request or in many", LIMIT, async () => {
  assert.equal(statSync(path).mode & 0o777, 0o600);
  for (const pieces of [[LINE + REQUEST], [LINE, REQUEST], [...(LINE + REQUEST)]])
    assert.match(await answer(...pieces), /\r\n\r\n.*192\.0\.2\.7 4711/s);
  assert.match(await answer(LINE.replace('TCP4 192.0.2.7', 'TCP6 2001:db8::1'), REQUEST), /2001:db8::1 4711/);
  assert.match(await answer(`PROXY UNKNOWN\r\n${REQUEST}`), / 200 OK/);
});

test('an invalid PROXY header gets no response', LIMIT, async () => {
  for (const line of [REQUEST, 'PROXY TCP4 x y 1 2\r\n', `PROXY ${'x'.repeat(200)}`, '\r\n'])
    assert.equal(await answer(line, REQUEST), '');
});
