// How a request says how long its body is, and whether that is said beyond doubt (RFC 9112, 6 and 11.2). Pure.

import { FrontError } from '../errors.mjs';

/**
 * `rawHeaders`: names and values by turns, every one that came.
 * @typedef {{method?: string, httpVersion?: string, rawHeaders?: readonly string[], headers: import('node:http').IncomingHttpHeaders}} Asked
 */

/** Methods whose body is read. With any other, a body has no meaning (RFC 9110, 9.3). */
const WITH_BODY = new Set(['POST', 'PUT', 'PATCH']);
/** Headers that one request may have. Those of a usual client are fewer than 30. */
export const MOST_HEADERS = 1_000;
const LENGTH = /^\d{1,15}$/;
/** What Connection may not name: it is for the server, not for the connection (RFC 9110, 7.6.1). */
const END_TO_END =
  /^(host|authorization|expect|cookie|origin|accept|content-.*|transfer-encoding|forwarded|x-forwarded-.*|x-real-ip|mcp-.*)$/;

/** Whether the body of a request with this method is read. @param {string | undefined} method */
export const hasBody = (method = 'GET') => WITH_BODY.has(method);

/** The names in a Connection header, in lower case. @param {string | undefined} connection */
export const namedBy = (connection = '') =>
  connection
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter(Boolean);

/**
 * Refuse a request that two servers could read differently: where does it end, and whose is it.
 * @param {Asked} request
 * @throws {FrontError} FRAMING_REFUSED, HEADERS_TOO_MANY, LENGTH_REQUIRED
 */
export function checkFraming({ method, httpVersion = '1.1', rawHeaders = [], headers }) {
  if (rawHeaders.length > 2 * MOST_HEADERS) throw new FrontError('HEADERS_TOO_MANY');
  const { 'content-length': length, 'transfer-encoding': coding } = headers;
  for (const name of ['content-length', 'transfer-encoding', 'host']) {
    if (isRepeated(name, rawHeaders)) throw refused(`It has more than one header ${name}.`);
  }
  for (const name of namedBy(headers.connection)) {
    if (END_TO_END.test(name)) throw refused(`Its header Connection names ${name}, which is not of the connection.`);
  }
  if (length !== undefined && !LENGTH.test(length)) throw refused('Its Content-Length is not a number.');
  if (coding === undefined) return;
  if (!hasBody(method)) throw new FrontError('LENGTH_REQUIRED');
  if (length !== undefined) throw refused('It has both Content-Length and Transfer-Encoding.');
  if (coding.toLowerCase() !== 'chunked') throw refused('Its Transfer-Encoding is not chunked alone.');
  if (httpVersion !== '1.1') throw refused(`HTTP/${httpVersion} has no Transfer-Encoding.`);
}

/** Whether an error means that nobody can tell where the request ends: its connection has to end. @param {string} code */
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
