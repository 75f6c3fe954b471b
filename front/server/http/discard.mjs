// Discards what is left of a body after its request was answered, within limits. Closing a connection with bytes that
// nobody has read would reset it, and a client, or a proxy that still writes, might not get the response (RFC 9112,
// 9.6). The sidecar has the same rule (listener/raw_responses.py).

import { Socket } from 'node:net';

/** Limits of what is discarded, after which the connection is closed. */
const LIMITS = { bytes: 16 * 1024 * 1024, milliseconds: 5_000 };

/**
 * Read the rest of a request's body once its response is sent. A connection that is to end is only half closed until
 * then.
 * @param {import('node:http').IncomingMessage} request @param {import('node:http').ServerResponse} response
 * @param {typeof LIMITS} [limits]
 */
export function discardRest(request, response, { bytes, milliseconds } = LIMITS) {
  const { socket } = request;
  const close = () => Socket.prototype.destroySoon.call(socket);
  socket.destroySoon = () => void (request.complete ? close() : socket.end()); // Node calls it after the last response
  response.once('prefinish', () => {
    if (request.complete) return;
    const late = setTimeout(() => socket.destroy(), milliseconds);
    request.once('close', () => {
      clearTimeout(late);
      if (socket.writableEnded) close();
    });
    let left = bytes;
    request.unpipe();
    request.on('data', (piece) => {
      left -= piece.length;
      if (left < 0) socket.destroy();
    });
    request.resume(); // which `unpipe` has paused
    request.read(); // before `finish`, at which Node would discard what nobody has begun to read, without a limit
  });
}
