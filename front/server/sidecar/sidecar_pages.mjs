// GET /status and /metrics of a protected hub, requested from the sidecar over its Unix socket with the front's own
// key.

import { request } from 'node:http';
import { FrontError } from '../errors.mjs';

/** Milliseconds that the sidecar may take to answer. */
const RESPONSE_TIMEOUT_MS = 10_000;
/** Pages of the sidecar that admins can request through the front. */
export const SIDECAR_PAGES = ['/status', '/metrics'];

/**
 * Return the handler; it passes on requests for other paths.
 * @param {{socket: string, key: () => string | null, log: import('../log.mjs').Log}} sidecar
 * @returns {import('express').Handler}
 */
export function sidecarPages(sidecar) {
  return async (request, response, next) => {
    if (!SIDECAR_PAGES.includes(request.path)) return next();
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.set('Allow', 'GET, HEAD');
      throw new FrontError('METHOD_NOT_ALLOWED');
    }
    const answer = await ask(sidecar, request.path);
    response.once('close', () => answer.destroy());
    answer.once('error', () => response.destroy());
    response.status(answer.statusCode ?? 502).set('Cache-Control', 'no-store');
    response.set('Content-Type', answer.headers['content-type'] ?? 'text/plain');
    if (request.method === 'HEAD') response.end();
    else answer.pipe(response);
  };
}

/**
 * @param {{socket: string, key: () => string | null, log: import('../log.mjs').Log}} sidecar @param {string} path
 * @returns {Promise<import('node:http').IncomingMessage>}
 * @throws {FrontError} SIDECAR_AWAY
 */
function ask({ socket, key, log }, path) {
  const headers = { host: 'localhost', authorization: `Bearer ${key() ?? ''}` };
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(RESPONSE_TIMEOUT_MS);
    const asking = request({ socketPath: socket, path, headers, agent: false, signal }, resolve);
    asking.once('error', (error) => {
      log.warning('the sidecar could not be reached', { code: 'SIDECAR_AWAY', why: error.message });
      reject(new FrontError('SIDECAR_AWAY'));
    });
    asking.end();
  });
}
