// Checks how a request delimits its body, and whether this is unambiguous (RFC 9112, 6 and 11.2). Pure.

import { FrontError } from '../errors.mjs';

/**
 * `rawHeaders`: names and values by turns, every one that came.
 * @typedef {{method?: string, httpVersion?: string, rawHeaders?: readonly string[], headers: import('node:http').IncomingHttpHeaders}} RequestHead
 */

/** Methods whose body is read. With other methods, a body has no meaning (RFC 9110, 9.3). */
const METHODS_WITH_BODY = new Set(['POST', 'PUT', 'PATCH']);
/** Limit for the headers of one request. Common clients send fewer than 30. */
export const MAX_HEADERS = 1_000;
const CONTENT_LENGTH = /^\d{1,15}$/;
/** Headers that Connection must not name, because they are for the server, not for the connection (RFC 9110, 7.6.1). */
const END_TO_END_HEADERS =
  /^(host|authorization|expect|cookie|origin|accept|content-.*|transfer-encoding|forwarded|x-forwarded-.*|x-real-ip|mcp-.*)$/;

/** Return whether the body of a request with this method is read. @param {string | undefined} method */
export const hasBody = (method = 'GET') => METHODS_WITH_BODY.has(method);

/** Return the names in a Connection header, in lower case. @param {string | undefined} connection */
export const connectionOptions = (connection = '') =>
  connection
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter(Boolean);

/**
 * Refuse a request that two servers could parse differently (request smuggling).
 * @param {RequestHead} request
 * @throws {FrontError} FRAMING_REFUSED, HEADERS_TOO_MANY, LENGTH_REQUIRED
 */
export function checkFraming({ method, httpVersion = '1.1', rawHeaders = [], headers }) {
  if (rawHeaders.length > 2 * MAX_HEADERS) throw new FrontError('HEADERS_TOO_MANY');
  const { 'content-length': length, 'transfer-encoding': coding } = headers;
  for (const name of ['content-length', 'transfer-encoding', 'host']) {
    if (isRepeated(name, rawHeaders)) throw refused(`The request has more than one header ${name}.`);
  }
  for (const name of connectionOptions(headers.connection)) {
    if (END_TO_END_HEADERS.test(name))
      throw refused(`The header Connection names ${name}, which is not a header of the connection.`);
  }
  if (length !== undefined && !CONTENT_LENGTH.test(length)) throw refused('The Content-Length is not a number.');
  if (coding === undefined) return;
  if (!hasBody(method)) throw new FrontError('LENGTH_REQUIRED');
  if (length !== undefined) throw refused('The request has both Content-Length and Transfer-Encoding.');
  if (coding.toLowerCase() !== 'chunked') throw refused('The Transfer-Encoding is not exactly chunked.');
  if (httpVersion !== '1.1') throw refused(`HTTP/${httpVersion} does not support Transfer-Encoding.`);
}

/**
 * Return whether an error means that the end of the request is unknown, so that its connection must be closed.
 * @param {string} code
 */
export const isFramingError = (code) =>
  code === 'FRAMING_REFUSED' || code === 'HEADERS_TOO_MANY' || code === 'LENGTH_REQUIRED';

/** @param {string} name @param {readonly string[]} rawHeaders */
function isRepeated(name, rawHeaders) {
  let found = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) if (rawHeaders[at].toLowerCase() === name) found += 1;
  return found > 1;
}

/** @param {string} why */
const refused = (why) => new FrontError('FRAMING_REFUSED', why);
