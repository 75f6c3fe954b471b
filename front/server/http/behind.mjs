// The front's Unix socket behind the acceptor. Each connection begins with a header line that has the client's address
// (PROXY protocol, version 1: haproxy.org, proxy-protocol.txt). Only the hub's user can connect.

import { chmodSync, rmSync } from 'node:fs';

/** @typedef {import('node:net').Socket} Socket */

/** Milliseconds within which the header line must arrive. */
const HEADER_TIMEOUT_MS = 5_000;
/** Limit for the bytes of the header line, with its end. */
const MAX_HEADER_BYTES = 107;
const PROXY_HEADER = /^PROXY (?:UNKNOWN|TCP[46] (?<address>[0-9a-f:.]+) [0-9a-f:.]+ (?<port>\d{1,5}) \d{1,5})$/;
const CRLF = Buffer.from('\r\n');

/**
 * Make an HTTP server listen on a Unix socket, and read the header line of each connection before HTTP.
 * @param {import('node:http').Server} server  with all its listeners @param {string} path
 */
export function listenBehindAcceptor(server, path) {
  const serving = /** @type {((socket: Socket) => void)[]} */ (server.listeners('connection'));
  /**
   * Sockets whose header line was read. Node emits `connection` again for the same socket after a protocol upgrade.
   * @type {WeakSet<Socket>}
   */
  const identified = new WeakSet();
  server.removeAllListeners('connection');
  server.on('connection', (/** @type {Socket} */ socket) => {
    const serve = () => {
      identified.add(socket);
      for (const each of serving) each.call(server, socket);
    };
    if (identified.has(socket)) serve();
    else readProxyHeader(socket, serve);
  });
  rmSync(path, { force: true });
  server.listen(path, () => chmodSync(path, 0o600)); // in a directory that is closed to others
}

/**
 * Read the header line, set the socket's remote address from it, and pass the socket on.
 * @param {Socket} socket @param {() => void} next
 */
function readProxyHeader(socket, next) {
  let kept = Buffer.alloc(0);
  const gone = () => socket.destroy();
  socket.on('error', gone);
  socket.setTimeout(HEADER_TIMEOUT_MS, gone);
  socket.on('data', read);

  /** @param {Buffer} data */
  function read(data) {
    kept = Buffer.concat([kept, data]);
    const end = kept.indexOf(CRLF);
    if (end < 0 && kept.length < MAX_HEADER_BYTES) return;
    const found = PROXY_HEADER.exec(kept.subarray(0, Math.max(end, 0)).toString('latin1'));
    if (!found) return void gone();
    socket.pause();
    socket.setTimeout(0);
    socket.off('data', read);
    socket.off('timeout', gone);
    socket.off('error', gone);
    name(socket, found.groups?.address ?? '', Number(found.groups?.port ?? 0));
    if (kept.length > end + CRLF.length) socket.unshift(kept.subarray(end + CRLF.length));
    next();
    socket.resume();
  }
}

/** @param {Socket} socket @param {string} address @param {number} port */
function name(socket, address, port) {
  Object.defineProperties(socket, { remoteAddress: { value: address }, remotePort: { value: port } });
}
