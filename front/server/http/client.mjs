// Where a request comes from: the address that it was sent from, or the one that trusted proxies say. Pure.
// The sidecar has the same rule (listener/client_address.py); bridge/vectors/client_addresses.json holds both to it.

import { isIP } from 'node:net';

/**
 * @typedef {import('node:net').BlockList} BlockList
 * @typedef {{headers: import('node:http').IncomingHttpHeaders, socket: {remoteAddress?: string, encrypted?: boolean}}} Asked
 */

/** Proxies in a row that are followed. */
const MOST_HOPS = 20;

/**
 * The address of the client. Each proxy adds whom it heard from at the end of X-Forwarded-For: read from there, the first
 * that is no trusted proxy is the client, whatever the client itself wrote before.
 * @param {Asked} request @param {BlockList} trusted
 */
export function clientAddress({ headers, socket }, trusted) {
  let address = plain(socket.remoteAddress ?? '');
  const said = [headers['x-forwarded-for'] ?? ''].flat().join(',').split(',').slice(-MOST_HOPS);
  while (isTrusted(address, trusted) && said.length > 0) {
    const next = plain((said.pop() ?? '').trim());
    if (!isIP(next)) break;
    address = next;
  }
  return address;
}

/**
 * Whether a browser spoke TLS, with the hub or with a trusted proxy before it.
 * @param {Asked} request @param {BlockList} trusted
 */
export function isSecure({ headers, socket }, trusted) {
  if (socket.encrypted) return true;
  const said = [headers['x-forwarded-proto'] ?? ''].flat().join(',').split(',').at(-1)?.trim();
  return said === 'https' && isTrusted(plain(socket.remoteAddress ?? ''), trusted);
}

/**
 * The origin that a browser has for the page that it asks for.
 * @param {Asked} request @param {BlockList} trusted
 */
export const originOf = (request, trusted) =>
  request.headers.host ? `${isSecure(request, trusted) ? 'https' : 'http'}://${request.headers.host}` : '';

/** @param {string} address @param {BlockList} trusted */
export const isTrusted = (address, trusted) =>
  isIP(address) !== 0 && trusted.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');

/** Without what Node adds where IPv4 comes in by an IPv6 socket, brackets, and a port. @param {string} address */
function plain(address) {
  const bare =
    /^\[([^\]]+)\](?::\d+)?$/.exec(address)?.[1] ?? /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(address)?.[1] ?? address;
  return bare.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '');
}
