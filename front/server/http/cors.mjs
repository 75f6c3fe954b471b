// What a browser is told about endpoints: which requests a page of a named origin may send, and what of answers it may read.
// As sidecar/listener/origins.py has it for its own port. Cookies have no part in it. Pure.

import { isNamed } from './origin.mjs';

/**
 * @typedef {import('node:http').IncomingMessage} Request
 * @typedef {import('node:http').ServerResponse} Response
 */

const ENDPOINTS = /^\/(?:mcp|\.well-known)(?:[/?]|$)/;
const ALLOWED =
  /^(authorization|content-type|accept|last-event-id|traceparent|tracestate|baggage|mcp-[a-z0-9-]{1,128})$/;
const METHODS = 'GET, POST, DELETE';
const EXPOSED = 'Mcp-Session-Id, WWW-Authenticate';
/** Seconds that a browser may remember what it was told. */
const REMEMBERED = 600;

/**
 * Have the answer, whatever it will be, be one that a page of a named origin may read.
 * @param {Request} request @param {Response} response @param {ReadonlySet<string>} named  hosts and origins
 */
export function allowReading({ url = '', headers: { origin } }, response, named) {
  if (origin === undefined || !ENDPOINTS.test(url) || !isNamed(origin, named)) return;
  response.setHeader('Access-Control-Allow-Origin', origin);
  response.setHeader('Access-Control-Expose-Headers', EXPOSED);
  response.setHeader('Vary', 'Origin');
}

/** Whether a browser asks what a page of a named origin may send. @param {Request} request @param {ReadonlySet<string>} named */
export function isPreflight({ method, url = '', headers }, named) {
  const asks = method === 'OPTIONS' && headers['access-control-request-method'] !== undefined;
  return asks && ENDPOINTS.test(url) && isNamed(headers.origin, named);
}

/** Answer that. @param {Request} request @param {Response} response */
export function sendPreflight(request, response) {
  const wanted = String(request.headers['access-control-request-headers'] ?? '').toLowerCase();
  const names = wanted.split(',').map((name) => name.trim());
  response.writeHead(204, {
    'Access-Control-Allow-Methods': METHODS,
    'Access-Control-Allow-Headers': names.filter((name) => ALLOWED.test(name)).join(', '),
    'Access-Control-Max-Age': REMEMBERED,
  });
  response.end();
  request.resume();
}
