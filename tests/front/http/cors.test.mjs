/** CORS: pages of allowed origins may use endpoints; no page of another origin can read anything else. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Front } from '../../../front/server/app.mjs';
import { Log } from '../../../front/server/log.mjs';
import { load } from '../support/settings.mjs';
import { ask } from '../support/api.mjs';
import { freePort } from '../support/hub.mjs';

const LIMIT = { timeout: 180_000 };
const TOKEN = 'a-token-of-a-hub-for-pages';
const NAMED = ['http://localhost:6274', 'https://app.example'];
const root = mkdtempSync(join(tmpdir(), 'hub'));
/** @type {Front[]} */
const fronts = [];
/** What stands in the sidecar's place: it answers everything. */
const behind = createServer((asked, answer) => {
  asked.resume();
  answer.setHeader('access-control-allow-origin', '*');
  answer.end(JSON.stringify({ origin: asked.headers.origin ?? null }));
});

before(async () => {
  behind.listen(0, '127.0.0.1');
  await once(behind, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (behind.address());
  for (const env of [{}, { HUB_TOKEN: TOKEN }]) {
    const own = { HUB_PORT: String(await freePort()), HUB_SIDECAR_PORT: String(port), HUB_DATA_DIR: root };
    const names = { HUB_ALLOWED_HOSTS: 'localhost,https://app.example' };
    const front = new Front(load({ ...own, ...names, ...env }), new Log('error', () => {}));
    await front.start();
    fronts.push(front);
  }
});
after(async () => {
  for (const front of fronts) await front.stop();
  behind.close();
  rmSync(root, { recursive: true });
});

/** @param {number} which @param {string} method @param {string} path @param {Record<string, string>} headers */
const asked = (which, method, path, headers) => ask(fronts[which].settings.baseUrl, method, path, { headers });

test('a preflight request of an allowed origin is answered without a token', LIMIT, async () => {
  const headers = {
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'authorization, content-type,mcp-session-id,Mcp-Param-Region, x-other',
  };
  for (const which of [0, 1]) {
    for (const origin of NAMED) {
      for (const path of ['/mcp/dev', '/mcp/dev/sse', '/.well-known/oauth-protected-resource/mcp/dev']) {
        const answer = await asked(which, 'OPTIONS', path, { ...headers, origin });
        assert.equal(answer.status, 204, `${origin} ${path}`);
        assert.equal(answer.headers['access-control-allow-origin'], origin);
        assert.equal(answer.headers.vary, 'Origin');
        assert.equal(answer.headers['access-control-allow-methods'], 'GET, POST, DELETE');
        assert.equal(
          answer.headers['access-control-allow-headers'],
          'authorization, content-type, mcp-session-id, mcp-param-region',
        );
        assert.equal(answer.headers['access-control-allow-credentials'], undefined);
      }
    }
    for (const [origin, path] of [
      ['http://evil.example', '/mcp/dev'],
      ['http://app.example', '/mcp/dev'],
      ['http://127.0.0.1:6274', '/mcp/dev'],
      [NAMED[1], '/api/hub/state'],
      [NAMED[1], '/hub/'],
      [NAMED[1], '/status'],
    ]) {
      const answer = await asked(which, 'OPTIONS', path, { ...headers, origin });
      const client = which === 1 && path.startsWith('/mcp/'); // any page can be a client that signs in
      assert.equal(answer.status < 400, client, `${origin} ${path} ${answer.status}`);
      assert.equal(answer.headers['access-control-allow-origin'], client ? origin : undefined);
      assert.equal(answer.headers['access-control-allow-credentials'], undefined);
    }
  }
});

test('every response of an endpoint is readable for a page of an allowed origin, also refusals', LIMIT, async () => {
  for (const origin of NAMED) {
    const page = { origin, 'sec-fetch-site': 'cross-site' };
    const answers = [
      await asked(0, 'GET', '/mcp/dev', page),
      await asked(0, 'GET', '/.well-known/oauth-authorization-server', page),
      await asked(0, 'DELETE', '/mcp//dev', page),
      await asked(1, 'GET', '/mcp/dev', page),
      await asked(1, 'GET', '/mcp/dev', { ...page, authorization: 'Bearer a-wrong-token-of-a-page' }),
    ];
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 404, 404, 401, 401],
    );
    for (const { headers } of answers) {
      assert.equal(headers['access-control-allow-origin'], origin);
      assert.equal(headers['access-control-expose-headers'], 'Mcp-Session-Id, WWW-Authenticate');
      assert.equal(headers.vary, 'Origin');
    }
    assert.match(answers[3].headers['www-authenticate'] ?? '', /^Bearer /);
    const elsewhere = await asked(1, 'GET', '/api/hub/state', { ...page, authorization: `Bearer ${TOKEN}` });
    assert.equal(elsewhere.headers['access-control-allow-origin'], undefined);
  }
});

test('in a hub with OAuth, a page of any origin can sign in as a client, and use nothing else', LIMIT, async () => {
  const page = { origin: 'https://inspector.example', 'sec-fetch-site': 'cross-site' };
  const refused = await asked(1, 'POST', '/mcp/dev/sse?x=1', page);
  assert.deepEqual([refused.status, refused.body.error.data.code], [401, 'TOKEN_REQUIRED']);
  assert.equal(refused.headers['access-control-allow-origin'], page.origin);
  assert.match(String(refused.headers['access-control-expose-headers']), /WWW-Authenticate/);
  const { baseUrl } = fronts[1].settings;
  const metadata = `${baseUrl}/.well-known/oauth-protected-resource/mcp/dev/sse`;
  assert.equal(
    refused.headers['www-authenticate'],
    `Bearer realm="yamcp-hub", resource_metadata="${metadata}", scope="mcp"`,
  );
  for (const [method, path] of [
    ['GET', '/.well-known/oauth-protected-resource/mcp/dev'],
    ['GET', '/.well-known/oauth-authorization-server'],
    ['GET', '/.well-known/openid-configuration'],
    ['POST', '/oauth/register'],
    ['POST', '/oauth/token'],
    ['POST', '/oauth/revoke'],
  ]) {
    const asks = { ...page, 'access-control-request-method': method, 'access-control-request-headers': 'content-type' };
    const preflight = await asked(1, 'OPTIONS', path, asks);
    assert.deepEqual(
      [preflight.status, preflight.headers['access-control-allow-origin']],
      [204, page.origin],
      `${method} ${path}`,
    );
    const { headers } = await asked(1, method, path, page);
    assert.equal(headers['access-control-allow-origin'], page.origin, `${method} ${path}`);
    assert.equal(headers['access-control-allow-credentials'], undefined);
    const unprotected = await asked(0, method, path, page);
    assert.equal(unprotected.headers['access-control-allow-origin'], undefined, 'a hub without a token');
  }
  for (const [method, path] of [
    ['GET', '/oauth/authorize'],
    ['POST', '/oauth/consent'],
    ['GET', '/account'],
    ['GET', '/api/account'],
    ['POST', '/login'],
    ['GET', '/mcp'],
  ]) {
    const { status, headers } = await asked(1, method, path, page);
    assert.deepEqual([status, headers['access-control-allow-origin']], [403, undefined], `${method} ${path}`);
  }
  const rebound = await asked(1, 'GET', '/mcp/dev', { ...page, host: 'rebound.example' });
  assert.equal(rebound.status, 403, 'a page whose host name leads here (DNS rebinding)');
});

test('a page of another program or site cannot use endpoints of a hub without a token', LIMIT, async () => {
  /** @type {Record<string, string>[]} */
  const pages = [
    { origin: 'http://127.0.0.1:6274' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'cross-site' },
  ];
  for (const headers of pages) {
    for (const [method, path] of [
      ['GET', '/mcp/dev/sse'],
      ['POST', '/mcp/dev'],
      ['DELETE', '/mcp/dev'],
    ]) {
      const { status, body } = await asked(0, method, path, headers);
      assert.deepEqual(
        [status, body.error?.data.code],
        [403, 'ORIGIN_REFUSED'],
        `${method} ${JSON.stringify(headers)}`,
      );
    }
  }
  const plain = await asked(0, 'GET', '/mcp/dev', {});
  assert.equal(plain.status, 200);
});
