// Sends the answers of the authorization server: JSON that nobody may store, redirects, pages.

import * as pageAnswers from '../http/page_answers.mjs';

/**
 * @typedef {import('node:http').ServerResponse} Response
 * @typedef {import('./oauth_error.mjs').OAuthError} OAuthError
 */

/** For caches that know HTTP/1.0 only (RFC 6749, 5.1). */
const UNCACHED = { Pragma: 'no-cache' };

/** @param {Response} response @param {number} status @param {unknown} body @param {Record<string, string>} [headers] */
export function sendJson(response, status, body, headers = {}) {
  pageAnswers.sendJson(response, status, body, { ...UNCACHED, ...headers });
}

/** Send an error to a client (RFC 6749, 5.2). @param {Response} response @param {OAuthError} error */
export function sendError(response, { code, message, status, retryAfter }) {
  /** @type {Record<string, string>} */
  const headers = retryAfter > 0 ? { 'Retry-After': String(retryAfter) } : {};
  sendJson(response, status, { error: code, error_description: message }, headers);
}

/** Redirect a browser; the site that it leads to does not learn from where. @param {Response} response @param {string} location */
export function redirect(response, location) {
  pageAnswers.redirect(response, 303, location);
}

/**
 * Send a page, which no site may frame.
 * @param {Response} response @param {number} status @param {{html: string, policy: string}} page
 */
export function sendPage(response, status, { html, policy }) {
  pageAnswers.sendPage(response, status, html, {
    ...UNCACHED,
    'Content-Security-Policy': policy,
    'X-Frame-Options': 'DENY',
    'Cross-Origin-Opener-Policy': 'same-origin',
  });
}
