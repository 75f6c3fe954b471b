/** Sends requests to the front's HTTP APIs, for tests. */

import { Agent, request } from 'node:http';

/** Connections are kept: who closes one while the other side still sends may lose the answer. */
const agent = new Agent({ keepAlive: true });

/**
 * @typedef {object} Answer
 * @property {number} status
 * @property {any} body JSON where it is that, else text
 * @property {import('node:http').IncomingHttpHeaders} headers
 *
 * @typedef {{query?: Record<string, string>, body?: unknown, raw?: string | Buffer, headers?: Record<string, string>}} More
 */

/**
 * One request, with its path as it stands: nothing in it is made plain on the way.
 *
 * @param {string} base
 * @param {string} method
 * @param {string} path
 * @param {More} [more] `raw`: the body as it is sent
 * @returns {Promise<Answer>}
 */
export function ask(base, method, path, { query, body, raw, headers = {} } = {}) {
  const search = query ? `?${new URLSearchParams(query)}` : '';
  const data = raw ?? (body === undefined ? undefined : JSON.stringify(body));
  const { hostname, port } = new URL(base);
  const length =
    data === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(data) };
  return new Promise((resolve, reject) => {
    const options = { hostname, port, method, path: path + search, headers: { ...length, ...headers }, agent };
    const sent = request(options, (response) => {
      /** @type {Buffer[]} */
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const isJson = (response.headers['content-type'] ?? '').includes('json') && text !== '';
        resolve({
          status: response.statusCode ?? 0,
          body: isJson ? JSON.parse(text) : text,
          headers: response.headers,
        });
      });
    });
    sent.on('error', reject);
    sent.end(data);
  });
}

/**
 * The asks of one front.
 *
 * @param {string} base
 */
export function asker(base) {
  const by =
    (/** @type {string} */ method) =>
    (/** @type {string} */ path, /** @type {More} */ more = {}) =>
      ask(base, method, path, more);
  return { get: by('GET'), post: by('POST'), put: by('PUT'), patch: by('PATCH'), del: by('DELETE'), head: by('HEAD') };
}
