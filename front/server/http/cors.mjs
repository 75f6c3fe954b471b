// CORS: which requests a page of another origin may send, and which responses it may read. Cookies are never allowed.
// At endpoints of a hub without OAuth only pages of allowed origins; equivalent to sidecar/listener/origins.py. Pure.

import { isNamed } from './origin.mjs';

/**
 * @typedef {import('node:http').IncomingMessage} Request
 * @typedef {import('node:http').ServerResponse} Response
 */

const ENDPOINTS = /^\/(?:mcp|\.well-known)(?:[/?]|$)/;
/**
 * Where a page of any origin may be an MCP client, in a hub with OAuth: the endpoints, which answer only who has a token,
 * the metadata, and what a client asks for itself (not its user).
 */
const OPEN_TO_PAGES =
  /^\/(?:mcp\/|\.well-known\/(?:oauth-protected-resource|oauth-authorization-server|openid-configuration)(?:[/?]|$)|oauth\/(?:register|token|revoke)(?:\?|$))/;
const ALLOWED_HEADERS =
  /^(authorization|content-type|accept|last-event-id|traceparent|tracestate|baggage|mcp-[a-z0-9-]{1,128})$/;
const ALLOWED_METHODS = 'GET, POST, DELETE';
const EXPOSED_HEADERS = 'Mcp-Session-Id, WWW-Authenticate';
/** Seconds that a browser may cache the answer to a preflight request. */
const MAX_AGE_SECONDS = 600;

/**
 * @typedef {object} Allowed  who may use a hub from a page
 * @property {ReadonlySet<string>} named  hosts and origins whose pages may use the endpoints
 * @property {boolean} oauth  any page may be a client of the authorization server
 */

/** Return whether a URL is one that pages of any origin may use in a hub with OAuth. @param {string} url */
export const isOpenToPages = (url) => OPEN_TO_PAGES.test(url);

/** @param {Request} request @param {Allowed} allowed */
const mayUse = ({ url = '', headers: { origin } }, { named, oauth }) =>
  origin !== undefined && ((oauth && isOpenToPages(url)) || (ENDPOINTS.test(url) && isNamed(origin, named)));

/**
 * Set the headers that let a page of an allowed origin read the response.
 * @param {Request} request @param {Response} response @param {Allowed} allowed
 */
export function allowReading(request, response, allowed) {
  const { origin } = request.headers;
  if (origin === undefined || !mayUse(request, allowed)) return;
  response.setHeader('Access-Control-Allow-Origin', origin);
  response.setHeader('Access-Control-Expose-Headers', EXPOSED_HEADERS);
  response.setHeader('Vary', 'Origin');
}

/**
 * Return whether a request is a preflight request for a page of an allowed origin.
 * @param {Request} request @param {Allowed} allowed
 */
export function isPreflight(request, allowed) {
  const asks = request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined;
  return asks && mayUse(request, allowed);
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
