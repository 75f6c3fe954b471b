/** Framing of requests: an ambiguous length is refused, and forwarded requests are framed anew (pure). */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkFraming, hasBody, MAX_HEADERS, connectionOptions } from '../../../front/server/http/framing.mjs';

const CHUNKED = { 'transfer-encoding': 'chunked' };

/** @param {Partial<import('../../../front/server/http/framing.mjs').RequestHead>} request @returns {string} the code of the refusal; empty: none */
function refusal(request) {
  try {
    checkFraming({ method: 'POST', headers: {}, ...request });
    return '';
  } catch (error) {
    return /** @type {any} */ (error).code;
  }
}

test('a body has one length or is chunked, and only with a method that has a body', () => {
  for (const method of ['POST', 'PUT', 'PATCH']) assert.equal(refusal({ method, headers: CHUNKED }), '', method);
  for (const method of ['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY', 'post']) {
    assert.equal(refusal({ method, headers: CHUNKED }), 'LENGTH_REQUIRED', method);
    assert.equal(refusal({ method, headers: { 'content-length': '5' } }), '', `${method}: read, and not passed on`);
    assert.equal(hasBody(method), false);
  }
  assert.equal(refusal({ headers: { ...CHUNKED, 'content-length': '0' } }), 'FRAMING_REFUSED');
  assert.equal(refusal({ headers: CHUNKED, httpVersion: '1.0' }), 'FRAMING_REFUSED');
  for (const coding of ['identity', 'gzip, chunked', 'chunked, chunked', 'xchunked', '"chunked"', 'chunked;q=1', '']) {
    assert.equal(refusal({ headers: { 'transfer-encoding': coding } }), 'FRAMING_REFUSED', coding);
  }
  for (const length of ['+5', '-5', '0x5', '5, 5', '5 5', '', '5.0', '1e3', '9'.repeat(16)]) {
    assert.equal(refusal({ headers: { 'content-length': length } }), 'FRAMING_REFUSED', length);
  }
});

test('framing headers and Host must not be repeated', () => {
  for (const name of ['Content-Length', 'transfer-encoding', 'HOST']) {
    assert.equal(refusal({ rawHeaders: [name, '1', name.toLowerCase(), '1'] }), 'FRAMING_REFUSED', name);
  }
  assert.equal(refusal({ rawHeaders: ['Accept', 'content-length', 'Accept', 'content-length'] }), '');
});

test('Connection may name only headers of the connection, none that the hub reads', () => {
  const named = ['content-length', 'Transfer-Encoding', 'HOST', 'authorization', 'cookie', 'origin', 'content-type'];
  for (const name of [...named, 'mcp-session-id', 'x-forwarded-for', 'x-real-ip', 'expect']) {
    assert.equal(refusal({ headers: { connection: `keep-alive ,\t${name}` } }), 'FRAMING_REFUSED', name);
  }
  for (const connection of ['close', 'keep-alive', 'Upgrade, HTTP2-Settings', 'TE', 'x-hop', '']) {
    assert.equal(refusal({ headers: { connection } }), '', connection);
  }
  assert.deepEqual(connectionOptions(' A ,,b'), ['a', 'b']);
});

test('too many headers are refused', () => {
  const rawHeaders = Array.from({ length: 2 * MAX_HEADERS }, () => 'a');
  assert.equal(refusal({ rawHeaders }), '');
  assert.equal(refusal({ rawHeaders: [...rawHeaders, 'a', 'a'] }), 'HEADERS_TOO_MANY');
});
