// Forwards one request to another server over HTTP/1.1. Its head and framing are generated from what was parsed;
// hop-by-hop headers and framing headers are not forwarded (RFC 9110, 7.6.1).

import { request as open } from 'node:http';
import { hasBody, connectionOptions } from './framing.mjs';

/**
 * @typedef {import('node:http').IncomingMessage} Request
 * @typedef {import('node:http').ServerResponse} Response
 * @typedef {import('node:http').IncomingHttpHeaders} Headers
 * @typedef {object} ForwardOptions
 * @property {{host: string, port: number | string} | {socketPath: string}} place
 * @property {import('node:http').Agent} agent
 * @property {Headers} headers  of the request, as the server is to get them; framing and the connection's are left out
 * @property {number} [timeout]  milliseconds of silence after which the server is given up
 * @property {(answer: Request) => void} answered
 * @property {(error: Error) => void} failed  not called for a client that has left
 */

/** Headers of one connection, or of a message's transfer on it. */
const HOP_BY_HOP = new Set([
  ...['connection', 'keep-alive', 'proxy-connection', 'proxy-authenticate', 'proxy-authorization', 'upgrade'],
  ...['te', 'trailer', 'transfer-encoding', 'http2-settings'],
]);
/** Headers that the front answers itself (Expect), or generates for the body that it parsed. */
const REWRITTEN_HEADERS = new Set(['expect', 'content-length']);

/**
 * Forward a request. It is aborted when its client disconnects.
 * @param {Request} request  that `checkFraming` let pass @param {Response} response @param {ForwardOptions} way
 */
export function forward(request, response, { place, agent, headers, timeout, answered, failed }) {
  const { method, url: path } = request;
  const upstream = open({ ...place, method, path, agent, timeout, headers: framed(request, headers), setHost: false });
  upstream.once('response', answered);
  upstream.on('error', (error) => {
    if (!response.destroyed && !response.writableEnded) failed(error);
  });
  if (timeout) upstream.once('timeout', () => upstream.destroy(new Error(`It said nothing for ${timeout} ms.`)));
  if (response.closed) upstream.destroy();
  response.once('close', () => {
    if (!response.writableFinished || !request.complete) upstream.destroy();
  });
  if (hasBody(method)) request.pipe(upstream);
  else {
    request.resume(); // a body has no meaning there: it is read, and goes nowhere
    upstream.end();
  }
}

/**
 * Return the headers of a response for the client, without those of the connection to the server.
 * @param {Headers} headers
 */
export function responseHeaders(headers) {
  return ended(headers, new Set());
}

/** @param {Request} request @param {Headers} headers @returns {import('node:http').OutgoingHttpHeaders} */
function framed({ method, headers: requestHeaders }, headers) {
  const kept = ended(headers, REWRITTEN_HEADERS);
  if (!hasBody(method)) return kept;
  if (requestHeaders['transfer-encoding'] !== undefined) return { ...kept, 'transfer-encoding': 'chunked' };
  return { ...kept, 'content-length': requestHeaders['content-length'] ?? '0' };
}

/** @param {Headers} headers @param {ReadonlySet<string>} besides @returns {Headers} */
function ended(headers, besides) {
  const named = new Set(connectionOptions(headers.connection));
  /** @type {Headers} */
  const kept = {};
  for (const [name, value] of Object.entries(headers)) {
    if (!HOP_BY_HOP.has(name) && !besides.has(name) && !named.has(name)) kept[name] = value;
  }
  return kept;
}
