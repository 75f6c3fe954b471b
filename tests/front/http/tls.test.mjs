/** HTTPS with a given certificate: service, reload after a change, and an error for plain HTTP. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { request as plainRequest } from 'node:http';
import { request } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import WebSocket from 'ws';
import { SecureServer } from '../../../front/server/http/tls.mjs';
import { startHub } from '../support/hub.mjs';

const LIMIT = { timeout: 180_000 };
const TOKEN = 'the-token-of-this-hub';
const ADMIN = { authorization: `Bearer ${TOKEN}` };

/** @type {string} */
let directory;
/** @type {import('../support/hub.mjs').Hub} */
let hub;
/** @type {{cert: string, key: string}} */
let files;

/** A certificate that is signed by itself. @param {string} name */
function certificate(name) {
  const made = { cert: join(directory, `${name}.crt`), key: join(directory, `${name}.key`) };
  const asked = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-days', '2'];
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  execFileSync('openssl', ['req', ...kind, ...asked, '-keyout', made.key, '-out', made.cert], { stdio: 'ignore' });
  return made;
}

/** @param {{cert: string, key: string}} by */
function replace(by) {
  for (const kind of /** @type {const} */ (['cert', 'key'])) renameSync(by[kind], files[kind]);
}

before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'tls'));
  files = certificate('first');
  const env = { HUB_TOKEN: TOKEN, HUB_TLS_CERT: files.cert, HUB_TLS_KEY: files.key, HUB_LOG_LEVEL: 'debug' };
  hub = await startHub({ settle: false, env });
  await until(() => logged('front started'));
}, LIMIT);
after(async () => {
  await hub?.close();
  rmSync(directory, { recursive: true });
}, LIMIT);

/** For what no event tells of. @param {() => unknown} wanted */
async function until(wanted) {
  while (!(await wanted())) await new Promise((resolve) => setTimeout(resolve, 50));
}

/** Whether the front has written this. @param {string} words */
function logged(words) {
  const file = join(hub.root, 'front.log');
  return existsSync(file) && readFileSync(file, 'utf8').includes(words);
}

const port = () => Number(hub.env.HUB_PORT);

/** @param {string} path @param {Record<string, string>} [headers] @returns {Promise<import('node:http').IncomingMessage>} */
async function ask(path, headers = {}) {
  const options = { host: '127.0.0.1', port: port(), path, headers, rejectUnauthorized: false, agent: false };
  const asking = request(options);
  asking.end();
  return (await once(asking, 'response'))[0];
}

/** Whose certificate is shown. */
async function shown() {
  const socket = connectTls({ host: '127.0.0.1', port: port(), rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return subject.CN;
}

test('pages, API and WebSocket are served over TLS, and cookies are Secure', LIMIT, async () => {
  const state = JSON.parse(await text(await ask('/api/hub/state', ADMIN)));
  assert.equal(state.hub.public_url, `https://127.0.0.1:${port()}`);
  const entry = await ask(`/?token=${TOKEN}`, { accept: 'text/html' });
  assert.match(String(entry.headers['set-cookie']), /; Secure$/);
  const cookie = String(entry.headers['set-cookie']).split(';')[0];
  const secret = String(entry.headers.location).split('#hub_page=')[1]; // the page's half of the login
  const headers = { cookie, origin: `https://127.0.0.1:${port()}`, 'x-hub-page': secret };
  const socket = new WebSocket(`wss://127.0.0.1:${port()}/api/hub/live`, { headers, rejectUnauthorized: false });
  const [first] = await once(socket, 'message');
  assert.equal(JSON.parse(String(first)).type, 'state');
  socket.terminate();
});

/** The cipher that is agreed on; null: there is none. @param {import('node:tls').ConnectionOptions} options */
function agreed(options) {
  const socket = connectTls({ host: '127.0.0.1', port: port(), rejectUnauthorized: false, ...options });
  return new Promise((resolve) => {
    socket.once('secureConnect', () => {
      resolve(socket.getCipher().name);
      socket.destroy();
    });
    socket.once('error', () => resolve(null));
  });
}

test('ciphers, curves and versions are those of Mozilla’s intermediate profile', LIMIT, async () => {
  const old = /** @type {const} */ ({ maxVersion: 'TLSv1.2', minVersion: 'TLSv1.2' });
  for (const ciphers of [
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
  ]) {
    assert.equal(await agreed({ ...old, ciphers }), ciphers);
  }
  for (const ciphers of [
    'ECDHE-ECDSA-AES128-SHA',
    'ECDHE-ECDSA-AES256-SHA',
    'ECDHE-ECDSA-AES128-SHA256',
    'ECDHE-ECDSA-AES256-SHA384',
    'ECDHE-ECDSA-AES128-CCM',
    'AES128-SHA',
  ]) {
    assert.equal(await agreed({ ...old, ciphers }), null, ciphers);
  }
  for (const ciphers of ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256']) {
    assert.equal(await agreed({ minVersion: 'TLSv1.3', ciphers }), ciphers);
  }
  const best = { ...old, ciphers: 'ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256' };
  assert.equal(await agreed(best), 'ECDHE-ECDSA-CHACHA20-POLY1305', 'the client knows what it is fast at');
  for (const ecdhCurve of ['X25519', 'prime256v1', 'secp384r1']) assert.ok(await agreed({ ecdhCurve }), ecdhCurve);
  assert.equal(await agreed({ ecdhCurve: 'secp521r1' }), null);
  assert.equal(await agreed({ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }), null);
});

test('HSTS is sent for a host name, and not for loopback or an IP address', LIMIT, async () => {
  for (const [host, told] of [
    ['hub.example', 'max-age=63072000'],
    ['hub.example:8765', 'max-age=63072000'],
    ['localhost:8765', undefined],
    ['127.0.0.1:8765', undefined],
    ['[::1]:8765', undefined],
    ['192.0.2.1', undefined],
  ]) {
    for (const path of ['/hub/', '/healthz', '/mcp/none', '/login']) {
      const answer = await ask(path, { host: String(host), ...ADMIN });
      assert.equal(answer.resume().headers['strict-transport-security'], told, `${host} ${path}`);
    }
  }
});

test('an upgrade to another protocol is ignored, also over TLS', LIMIT, async () => {
  const upgrade = { connection: 'upgrade, http2-settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABkAAQAAP__' };
  assert.equal((await ask('/api/hub/state', { ...ADMIN, ...upgrade })).statusCode, 200);
  assert.equal((await ask('/api/hub/state', upgrade)).statusCode, 401);
});

test('plain HTTP gets an error that says to use HTTPS, and is not parsed further', LIMIT, async () => {
  const asking = plainRequest({
    host: '127.0.0.1',
    port: port(),
    path: '/api/hub/state',
    headers: ADMIN,
    agent: false,
  });
  asking.end();
  const [answer] = await once(asking, 'response');
  const { code, hint } = JSON.parse(await text(answer));
  assert.deepEqual([answer.statusCode, code], [400, 'HTTPS_REQUIRED']);
  assert.match(hint, /https:\/\//);
});

test('a client that disconnects, or sends no TLS, affects no other', LIMIT, async () => {
  for (const said of ['', '\x16', '\x16\x03\x01\x02\x00nonsense that is no hello at all', '\n']) {
    const socket = connect(port(), '127.0.0.1');
    await once(socket, 'connect');
    socket.on('error', () => {});
    const closed = once(socket, 'close');
    socket.end(Buffer.from(said, 'latin1'));
    socket.resume();
    await closed;
  }
  assert.equal((await ask('/healthz')).statusCode !== undefined, true);
});

test('a renewed certificate is used for new connections, without a signal', LIMIT, async () => {
  assert.equal(await shown(), 'first');
  const open = new WebSocket(`wss://127.0.0.1:${port()}/api/hub/live`, { headers: ADMIN, rejectUnauthorized: false });
  await once(open, 'open');
  replace(certificate('second'));
  await until(async () => (await shown()) === 'second');
  assert.equal(open.readyState, WebSocket.OPEN);
  open.terminate();
});

test('SIGHUP reloads the certificate immediately; if the new one is invalid, the old one stays', LIMIT, async () => {
  replace(certificate('third'));
  process.kill(/** @type {number} */ (hub.pid('front')), 'SIGHUP');
  await until(async () => (await shown()) === 'third');
  writeFileSync(files.cert, 'no certificate');
  process.kill(/** @type {number} */ (hub.pid('front')), 'SIGHUP');
  await until(() => logged('the one before stays in force'));
  assert.equal(await shown(), 'third');
  assert.ok(!hub.log('front').includes('PRIVATE KEY'));
});

test('an invalid certificate or key is reported as an invalid setting', LIMIT, () => {
  const good = certificate('good');
  const log = /** @type {any} */ ({});
  const made = (/** @type {{cert: string, key: string}} */ given) => () => new SecureServer(given, {}, () => {}, log);
  assert.throws(made({ ...good, cert: join(directory, 'none') }), {
    code: 'SETTING_INVALID',
    message: /^HUB_TLS_CERT: /,
  });
  assert.throws(made({ ...good, key: directory }), { code: 'SETTING_INVALID', message: /^HUB_TLS_KEY: / });
  assert.throws(made({ ...good, key: certificate('other').key }), { code: 'SETTING_INVALID' });
});

test('shutdown closes connections that have sent nothing', LIMIT, async () => {
  const silent = connect(port(), '127.0.0.1');
  await once(silent, 'connect');
  const closed = once(silent, 'close');
  await hub.stop('front');
  await closed;
});
