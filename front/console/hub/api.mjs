/** A client of the hub's HTTP API for pages. */

import { toLogin } from './login.mjs';

const TIMEOUT_SECONDS = 90; // seconds: switching on waits until it is applied

/**
 * An error of the API, or of the connection to it. `message` says what happened, `hint` what to do; `code` is stable.
 */
export class ApiError extends Error {
  /** @param {{ code?: string, error?: string, message?: string, hint?: string, data?: any, status?: number }} answer */
  constructor({ code = 'HUB_INTERNAL', error, message, hint = '', data = null, status = 0 }) {
    super(message ?? error ?? 'The hub refused the request and gave no reason.');
    this.name = 'ApiError';
    this.code = code;
    this.hint = hint;
    this.data = data;
    this.status = status;
  }
}

/**
 * @param {string} path
 * @param {Record<string, string|number|boolean|null|undefined>} [query] What is null or undefined is left out.
 */
export function address(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
  const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return search ? `${path}?${search}` : path;
}

/**
 * Send a request to the hub.
 *
 * @param {string} method
 * @param {string} path
 * @param {Record<string, any>} [query]
 * @param {any} [body]
 * @returns {Promise<any>} the answer's body
 * @throws {ApiError}
 */
async function send(method, path, query, body) {
  const signal = AbortSignal.timeout(TIMEOUT_SECONDS * 1000);
  const init = { method, signal, credentials: /** @type {const} */ ('same-origin') };
  const carried = body === undefined ? {} : { body: JSON.stringify(body) };
  const accept = { accept: 'application/json' };
  const headers = body === undefined ? accept : { ...accept, 'content-type': 'application/json' };
  const response = await fetch(address(path, query), { ...init, ...carried, headers }).catch(throwUnreachable);
  const answer = await response.json().catch(() => null);
  if (response.ok && answer !== null) return answer;
  if (response.status === 401) toLogin();
  throw new ApiError({ ...unexplained(response.status), ...answer, status: response.status });
}

/** @param {any} error @returns {never} */
function throwUnreachable(error) {
  const late = error?.name === 'TimeoutError';
  throw new ApiError({
    code: late ? 'NO_ANSWER' : 'NOT_CONNECTED',
    message: late ? `The hub did not answer within ${TIMEOUT_SECONDS} s.` : 'The hub could not be reached.',
    hint: 'Check that it runs (hubctl status), then try again. It is unknown whether the hub carried out this request.',
  });
}

/** @param {number} status */
function unexplained(status) {
  return {
    code: `HTTP_${status}`,
    error: `The hub answered with status ${status} and gave no reason.`,
    hint: 'See hubctl logs.',
  };
}

export const api = {
  /** @param {string} path @param {Record<string, any>} [query] @returns {Promise<any>} */
  get: (path, query) => send('GET', path, query),
  /** @param {string} path @param {Record<string, any>} [query] @param {any} [body] @returns {Promise<any>} */
  post: (path, query, body) => send('POST', path, query, body),
  /** @param {string} path @param {Record<string, any>} [query] @param {any} [body] @returns {Promise<any>} */
  put: (path, query, body) => send('PUT', path, query, body),
  /** @param {string} path @param {Record<string, any>} [query] @param {any} [body] @returns {Promise<any>} */
  patch: (path, query, body) => send('PATCH', path, query, body),
  /** @param {string} path @param {Record<string, any>} [query] @returns {Promise<any>} */
  del: (path, query) => send('DELETE', path, query),
};
