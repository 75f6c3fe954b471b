/** What a request to an endpoint tells the sidecar of the client. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Auth } from '../../../front/server/access/auth.mjs';

/** @param {{ oauth: boolean, jwtIssuer: string | null }} settings @returns {import('node:http').IncomingHttpHeaders} */
function headersOf(settings) {
  const given = { publicUrl: 'https://hub.example', ...settings };
  const request = { headers: { cookie: 'c', 'x-hub-base': 'https://evil.example', accept: 'text/html' } };
  const auth = { principals: {}, addressOf: () => '192.0.2.1', settings: given };
  return Auth.prototype.forSidecar.call(/** @type {any} */ (auth), /** @type {any} */ (request)).headers;
}

test('the address of the hub, which audiences of tokens are compared with, is the one of the front', () => {
  const plain = { accept: 'text/html', 'x-forwarded-for': '192.0.2.1' };
  const told = { ...plain, 'x-hub-base': 'https://hub.example' };
  assert.deepEqual(headersOf({ oauth: true, jwtIssuer: null }), told);
  assert.deepEqual(headersOf({ oauth: false, jwtIssuer: 'https://id.example' }), told);
  assert.deepEqual(headersOf({ oauth: false, jwtIssuer: null }), plain);
});
