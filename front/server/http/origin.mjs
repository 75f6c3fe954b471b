// Decides whether a request comes from one of the hub's own pages. Pure.

import { isIP } from 'node:net';

/** @typedef {import('node:http').IncomingHttpHeaders} Headers */

const HIGHEST_PORT = 65_535;

/** Return the name in a Host header, in lower case and without brackets; empty if invalid. @param {string} host */
export function hostname(host) {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:/?#@[\]\\]+))(?::(\d{1,5}))?$/i.exec(host);
  if (Number(match?.[3] ?? 0) > HIGHEST_PORT) return '';
  return (match?.[1] ?? match?.[2] ?? '').toLowerCase();
}

/** Return the name in an Origin header; empty if the scheme is not HTTP's. @param {string} origin */
export function originHost(origin) {
  const match = /^https?:\/\/(.+)$/i.exec(origin);
  return match ? hostname(match[1]) : '';
}

/** Return whether a Host is an IP address, which DNS rebinding cannot affect. @param {string} host */
export const isLiteral = (host) => isIP(hostname(host)) !== 0;

/**
 * Return whether an Origin has the host and port that the request was sent to. The scheme is not compared, because TLS
 * may end in front of the hub.
 * @param {string} origin @param {string} host
 */
export function isSameHost(origin, host) {
  const found = /^(https?):\/\/([^/?#]+)$/i.exec(origin);
  if (!found || !hostname(found[2])) return false;
  const port = found[1].toLowerCase() === 'https' ? ':443' : ':80';
  const plain = (/** @type {string} */ text) =>
    (text.endsWith(port) ? text.slice(0, -port.length) : text).toLowerCase();
  return plain(found[2]) === plain(host);
}

/**
 * Return whether a browser states that the request comes from one of the hub's own pages, or directly from its user.
 * @param {Headers} headers
 * @param {ReadonlySet<string>} names  hosts and origins whose pages are the hub's, too
 * @param {{required: boolean}} options  `required`: a request without Origin and Sec-Fetch-Site is not the hub's own
 */
export function isOwnPage(headers, names, { required }) {
  const { origin, host = '' } = headers;
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site === 'same-origin' || site === 'none' || isNamed(origin, names);
  if (origin !== undefined) return isSameHost(origin, host) || isNamed(origin, names);
  return !required;
}

/** @param {string | undefined} origin @param {ReadonlySet<string>} names  hosts and origins */
export const isNamed = (origin, names) =>
  origin !== undefined && origin !== '' && (names.has(origin) || names.has(originHost(origin)));
