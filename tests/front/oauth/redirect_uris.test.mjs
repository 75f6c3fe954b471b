/** Redirect URIs: which can be registered, and which registered one a request may ask for. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  isRegistered,
  MAX_URI_LENGTH,
  redirectHost,
  redirectUriFault,
  withParameters,
} from '../../../front/server/oauth/clients/redirect_uris.mjs';

test('https, loopback http and schemes of applications can be registered', () => {
  for (const uri of [
    'https://claude.ai/api/mcp/auth_callback',
    'https://chatgpt.com/connector_platform_oauth_redirect',
    'https://app.example:8443/cb?a=b',
    'https://app.example:443/cb',
    'http://127.0.0.1/cb',
    'http://127.0.0.1:33418/',
    'http://localhost:6274/oauth/callback/debug',
    'http://[::1]:9/x',
    'cursor://anysphere.cursor-retrieval/oauth/user-demo/callback',
    'vscode://dynamicauthprovider/x',
    'com.example.app:/callback',
  ])
    assert.equal(redirectUriFault(uri), null, uri);
});

test('no other URI can be registered', () => {
  for (const uri of [
    ...['javascript:alert(1)', 'JavaScript:alert(1)', 'data:text/html,x', 'file:///etc/passwd', 'blob:https://x/y'],
    ...['http://evil.example/cb', 'http://127.0.0.2/cb', 'http://127.1/cb', 'http://2130706433/cb', 'http://0/cb'],
    ...['http://localhost.evil.example/', 'http://localhost@evil.example/', 'https://user:pw@app.example/cb'],
    ...['https://app.example/cb#x', 'https://app.example/cb#', '/cb', '//app.example/cb', 'https:/app.example/cb'],
    ...['https:app.example', 'https://app.example\\@evil.example/', 'https://app.example/\r\nSet-Cookie: a=b'],
    ...['https://app.example/ x', 'https://app.example/ü', 'https://exa%6dple.com/cb', 'https://[::1', 'HTTPS://a.b/'],
    ...['https://', 'cursor:', '', 'about:blank', 'chrome://settings', 'ms-msdt:/id', 'urn:ietf:wg:oauth:2.0:oob'],
    ...[null, 7, {}, ['https://app.example/cb'], `https://app.example/${'x'.repeat(MAX_URI_LENGTH)}`],
  ]) {
    if (uri === 'cursor:') continue; // a scheme alone is a URI
    assert.equal(typeof redirectUriFault(uri), 'string', JSON.stringify(uri));
  }
});

test('a request has to ask for exactly what was registered; only ports of the loopback interface may differ', () => {
  const registered = ['https://app.example/cb', 'http://127.0.0.1:1234/cb', 'http://localhost/cb?x=1', 'cursor://a/cb'];
  for (const uri of [
    ...registered,
    ...['http://127.0.0.1:55555/cb', 'http://127.0.0.1/cb', 'http://localhost:7/cb?x=1'],
  ])
    assert.ok(isRegistered(uri, registered), uri);
  for (const uri of [
    ...['https://app.example/cb/', 'https://app.example/cb?', 'https://app.example/CB', 'https://app.example:444/cb'],
    ...['https://app.example/cb/../evil', 'https://app.example/%63b', 'https://app.example.evil.example/cb'],
    ...['https://app.example@evil.example/cb', 'http://app.example/cb', 'https://app.example/cb#', ''],
    ...['http://127.0.0.1:1234/evil', 'http://127.0.0.1:1234@evil.example/cb', 'http://localhost:1234/cb'],
    ...['http://127.0.0.1:99999/cb', 'http://127.0.0.1:/cb', 'https://127.0.0.1:1234/cb', 'http://localhost/cb?x=2'],
    ...['http://127.0.0.1:1234/cb\\', 'http://127.0.0.1:1234/cb?x', 'cursor://b/cb', 'cursor://a:1/cb'],
  ])
    assert.ok(!isRegistered(uri, registered), uri);
});

test('a person reads the host or the scheme, and an answer is added to the query', () => {
  assert.equal(redirectHost('https://app.example:8443/cb'), 'app.example:8443');
  assert.equal(redirectHost('http://127.0.0.1:5/cb'), '127.0.0.1:5');
  assert.equal(redirectHost('cursor://anysphere/cb'), 'cursor:');
  const parameters = { code: 'a b&c', state: undefined, iss: 'http://x' };
  assert.equal(withParameters('https://a.b/cb?x=1', parameters), 'https://a.b/cb?x=1&code=a+b%26c&iss=http%3A%2F%2Fx');
  assert.equal(withParameters('cursor://a/cb', { code: 'c' }), 'cursor://a/cb?code=c');
});
