// The front's Unix socket, behind the acceptor: each connection begins with a line that says whose it is, in place of what
// the socket itself would say (PROXY protocol, version 1: haproxy.org, proxy-protocol.txt). Only the hub's user gets there.

import { chmodSync, rmSync } from 'node:fs';

/** @typedef {import('node:net').Socket} Socket */

/** Milliseconds for the line. */
const PATIENCE = 5_000;
/** Bytes of the longest line, its end included. */
const LONGEST = 107;
const LINE = /^PROXY (?:UNKNOWN|TCP[46] (?<address>[0-9a-f:.]+) [0-9a-f:.]+ (?<port>\d{1,5}) \d{1,5})$/;
const END = Buffer.from('\r\n');

/**
 * Have an HTTP server listen on a Unix socket, and read that line before anything else of each connection.
 * @param {import('node:http').Server} server  with all its listeners @param {string} path
 */
export function listenBehindAcceptor(server, path) {
  const serving = /** @type {((socket: Socket) => void)[]} */ (server.listeners('connection'));
  /** Sockets whose line was read: the same one comes again, where it asked for another protocol. @type {WeakSet<Socket>} */
  const introduced = new WeakSet();
  server.removeAllListeners('connection');
  server.on('connection', (/** @type {Socket} */ socket) => {
    const serve = () => {
      introduced.add(socket);
      for (const each of serving) each.call(server, socket);
    };
    if (introduced.has(socket)) serve();
    else introduce(socket, serve);
  });
  rmSync(path, { force: true });
  server.listen(path, () => chmodSync(path, 0o600)); // in a directory that is closed to others
}

/** Read the line, and pass the socket on as one of the client that it names. @param {Socket} socket @param {() => void} next */
function introduce(socket, next) {
  let kept = Buffer.alloc(0);
  const gone = () => socket.destroy();
  socket.on('error', gone);
  socket.setTimeout(PATIENCE, gone);
  socket.on('data', read);

  /** @param {Buffer} data */
  function read(data) {
    kept = Buffer.concat([kept, data]);
    const end = kept.indexOf(END);
    if (end < 0 && kept.length < LONGEST) return;
    const found = LINE.exec(kept.subarray(0, Math.max(end, 0)).toString('latin1'));
    if (!found) return void gone();
    socket.pause();
    socket.setTimeout(0);
    socket.off('data', read);
    socket.off('timeout', gone);
    socket.off('error', gone);
    name(socket, found.groups?.address ?? '', Number(found.groups?.port ?? 0));
    if (kept.length > end + END.length) socket.unshift(kept.subarray(end + END.length));
    next();
    socket.resume();
  }
}

/** @param {Socket} socket @param {string} address @param {number} port */
function name(socket, address, port) {
  Object.defineProperties(socket, { remoteAddress: { value: address }, remotePort: { value: port } });
}
