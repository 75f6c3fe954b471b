// What the pages of logins share: redirects, documents, and the paths to which they lead.

/**
 * @typedef {import('node:http').IncomingMessage} Request
 * @typedef {import('node:http').ServerResponse} Response
 */

/** Long enough for an authorization request with all of its parameters. */
const MAX_PATH_LENGTH = 8 * 1024;
const PAGE_HEADERS = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'same-origin', // with no-referrer, a browser would not say where its form comes from
};

/** @param {Response} response @param {number} status @param {string} location */
export function redirect(response, status, location) {
  response.writeHead(status, {
    ...PAGE_HEADERS,
    'Referrer-Policy': 'no-referrer',
    Location: location,
    'Content-Length': 0,
  });
  response.end();
}

/**
 * @param {Response} response @param {number} status @param {string} html
 * @param {Record<string, string>} headers  with its Content-Security-Policy
 */
export function sendPage(response, status, html, headers) {
  const type = { 'Content-Type': 'text/html; charset=utf-8', 'Content-Length': Buffer.byteLength(html) };
  response.writeHead(status, { ...PAGE_HEADERS, ...type, ...headers });
  response.end(html);
}

/** @param {Response} response @param {number} status @param {unknown} body @param {Record<string, string>} [headers] */
export function sendJson(response, status, body, headers = {}) {
  const text = JSON.stringify(body);
  const type = { 'Content-Type': 'application/json; charset=utf-8', 'Content-Length': Buffer.byteLength(text) };
  response.writeHead(status, { ...PAGE_HEADERS, ...type, ...headers });
  response.end(text);
}

/**
 * Return a path of this hub for any requested path, so that a login redirects to no other site, and not in circles.
 * @param {string | null} path
 */
export function safePath(path) {
  if (!path || path.length > MAX_PATH_LENGTH || !/^\/(?![/\\])[\x21-\x5b\x5d-\x7e]*$/.test(path)) return '/';
  const base = 'http://hub.invalid';
  const url = URL.canParse(path, base) ? new URL(path, base) : null;
  if (url?.origin !== base || url.pathname.startsWith('//') || /^\/log(in|out)(\/|$)/.test(url.pathname)) return '/';
  return withoutToken(url.pathname + url.search) + url.hash;
}

/** @param {string} url  path and query */
export function withoutToken(url) {
  const [path, ...rest] = url.split('?');
  const kept = rest
    .join('?')
    .split('&')
    .filter((part) => part && !new URLSearchParams(part).has('token'));
  return kept.length > 0 ? `${path}?${kept.join('&')}` : path;
}

/**
 * Return a path with the page's secret in its fragment. A browser sends the fragment to no server, and the page removes
 * it at once (hub/assets/secret.mjs).
 * @param {string} path @param {string} secret
 */
export const withSecret = (path, secret) => `${path}${path.includes('#') ? '&' : '#'}hub_page=${secret}`;

/** Return a path without query and fragment. @param {string} url */
export const plainPath = (url) => url.split(/[?#]/)[0];

/** Return whether a request comes from a browser that loads a page. @param {Request} request */
export const wantsPage = ({ headers }) => (headers.accept ?? '').includes('text/html');

/** @param {Request} request */
export const wantsJson = ({ headers }) => (headers.accept ?? '').includes('application/json');
