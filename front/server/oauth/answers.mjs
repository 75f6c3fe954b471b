// Sends the answers of the authorization server: JSON that nobody may store, redirects, pages.

/**
 * @typedef {import('node:http').ServerResponse} Response
 * @typedef {import('./oauth_error.mjs').OAuthError} OAuthError
 */

/** RFC 6749, 5.1; a page has its own Content-Security-Policy. */
const HEADERS = { 'Cache-Control': 'no-store', Pragma: 'no-cache', 'X-Content-Type-Options': 'nosniff' };

/** @param {Response} response @param {number} status @param {unknown} body @param {Record<string, string>} [headers] */
export function sendJson(response, status, body, headers = {}) {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    ...HEADERS,
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}

/** Send an error to a client (RFC 6749, 5.2). @param {Response} response @param {OAuthError} error */
export function sendError(response, { code, message, status, retryAfter }) {
  /** @type {Record<string, string>} */
  const headers = retryAfter > 0 ? { 'Retry-After': String(retryAfter) } : {};
  sendJson(response, status, { error: code, error_description: message }, headers);
}

/** Send a browser on; no site learns from where. @param {Response} response @param {string} location */
export function redirect(response, location) {
  response.writeHead(303, { ...HEADERS, 'Referrer-Policy': 'no-referrer', Location: location, 'Content-Length': '0' });
  response.end();
}

/**
 * Send a page, which no site may frame.
 * @param {Response} response @param {number} status @param {{html: string, policy: string}} page
 */
export function sendPage(response, status, { html, policy }) {
  response.writeHead(status, {
    ...HEADERS,
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Length': Buffer.byteLength(html),
    'Content-Security-Policy': policy,
    'X-Frame-Options': 'DENY',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Referrer-Policy': 'same-origin', // with no-referrer, a browser would not say where its form comes from
  });
  response.end(html);
}
