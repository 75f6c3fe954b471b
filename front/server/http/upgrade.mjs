// Upgrade requests: WebSocket on one path; others are refused or served as plain HTTP.

import { STATUS_CODES } from 'node:http';
import { answerOf, headersOf, describeError } from '../errors.mjs';

/**
 * Serve an upgrade request as an ordinary one. Some HTTP clients request HTTP/2 (h2c) with every first request, and use
 * HTTP/1.1 if it is ignored; Node emits `upgrade` for all of them once there is a listener for WebSockets.
 * @param {import('node:http').Server} server
 * @param {import('node:http').IncomingMessage} request
 * @param {import('node:stream').Duplex} socket
 * @param {Buffer} head
 */
export function reenter(server, request, socket, head) {
  const lines = [`${request.method} ${request.url} HTTP/${request.httpVersion}`];
  for (let at = 0; at < request.rawHeaders.length; at += 2) {
    const [name, value] = request.rawHeaders.slice(at, at + 2);
    if (!/^(connection|upgrade|http2-settings)$/i.test(name)) lines.push(`${name}: ${value}`);
  }
  socket.removeAllListeners();
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]));
  server.emit('encrypted' in socket ? 'secureConnection' : 'connection', socket);
}

/** Refuse a WebSocket with an HTTP response. @param {import('node:stream').Duplex} socket @param {unknown} error */
export function refuseUpgrade(socket, error) {
  const { status } = describeError(error);
  const body = JSON.stringify(answerOf(error));
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    ...Object.entries(headersOf(error)).map(([name, value]) => `${name}: ${value}`),
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
