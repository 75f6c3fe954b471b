// The address that a request comes from: the peer's, or the one that trusted proxies report. Pure.
// The sidecar has the same rule (listener/client_address.py); bridge/vectors/client_addresses.json tests both.

import { isIP } from 'node:net';

/**
 * @typedef {import('node:net').BlockList} BlockList
 * @typedef {{headers: import('node:http').IncomingHttpHeaders, socket: {remoteAddress?: string, encrypted?: boolean}}} RequestHead
 */

/** Limit for the proxies in a row that are followed. */
const MAX_HOPS = 20;

/**
 * Return the address of the client. Each proxy appends the address of its peer to X-Forwarded-For; the last address
 * that is not a trusted proxy is the client. What the client itself put before that is ignored.
 * @param {RequestHead} request @param {BlockList} trusted
 */
export function clientAddress({ headers, socket }, trusted) {
  let address = bareAddress(socket.remoteAddress ?? '');
  const addresses = [headers['x-forwarded-for'] ?? ''].flat().join(',').split(',').slice(-MAX_HOPS);
  while (isTrusted(address, trusted) && addresses.length > 0) {
    const next = bareAddress((addresses.pop() ?? '').trim());
    if (!isIP(next)) break;
    address = next;
  }
  return address;
}

/**
 * Return whether the browser used TLS, to the hub or to a trusted proxy before it.
 * @param {RequestHead} request @param {BlockList} trusted
 */
export function isSecure({ headers, socket }, trusted) {
  if (socket.encrypted) return true;
  const proto = [headers['x-forwarded-proto'] ?? ''].flat().join(',').split(',').at(-1)?.trim();
  return proto === 'https' && isTrusted(bareAddress(socket.remoteAddress ?? ''), trusted);
}

/** Return the origin of the page that a browser requests. @param {RequestHead} request @param {BlockList} trusted */
export const originOf = (request, trusted) =>
  request.headers.host ? `${isSecure(request, trusted) ? 'https' : 'http'}://${request.headers.host}` : '';

/** @param {string} address @param {BlockList} trusted */
export const isTrusted = (address, trusted) =>
  isIP(address) !== 0 && trusted.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');

/** Return an address without the prefix of IPv4-mapped addresses, brackets and port. @param {string} address */
function bareAddress(address) {
  const bare =
    /^\[([^\]]+)\](?::\d+)?$/.exec(address)?.[1] ?? /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(address)?.[1] ?? address;
  return bare.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '');
}
