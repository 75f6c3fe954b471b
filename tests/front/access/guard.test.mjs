/** The guard accepts or refuses requests by Host, Origin, path, size and type of the body (pure). */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { areaOf, Guard, hostname } from '../../../front/server/access/guard.mjs';
import { originHost } from '../../../front/server/http/origin.mjs';
import { load } from '../support/settings.mjs';

/** @param {Record<string, string>} env */
const guardOf = (env = {}) => new Guard(load({ HUB_DATA_DIR: '/tmp/x', ...env }));

/** @param {() => unknown} act @returns {string} the code that it fails with, or what it gives */
function outcome(act) {
  try {
    return String(act());
  } catch (error) {
    return /** @type {any} */ (error).code;
  }
}

/** @param {Guard} guard @param {Record<string, string>} headers @param {string} [method] @param {string} [url] */
const pass = (guard, headers, method = 'GET', url = '/api/hub/state') =>
  outcome(() => guard.pass({ method, url, headers: { host: 'localhost', ...headers } }));

test('canonical paths belong to their area', () => {
  const areas = {
    '/': 'other',
    '/mcp/demo/sse': 'mcp',
    '/mcp/a%2Fb%20%3F/sse': 'mcp',
    '/mcp/demo/messages?session_id=%2e%2e': 'mcp',
    '/api/hub/state': 'api',
    '/api/openapi.json': 'api',
    '/api/workspaces/a%2Fb/start': 'api',
    '/api/workspaces/..%2Fservers%2Fx': 'api',
    '/api/servers/a%5Cb': 'api',
    '/api/servers/100%25': 'api',
    '/api/servers/%252e': 'api',
    '/api/workspaces//start': 'api',
    '/api/workspaces/': 'api',
    '/api/log-files/w%2Fx_0123/combined.log': 'api',
    '/hub': 'hub',
    '/hub/': 'hub',
    '/hub/assets/vendor/uPlot.min.css': 'hub',
    '/healthz?x=1': 'healthz',
    '/assets/index-D1Jv.js': 'other',
    '/workspaces': 'other',
    '/%C3%A4': 'other',
  };
  for (const [path, area] of Object.entries(areas)) assert.equal(areaOf(path), area, path);
});

test('any other form of a path is refused, however the server behind would read it', () => {
  const refused = [
    ...['', '*', 'http://localhost/api/hub/state', 'api/hub/state', '//localhost/api'],
    ...[
      '/API/hub/state',
      '/Api/stats',
      '/api/Openapi.json',
      '/api/openapi.json2',
      '/api/stats.json',
      '/%61pi/stats',
      '/a%70i/stats',
      '/MCP/demo',
      '/mcP/demo/sse',
      '/HUB/',
      '/Healthz',
    ],
    ...['/api/STATS', '/api/%73tats', '/api/Log-Files/a/b', '/api/log_files/a/b', '/api//hub/state', '/mcp//demo'],
    ...['/hub/../api/stats', '/hub/./x', '/hub/%2e%2e/api', '/hub/.%2E/api', '/hub/%2e', '/..', '/x/..', '/.'],
    ...[
      '/hub/assets/..%2f..%2fmain.mjs',
      '/hub/a%2fb',
      '/mcp/a/b%2Fc',
      '/mcp/%2e%2e/x',
      '/mcp/a%00',
      '/hub/a%5cb',
      '/hub\\x',
      '/api\\hub',
    ],
    ...['/hub/%252e%252e/x', '/hub/a%252fb', '/hub/a%255cb', '/hub/a%2500', '/hub/%25252e'],
    ...['/hub/%00', '/hub/a\0b', '/hub/a%0d%0ab', '/hub/%', '/hub/%zz', '/hub/%ff', '/hub/a b', '/hub/#x', '/hub/ä'],
    ...['/api/log-files/..%2f..%2fetc/passwd', '/api/log-files/%2e%2e/x', '/api/log-files/a%5c..%5c/x'],
    ...['/api/log-files/a/b%2fc', '/api/log-files/a/..', '/api/servers/..', '/api/servers/%2e%2e', '/api/servers/a%00'],
    ...['/api/servers/%2e/start', '/api/servers/a/st%2fart', '/api/hub/a%2fb'],
  ];
  for (const path of refused)
    assert.equal(
      outcome(() => areaOf(path)),
      'PATH_INVALID',
      JSON.stringify(path),
    );
});

test('the Host must be a name of this machine, with any port, or an allowed host', () => {
  const guard = guardOf({
    HUB_PUBLIC_URL: 'https://Hub.example:8443/x',
    HUB_ALLOWED_HOSTS: 'Box.lan, other',
    HUB_HOST: '127.0.0.2',
  });
  const served = [
    'localhost',
    'localhost:1',
    'LOCALHOST:8765',
    '127.0.0.1:8765',
    '[::1]:8765',
    '127.0.0.2',
    'hub.example',
  ];
  for (const host of [...served, 'hub.example:1', 'box.lan', 'OTHER:80'])
    assert.equal(pass(guard, { host }), 'api', host);
  const refused = [
    '',
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil',
    'localhost@evil',
    'evil@localhost',
    '0.0.0.0',
  ];
  for (const host of [
    ...refused,
    '127.0.0.3',
    '::1',
    '[::1',
    'localhost:x',
    'localhost:',
    'localhost/x',
    'localhost,evil',
  ]) {
    assert.equal(pass(guard, { host }), 'HOST_REFUSED', host);
  }
  assert.equal(
    outcome(() => guard.pass({ method: 'GET', url: '/', headers: {} })),
    'HOST_REFUSED',
  );
});

test('the Origin, if there is one, must have an allowed host, on every path', () => {
  const guard = guardOf({ HUB_ALLOWED_HOSTS: 'box.lan' });
  for (const origin of ['http://localhost:5173', 'https://box.lan', 'http://[::1]:1']) {
    assert.equal(pass(guard, { origin }), 'api', origin);
  }
  for (const origin of [
    'null',
    '',
    'http://evil.example',
    'localhost',
    'file://localhost',
    'chrome-extension://localhost',
  ]) {
    for (const url of ['/api/hub/state', '/mcp/demo', '/hub/', '/']) {
      assert.equal(pass(guard, { origin }, 'GET', url), 'ORIGIN_REFUSED', `${origin} ${url}`);
    }
  }
});

test('requests that another site can cause in a browser change nothing', () => {
  const guard = guardOf();
  const start = '/api/workspaces/w/start';
  for (const site of ['cross-site', 'same-site']) {
    assert.equal(pass(guard, { 'sec-fetch-site': site }, 'POST', start), 'ORIGIN_REFUSED', site);
    assert.equal(pass(guard, { 'sec-fetch-site': site }, 'GET', '/api/stats'), 'api', site);
  }
  for (const site of ['same-origin', 'none'])
    assert.equal(pass(guard, { 'sec-fetch-site': site }, 'POST', start), 'api');
  const form = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': '0' };
  assert.equal(pass(guard, form, 'POST', start), 'BODY_TYPE_REFUSED');
  assert.equal(pass(guard, { 'content-type': 'text/plain', 'content-length': '9' }, 'POST'), 'BODY_TYPE_REFUSED');
  assert.equal(pass(guard, { 'content-length': '9' }, 'POST'), 'BODY_TYPE_REFUSED');
  assert.equal(pass(guard, { 'transfer-encoding': 'chunked' }, 'PUT'), 'BODY_TYPE_REFUSED');
  for (const type of ['application/json', 'Application/JSON; charset=utf-8', 'application/merge-patch+json']) {
    assert.equal(pass(guard, { 'content-type': type, 'content-length': '9' }, 'POST'), 'api', type);
  }
  assert.equal(
    pass(guard, { 'content-type': 'application/jsonp', 'content-length': '9' }, 'POST'),
    'BODY_TYPE_REFUSED',
  );
});

test('a page of another program on this machine may read, but not change anything', () => {
  const guard = guardOf({ HUB_ALLOWED_HOSTS: 'box.lan', HUB_PUBLIC_URL: 'https://hub.example/x' });
  const host = 'localhost:8765';
  for (const origin of [
    'http://localhost:5173',
    'http://localhost',
    'http://127.0.0.1:3000',
    'https://hub.example:444',
  ]) {
    assert.equal(pass(guard, { host, origin }, 'POST'), 'ORIGIN_REFUSED', origin);
    assert.equal(pass(guard, { host, origin }), 'api', origin);
    assert.throws(() => guard.checkPage({ headers: { host, origin } }), { code: 'ORIGIN_REFUSED' });
  }
  const own = [
    'http://localhost:8765',
    'http://127.0.0.1:8765',
    'http://[::1]:8765',
    'https://hub.example',
    'http://box.lan:1',
  ];
  for (const origin of own) assert.equal(pass(guard, { host, origin }, 'POST'), 'api', origin);
  assert.equal(pass(guard, { host: 'localhost', origin: 'http://localhost' }, 'POST'), 'api');
  assert.equal(pass(guard, { host: 'hub.example', origin: 'http://hub.example' }, 'POST'), 'api');
});

test('a body whose stated length is too large is refused before it is read, on every path', () => {
  const guard = guardOf({ HUB_MAX_BODY_BYTES: '2048' });
  const json = { 'content-type': 'application/json' };
  for (const url of ['/api/servers', '/mcp/demo', '/x']) {
    assert.equal(pass(guard, { ...json, 'content-length': '2049' }, 'POST', url), 'BODY_TOO_LARGE', url);
    assert.notEqual(pass(guard, { ...json, 'content-length': '2048' }, 'POST', url), 'BODY_TOO_LARGE', url);
  }
});

test('a body of unknown length is refused for methods without a body, because it could be read as the next request', () => {
  for (const method of ['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE']) {
    assert.equal(pass(guardOf(), { 'transfer-encoding': 'chunked' }, method, '/mcp/demo'), 'LENGTH_REQUIRED');
  }
  assert.equal(pass(guardOf(), { 'transfer-encoding': 'chunked' }, 'POST', '/mcp/demo'), 'mcp');
});

test('a host name is parsed from a Host header as in URLs, or refused', () => {
  assert.equal(hostname('[2001:DB8::1]:80'), '2001:db8::1');
  assert.equal(hostname('A.b'), 'a.b');
  for (const none of ['', ':80', '[]', 'a b', 'a?b', 'a:1:2']) assert.equal(hostname(none), '', none);
});

test('the front and the sidecar parse hosts and origins alike', () => {
  const { hosts, origins } = JSON.parse(readFileSync(new URL('../../support/hosts.json', import.meta.url), 'utf8'));
  for (const [host, name] of Object.entries(hosts)) assert.equal(hostname(host), name, JSON.stringify(host));
  for (const [origin, name] of Object.entries(origins)) assert.equal(originHost(origin), name, JSON.stringify(origin));
});
