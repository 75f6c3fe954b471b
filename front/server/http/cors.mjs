// CORS for endpoints: which requests a page of an allowed origin may send, and which responses it may read. Equivalent
// to sidecar/listener/origins.py. Cookies are never allowed. Pure.

import { isNamed } from './origin.mjs';

/**
 * @typedef {import('node:http').IncomingMessage} Request
 * @typedef {import('node:http').ServerResponse} Response
 */

const ENDPOINTS = /^\/(?:mcp|\.well-known)(?:[/?]|$)/;
const ALLOWED_HEADERS =
  /^(authorization|content-type|accept|last-event-id|traceparent|tracestate|baggage|mcp-[a-z0-9-]{1,128})$/;
const ALLOWED_METHODS = 'GET, POST, DELETE';
const EXPOSED_HEADERS = 'Mcp-Session-Id, WWW-Authenticate';
/** Seconds that a browser may cache the answer to a preflight request. */
const MAX_AGE_SECONDS = 600;

/**
 * Set the headers that let a page of an allowed origin read the response.
 * @param {Request} request @param {Response} response @param {ReadonlySet<string>} named  hosts and origins
 */
export function allowReading({ url = '', headers: { origin } }, response, named) {
  if (origin === undefined || !ENDPOINTS.test(url) || !isNamed(origin, named)) return;
  response.setHeader('Access-Control-Allow-Origin', origin);
  response.setHeader('Access-Control-Expose-Headers', EXPOSED_HEADERS);
  response.setHeader('Vary', 'Origin');
}

/**
 * Return whether a request is a preflight request for a page of an allowed origin.
 * @param {Request} request @param {ReadonlySet<string>} named
 */
export function isPreflight({ method, url = '', headers }, named) {
  const asks = method === 'OPTIONS' && headers['access-control-request-method'] !== undefined;
  return asks && ENDPOINTS.test(url) && isNamed(headers.origin, named);
}

/** Answer a preflight request. @param {Request} request @param {Response} response */
export function sendPreflight(request, response) {
  const wanted = String(request.headers['access-control-request-headers'] ?? '').toLowerCase();
  const names = wanted.split(',').map((name) => name.trim());
  response.writeHead(204, {
    'Access-Control-Allow-Methods': ALLOWED_METHODS,
    'Access-Control-Allow-Headers': names.filter((name) => ALLOWED_HEADERS.test(name)).join(', '),
    'Access-Control-Max-Age': MAX_AGE_SECONDS,
  });
  response.end();
  request.resume();
}
