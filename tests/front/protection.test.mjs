/** Exposure of a hub: settings, trusted proxies, own pages, redirects of a login (pure). */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { clientAddress, isSecure } from '../../front/server/http/client.mjs';
import { Guard } from '../../front/server/access/guard.mjs';
import { safePath } from '../../front/server/access/login.mjs';
import { loginPage } from '../../front/server/access/login_page.mjs';
import { isOwnPage, isSameHost } from '../../front/server/http/origin.mjs';
import { load } from './support/settings.mjs';
import { load as handed } from '../../front/server/settings.mjs';
import { placeOf } from '../../front/server/yamcp_ui/place.mjs';

const TOKEN = 'sixteen-characters';
/** @param {Record<string, string>} env */
const settings = (env) => load({ HUB_DATA_DIR: '/tmp/x', ...env });

/** @param {() => unknown} act @returns {string} the code that it fails with, or what it gives */
function outcome(act) {
  try {
    return String(act());
  } catch (error) {
    return /** @type {any} */ (error).code;
  }
}

test('incomplete settings are refused, whatever the environment contains', () => {
  for (const value of [undefined, '', 'x', '[]', 'null', '{"port":8765}']) {
    const env = { YAMCP_HUB_FRONT_SETTINGS: value, HUB_PORT: '8765' };
    assert.throws(() => handed(env), { code: 'SETTING_INVALID', message: /^YAMCP_HUB_FRONT_SETTINGS: / }, value);
  }
});

test('the settings do not contain the token itself', () => {
  assert.ok(!JSON.stringify(settings({ HUB_TOKEN: TOKEN })).includes(TOKEN));
});

test('every hub reaches YAMCP-UI by its Unix socket, also with an obsolete setting', () => {
  const path = '/tmp/x/run/yamcp-ui.sock';
  const place = { connect: { path }, request: { socketPath: path }, host: `localhost:${path}` };
  /** @type {Record<string, string>[]} */
  const environments = [{}, { HUB_TOKEN: TOKEN }, { HUB_YAMCP_UI_PORT: '8767' }];
  for (const env of environments) {
    assert.deepEqual(placeOf(settings(env)), place);
  }
});

// --- whose address -------------------------------------------------------------------------------------------------

const PROXIES = settings({ HUB_TRUSTED_PROXIES: '10.0.0.0/8, 192.0.2.9, fd00::/8' }).trustedProxies;
/** @param {string} remoteAddress @param {string} [forwarded] @param {object} [more] */
const asked = (remoteAddress, forwarded, more = {}) => ({
  socket: { remoteAddress },
  headers: { ...(forwarded && { 'x-forwarded-for': forwarded }), ...more },
});

test('X-Forwarded-For is trusted from trusted proxies only, along the chain of trusted ones', () => {
  const path = join(import.meta.dirname, '../../bridge/vectors/client_addresses.json');
  const { trusted, addresses } = JSON.parse(readFileSync(path, 'utf8'));
  const proxies = settings({ HUB_TRUSTED_PROXIES: trusted.join(', ') }).trustedProxies;
  for (const { peer, forwarded, client } of addresses)
    assert.equal(clientAddress(asked(peer, forwarded), proxies), client, forwarded);
});

test('a request counts as TLS if the hub, or a trusted proxy, received it over TLS', () => {
  const proto = { 'x-forwarded-proto': 'https' };
  assert.equal(isSecure(asked('10.0.0.1', '', proto), PROXIES), true);
  assert.equal(isSecure(asked('198.51.100.1', '', proto), PROXIES), false);
  assert.equal(isSecure(asked('10.0.0.1', '', { 'x-forwarded-proto': 'https, http' }), PROXIES), false);
  assert.equal(isSecure({ socket: { remoteAddress: '198.51.100.1', encrypted: true }, headers: {} }, PROXIES), true);
});

// --- whose pages ---------------------------------------------------------------------------------------------------

test('an own page has exactly the host and port of the request', () => {
  /** @type {[string, string][]} */
  const same = [
    ['http://localhost:9000', 'localhost:9000'],
    ['https://hub.example', 'hub.example'],
    ['https://hub.example', 'hub.example:443'],
    ['http://Hub.example:80', 'hub.EXAMPLE'],
    ['http://[::1]:8765', '[::1]:8765'],
    ['https://192.0.2.1:8765', '192.0.2.1:8765'],
  ];
  for (const [origin, host] of same) assert.equal(isSameHost(origin, host), true, origin);
  /** @type {[string, string][]} */
  const other = [
    ['http://localhost:5173', 'localhost:8765'],
    ['http://127.0.0.1:8765', 'localhost:8765'],
    ['http://evil.example', 'hub.example'],
    ['null', 'null'],
    ['', ''],
    ['http://', ''],
    ['file://localhost:8765', 'localhost:8765'],
    ['http://localhost:8765/x', 'localhost:8765'],
    ['http://hub.example:443', 'hub.example'],
  ];
  for (const [origin, host] of other) assert.equal(isSameHost(origin, host), false, origin);
});

test('Sec-Fetch headers take precedence; a request without them and without Origin has no page', () => {
  const names = new Set(['tools.lan']);
  const host = 'localhost:8765';
  const own = (/** @type {Record<string, string>} */ headers, said = true) =>
    isOwnPage({ host, ...headers }, names, { required: said });
  assert.equal(own({ 'sec-fetch-site': 'same-origin' }), true);
  assert.equal(own({ 'sec-fetch-site': 'none' }), true);
  assert.equal(own({ 'sec-fetch-site': 'same-site', origin: 'http://localhost:5173' }), false);
  assert.equal(own({ 'sec-fetch-site': 'cross-site', origin: 'http://localhost:8765' }), false);
  assert.equal(own({ 'sec-fetch-site': 'cross-site', origin: 'http://tools.lan:3000' }), true);
  assert.equal(own({ origin: 'http://localhost:8765' }), true);
  assert.equal(own({ origin: 'null' }), false);
  assert.equal(own({}), false);
  assert.equal(own({}, false), true);
});

/** @param {Record<string, string>} headers @param {{bearer?: boolean}} [who] */
function guarded(headers, who) {
  const guard = new Guard(
    settings({ HUB_HOST: '0.0.0.0', HUB_PUBLIC_URL: 'https://hub.example', HUB_ALLOWED_HOSTS: 'box.lan' }),
  );
  return outcome(() => guard.pass({ method: 'GET', url: '/hub/', headers }, who));
}

test('an exposed hub accepts its names, loopback and any IP address as Host; a request with a bearer any Host', () => {
  for (const host of [
    'localhost:9000',
    '127.0.0.1',
    '[::1]:1',
    '192.168.1.5:8765',
    '[2001:db8::1]:80',
    'hub.example',
    'BOX.lan:1',
  ])
    assert.equal(guarded({ host }), 'hub', host);
  for (const host of ['evil.example', '', 'hub.example.evil', '192.168.1', 'localhost.evil', '1.2.3.4.evil']) {
    assert.equal(guarded({ host }), 'HOST_REFUSED', host);
    assert.equal(guarded({ host, origin: 'http://evil.example' }, { bearer: true }), 'hub', host);
  }
});

test('an exposed hub accepts a page at an IP address only if it is its own', () => {
  const host = '192.168.1.5:8765';
  assert.equal(guarded({ host, origin: `http://${host}` }), 'hub');
  assert.equal(guarded({ host, origin: 'https://hub.example' }), 'hub');
  for (const origin of [
    'http://192.168.1.6:8765',
    'http://192.168.1.5',
    'http://localhost:8765',
    'null',
    'http://evil.example',
  ])
    assert.equal(guarded({ host, origin }), 'ORIGIN_REFUSED', origin);
});

// --- where a login leads -------------------------------------------------------------------------------------------

test('a login redirects to a path of the hub, never elsewhere, and not to the login page', () => {
  for (const path of ['/', '/hub/', '/hub/#/servers/a%2Fb', '/workspaces?x=1&y', '/hub/?a=b#c']) {
    assert.equal(safePath(path), path, path);
  }
  const refused = [
    '',
    '//evil.example',
    '/\\evil.example',
    'https://evil.example',
    'hub/',
    '/\t/evil.example',
    '/a b',
    '/ä',
  ];
  const round = [
    '/login',
    '/login?next=/hub/',
    '/logout',
    '/x/../login',
    '/.//evil.example',
    '/..//evil.example',
    '/a\\b',
  ];
  for (const path of [...refused, ...round, `/${'x'.repeat(9000)}`, null])
    assert.equal(safePath(path), '/', String(path));
  assert.equal(safePath('/hub/?token=secret&a=1'), '/hub/?a=1');
  assert.equal(safePath('/hub/?t%6fken=secret'), '/hub/');
});

test('the login page escapes its texts', () => {
  const html = loginPage({ next: '/"><script>', error: { code: 'X', message: '<b>', hint: "'&" } });
  assert.ok(!html.includes('<script') && !html.includes('<b>'));
});
