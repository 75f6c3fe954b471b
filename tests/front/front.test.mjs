/** The front as a process: start and exit, refused requests, pages and their headers. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { freePort, mock, ROOT, startHub, stdio } from './support/hub.mjs';
import { pageOf } from './support/live.mjs';
import { frontSettings, VARIABLE } from './support/settings.mjs';

const LIMIT = { timeout: 180_000 };
const MAIN = join(ROOT, 'front/server/main.mjs');

/** @type {import('./support/hub.mjs').Hub} */
let hub;
before(async () => {
  hub = await startHub({ providers: { a: mock('a') }, workspaces: { w: ['a'], '</script><b>': [] } });
}, LIMIT);
after(() => hub.close());

/** @param {string} path @param {RequestInit} [options] */
const ask = (path, options) => fetch(hub.front + path, { redirect: 'manual', ...options });

/** A front that cannot start: its exit code, and all that it said. @param {Record<string, string>} env */
async function failed(env) {
  const child = spawn(process.execPath, [MAIN], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const [[code], out, err] = await Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)]);
  return { code, out, err };
}

test('a port that is taken, or an invalid setting, is reported on one line', LIMIT, async () => {
  const port = await freePort();
  const other = createServer().listen(port, '127.0.0.1');
  await once(other, 'listening');
  const usable = frontSettings({ ...hub.env, HUB_PORT: String(port) });
  const taken = await failed({ [VARIABLE]: usable });
  other.close();
  assert.deepEqual([taken.code, taken.out], [2, '']);
  assert.match(taken.err, new RegExp(`^PORT_TAKEN: Port ${port} on 127.0.0.1 \\(HUB_PORT\\) [^\\n]+\\n$`));
  for (const value of ['', usable.slice(0, -1)]) {
    const { code, err } = await failed({ [VARIABLE]: value, HUB_PORT: String(port) });
    assert.equal(code, 2, value);
    assert.match(err, new RegExp(`^SETTING_INVALID: ${VARIABLE}: [^\\n]+\\n$`), value);
  }
});

for (const signal of /** @type {const} */ (['SIGTERM', 'SIGINT'])) {
  test(`the front exits on ${signal} with clients connected`, LIMIT, async () => {
    const root = mkdtempSync(join(tmpdir(), 'front'));
    const port = await freePort();
    const env = { ...hub.env, [VARIABLE]: frontSettings({ ...hub.env, HUB_PORT: String(port) }) };
    const child = spawn(process.execPath, [MAIN], { env, stdio: ['ignore', 'inherit', 'pipe'] });
    await once(child.stderr, 'data');
    const [stream] = await once(get(`http://127.0.0.1:${port}/mcp/w/sse`), 'response');
    stream.on('error', () => {}).resume();
    const page = await pageOf({ front: `http://127.0.0.1:${port}` });
    const [goodbye, ended] = [once(page.socket, 'close'), once(child, 'close')];
    child.kill(signal);
    assert.deepEqual(await ended, [0, null]);
    assert.equal((await goodbye)[0], 1001);
    rmSync(root, { recursive: true });
  });
}

test('health of a hub that is healthy, and of one whose workspace has no ready server', LIMIT, async () => {
  const well = await ask('/healthz');
  assert.equal(well.status, 200);
  assert.equal((await well.json()).status, 'ok');
  assert.equal((await ask('/healthz', { method: 'HEAD' })).status, 200);
  assert.equal((await ask('/healthz', { method: 'POST' })).status, 405);
  hub.write({ a: mock('a'), bad: stdio('bad', '/nowhere/at/all') }, { w: ['a'], x: ['bad'] });
  const failing = await hub.waitJson(`${hub.front}/healthz`, ({ reasons }) => reasons?.[0].message.includes('bad:'));
  assert.equal(failing.status, 'failing');
  assert.deepEqual(
    failing.reasons.map((/** @type {any} */ reason) => reason.code),
    ['WORKSPACE_NOT_READY'],
  );
  assert.match(failing.reasons[0].message, /"x"/);
  assert.equal((await ask('/healthz')).status, 503);
  for (const probe of ['liveness', 'readiness', 'startup'])
    // other replicas have the same server
    assert.deepEqual([probe, (await ask(`/healthz?probe=${probe}`)).status], [probe, 200]);
  assert.match(await (await ask('/healthz?probe=other')).text(), /QUERY_INVALID/);
  hub.write({ a: mock('a') }, { w: ['a'], '</script><b>': [] });
  await hub.waitJson(`${hub.front}/healthz`, ({ status }) => status === 'ok');
});

test('the console contains the initial state, and a policy that allows only its own scripts', LIMIT, async () => {
  const answer = await ask('/hub/');
  const html = await answer.text();
  assert.equal(answer.headers.get('content-type'), 'text/html; charset=utf-8');
  assert.equal(answer.headers.get('cache-control'), 'no-store');
  const map = /<script type="importmap">([\s\S]*?)<\/script>/.exec(html)?.[1] ?? '';
  const policy = answer.headers.get('content-security-policy') ?? '';
  assert.ok(policy.includes(`'sha256-${createHash('sha256').update(map).digest('base64')}'`));
  assert.ok(policy.includes("frame-ancestors 'none'") && !policy.includes('unsafe'));
  const state = /<script id="hub-state" type="application\/json">(.*?)<\/script>/.exec(html)?.[1] ?? '';
  const names = JSON.parse(state).workspaces.map((/** @type {any} */ each) => each.name);
  assert.deepEqual(names, ['w', '</script><b>']);
  for (const [, path] of html.matchAll(/(?:href|src)="(\/[^"]+)"/g)) assert.equal((await ask(path)).status, 200, path);
  for (const path of Object.values(JSON.parse(map).imports))
    assert.equal((await ask(String(path))).status, 200, String(path));
  assert.ok(html.includes('<link rel="modulepreload" href="/hub/assets/main.mjs" />'));
});

test('a file of the console is revalidated, and sent again only if it changed', LIMIT, async () => {
  const first = await ask('/hub/assets/main.mjs');
  const etag = first.headers.get('etag') ?? '';
  assert.equal(first.headers.get('content-type'), 'text/javascript; charset=utf-8');
  assert.equal(first.headers.get('cache-control'), 'no-cache');
  assert.equal(first.headers.get('x-content-type-options'), 'nosniff');
  assert.ok((await first.text()).length > 100);
  const again = await ask('/hub/assets/main.mjs', { headers: { 'if-none-match': etag } });
  assert.deepEqual([again.status, await again.text()], [304, '']);
  const head = await ask('/hub/assets/main.mjs', { method: 'HEAD' });
  assert.deepEqual([head.status, await head.text()], [200, '']);
  assert.ok(Number(head.headers.get('content-length')) > 100);
  assert.equal((await ask('/hub/assets/vendor/uPlot.min.css')).headers.get('content-type'), 'text/css; charset=utf-8');
  assert.equal((await ask('/hub/assets/main.mjs', { method: 'POST' })).status, 405);
});

test('only listed files are served', LIMIT, async () => {
  const paths = [
    '/hub/assets/index.html',
    '/hub/assets/',
    '/hub/assets/vendor/package.json',
    '/hub/assets/../main.mjs',
    '/hub/main.mjs',
  ];
  for (const path of [
    ...paths,
    '/hub/assets/vendor/htm.mjs/',
    '/hub/assets/MAIN.mjs',
    '/package.json',
    '/node_modules/preact',
  ]) {
    assert.equal((await ask(path)).status, 404, path);
  }
});

test('without YAMCP-UI the root redirects to the console, and unknown paths get a page or JSON', LIMIT, async () => {
  const root = await ask('/');
  assert.deepEqual([root.status, root.headers.get('location')], [302, '/hub/']);
  assert.equal((await ask('/hub')).headers.get('location'), '/hub/');
  const page = await ask('/<nothing>', { headers: { accept: 'text/html,*/*' } });
  assert.equal(page.status, 404);
  const html = await page.text();
  assert.match(html, /<!doctype html>/);
  assert.doesNotMatch(html, /<nothing>/);
  const json = await ask('/api/nothing', { headers: { accept: 'text/html' } });
  assert.equal(json.status, 404);
  const { error, code, hint } = await json.json();
  assert.ok(error && hint);
  assert.equal(code, 'NOT_FOUND');
  assert.match(json.headers.get('content-type') ?? '', /^application\/json/);
});

test('every response has the headers nosniff and Referrer-Policy', LIMIT, async () => {
  for (const path of ['/hub/', '/hub/assets/main.mjs', '/api/hub/state', '/healthz', '/', '/nothing', '/API']) {
    const { headers } = await ask(path);
    assert.equal(headers.get('x-content-type-options'), 'nosniff', path);
    assert.match(headers.get('content-security-policy') ?? '', /frame-ancestors 'none'/, path);
    assert.equal(headers.get('x-powered-by'), null);
  }
});

test('a body that is too large, not JSON or of another type is refused with a hint', LIMIT, async () => {
  /** @param {BodyInit} body @param {string} [type] @returns {Promise<[number, string]>} */
  const post = async (body, type = 'application/json') => {
    const answer = await ask('/api/hub/workspaces', { method: 'POST', body, headers: { 'content-type': type } });
    return [answer.status, (await answer.json()).code];
  };
  assert.deepEqual(await post(' '.repeat(4 * 1024 * 1024 + 1)), [413, 'BODY_TOO_LARGE']);
  assert.deepEqual(await post('{'), [400, 'BODY_NOT_JSON']);
  assert.deepEqual(await post('name=x', 'application/x-www-form-urlencoded'), [415, 'BODY_TYPE_REFUSED']);
  assert.deepEqual(await post('{"name":5}'), [400, 'BODY_INVALID']);
});

test('malformed requests are refused before they are handled', LIMIT, async () => {
  for (const headers of [{ origin: 'http://evil.example' }, { 'sec-fetch-site': 'cross-site' }]) {
    const answer = await ask('/api/hub/workspaces/stop?name=w', {
      method: 'POST',
      headers: /** @type {any} */ (headers),
    });
    assert.deepEqual([answer.status, (await answer.json()).code], [403, 'ORIGIN_REFUSED']);
  }
  assert.equal((await (await ask('/api/hub/state')).json()).workspaces[0].enabled, true);
});
