/** URLs of endpoints below the origin of the page. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { originOf } from '../../../front/server/http/client.mjs';
import { seenFrom } from '../../../front/console/hub/address.mjs';
import { load } from '../support/settings.mjs';

const FROM = 'http://127.0.0.1:8765';
/** @param {boolean} published @returns {any} */
const state = (published) => ({
  hub: { public_url: FROM, published },
  workspaces: [{ name: 'dev', sse_url: `${FROM}/mcp/dev/sse`, http_url: `${FROM}/mcp/dev` }],
  servers: [],
});

test('without HUB_PUBLIC_URL the endpoints are below the origin of the page', () => {
  const seen = seenFrom(state(false), 'https://box.example:9000');
  const [{ sse_url, http_url }] = seen.workspaces;
  assert.deepEqual(
    { sse_url, http_url },
    { sse_url: 'https://box.example:9000/mcp/dev/sse', http_url: 'https://box.example:9000/mcp/dev' },
  );
  assert.equal(seenFrom(seen, 'https://box.example:9000').workspaces[0], seen.workspaces[0], 'moved once');
});

test('with HUB_PUBLIC_URL, or an unknown or equal origin, nothing changes', () => {
  for (const [published, origin] of /** @type {const} */ ([
    [true, 'http://127.0.0.1:9000'],
    [false, FROM],
    [false, ''],
  ])) {
    const before = state(published);
    assert.equal(seenFrom(before, origin), before);
  }
});

test('the first page is rendered for the origin of its request', () => {
  const trusted = load({ HUB_TRUSTED_PROXIES: '10.0.0.1' }).trustedProxies;
  /** @param {string} remoteAddress @param {Record<string, string>} headers */
  const origin = (remoteAddress, headers) => originOf({ headers, socket: { remoteAddress } }, trusted);
  assert.equal(origin('127.0.0.1', { host: 'localhost:9000' }), 'http://localhost:9000');
  assert.equal(origin('10.0.0.1', { host: 'hub.example', 'x-forwarded-proto': 'https' }), 'https://hub.example');
  assert.equal(origin('10.0.0.2', { host: 'hub.example', 'x-forwarded-proto': 'https' }), 'http://hub.example');
  assert.equal(origin('127.0.0.1', {}), '');
});
