/** A protected hub: every route without a token, and with a wrong, insufficient or revoked one. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Front } from '../../../front/server/app.mjs';
import { mayOpen } from '../../../front/server/access/areas.mjs';
import { isPublicPath, PUBLIC_PATHS } from '../../../front/server/access/auth.mjs';
import { Log } from '../../../front/server/log.mjs';
import { Pages } from '../../../front/server/pages/pages.mjs';
import { HUB_ROUTES, OTHER_ROUTES, YAMCP_ROUTES } from '../../../front/server/api/routes.mjs';
import { load } from '../support/settings.mjs';
import { mock } from '../support/hub.mjs';
import { pageOf } from '../support/live.mjs';
import { ADMIN, HTML, openProtected, TOKEN, WRONG } from '../support/protected.mjs';
import { STANDIN } from '../support/yamcp_ui.mjs';

const LIMIT = { timeout: 180_000 };
/** @type {import('../support/protected.mjs').Protected} */
let site;
/** @type {import('../support/run.mjs').Run} */
let hub;
before(async () => {
  site = await openProtected();
  hub = site.hub;
}, LIMIT);
after(() => site?.close(), LIMIT);

// --- without a token -----------------------------------------------------------------------------------------------

/** Every path that the front knows, and some that it does not. @returns {[string, string][]} */
function everything() {
  const routes = [...HUB_ROUTES, ...YAMCP_ROUTES, ...OTHER_ROUTES].map(
    ({ method, path }) => /** @type {[string, string]} */ ([method, path.replace(/:\w+/g, 'x')]),
  );
  const pages = [...new Pages().assets.keys()].map((path) => `/hub/${path}`);
  const others = ['/', '/hub', '/hub/', '/hub/nothing', '/nothing', '/workspaces', '/assets/app.mjs', '/index.html'];
  const near = ['/healthz/', '/healthz/x', '/login/', '/login/x', '/logout/', '/metrics/', '/readyz', '/favicon.ico'];
  const mcp = ['/mcp', '/mcp/', '/mcp/alpha', '/mcp/alpha/sse', '/mcp/alpha/messages?session_id=x', '/mcp/none'];
  const all = [...pages, ...others, ...near, ...mcp, '/.well-known/oauth-protected-resource', '/api', '/api/nothing'];
  const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
  return [
    ...routes,
    ...all.flatMap((path) => methods.map((method) => /** @type {[string, string]} */ ([method, path]))),
  ];
}

test('public are only /healthz, the pages of logins, and what OAuth wants to be', LIMIT, () => {
  const others = Object.keys(PUBLIC_PATHS).filter((path) => !/^\/(\.well-known|oauth)\//.test(path));
  assert.deepEqual(Object.fromEntries(others.map((path) => [path, PUBLIC_PATHS[path]])), {
    '/healthz': ['GET', 'HEAD'],
    '/login': ['GET', 'HEAD', 'POST'],
    '/login/oidc': ['GET'],
    '/login/oidc/callback': ['GET'],
    '/logout/backchannel': ['POST'],
    '/connect/client-metadata.json': ['GET', 'HEAD'],
    '/mcp/replicas/placed': ['POST'],
    '/mcp/_replica/logs': ['POST'],
  });
});

test('every route, page, file and endpoint requires a token, for every method', LIMIT, async () => {
  const all = everything();
  assert.ok(all.length > 400);
  for (const [method, path] of all) {
    if (isPublicPath(method, path)) continue;
    if (method === 'WS') {
      assert.equal(await site.upgrade({ origin: hub.url }, path), 401, path);
      continue;
    }
    const { status, headers, body } = await site.ask(method, path);
    assert.equal(status, 401, `${method} ${path}`);
    assert.match(String(headers['www-authenticate']), /^Bearer /, `${method} ${path}`);
    assert.ok(method === 'HEAD' || JSON.stringify(body).includes('TOKEN_REQUIRED'), `${method} ${path}`);
  }
});

test('a cookie is accepted from the hub’s own pages only, for every request', LIMIT, async () => {
  const login = await site.login();
  for (const sent of [
    { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' },
    { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' },
    { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' },
  ]) {
    const headers = { ...login, ...sent };
    for (const [method, path] of everything()) {
      if (/^\/mcp(\/|$)/.test(path) || (isPublicPath(method, path) && path !== '/healthz')) continue; // no cookie counts there
      if (method === 'WS') {
        assert.equal(await site.upgrade({ ...headers, origin: 'http://localhost:1' }, path), 403, path);
        continue;
      }
      const { status, body } = await site.ask(method, path, { headers });
      if (path === '/healthz') assert.ok(method === 'HEAD' || !('version' in body), 'as anybody');
      else assert.equal(status, 403, `${method} ${path} ${JSON.stringify(sent)}`);
    }
  }
  const link = { ...login, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
  for (const [path, status] of /** @type {[string, number][]} */ ([
    ['/hub/', 200],
    ['/workspaces', 200],
    ['/status', 403],
    ['/metrics', 403],
    ['/api/hub/state', 403],
  ])) {
    assert.equal((await site.ask('GET', path, { headers: { ...link, ...HTML } })).status, status, path);
  }
});

test('the tested routes include all routes that are registered in Express', LIMIT, async () => {
  const root = mkdtempSync(join(tmpdir(), 'front'));
  const front = new Front(load({ HUB_DATA_DIR: root, HUB_TOKEN: TOKEN, HUB_YAMCP_UI_DIR: STANDIN }), new Log('error'));
  try {
    const known = new Set(everything().map(([, path]) => path));
    const layers = /** @type {any} */ (front.site).router.stack;
    const routed = layers.flatMap((/** @type {any} */ layer) => (layer.route ? [layer.route.path] : []));
    assert.ok(routed.length > 0);
    for (const path of routed) assert.ok(known.has(path), path);
  } finally {
    await front.stop();
    rmSync(root, { recursive: true });
  }
});

test('a browser without a login gets the login page, and is redirected back afterwards', LIMIT, async () => {
  for (const [path, next] of [
    ['/hub/', '%2Fhub%2F'],
    ['/workspaces?a=b', '%2Fworkspaces%3Fa%3Db'],
    ['/hub/assets/main.mjs', '%2Fhub%2Fassets%2Fmain.mjs'],
  ]) {
    const answer = await site.ask('GET', path, { headers: HTML });
    assert.deepEqual([answer.status, answer.headers.location], [302, `/login?next=${next}`]);
  }
  assert.equal((await site.ask('GET', '/', { headers: HTML })).headers.location, '/login');
  const api = await site.ask('GET', '/api/hub/state', { headers: HTML });
  assert.deepEqual([api.status, api.body.code], [401, 'TOKEN_REQUIRED']);
  assert.equal((await site.ask('POST', '/hub/', { headers: HTML })).status, 401);
});

test('health details are only for requests with a token', LIMIT, async () => {
  const free = await site.ask('GET', '/healthz');
  assert.deepEqual([free.status, free.body], [200, { status: 'ok' }]);
  const told = await site.ask('GET', '/healthz', { headers: ADMIN });
  assert.deepEqual(Object.keys(told.body), ['status', 'version', 'sessions']);
  hub.writeWorkspaces({ alpha: ['a'], beta: ['b'], 'a secret name': ['bad'] });
  hub.writeProviders({
    a: mock('a'),
    b: mock('b'),
    bad: { ...mock('bad'), providerParameters: { command: '/nowhere' } },
  });
  await hub.until(({ workspaces }) => workspaces.some(({ state: how }) => how === 'failed'));
  const failing = await site.ask('GET', '/healthz');
  assert.deepEqual([failing.status, failing.body], [503, { status: 'failing' }]);
  const { headers } = await site.key('curious');
  assert.deepEqual((await site.ask('GET', '/healthz', { headers })).body, { status: 'failing' });
  assert.match(JSON.stringify((await site.ask('GET', '/healthz', { headers: ADMIN })).body), /a secret name/);
  hub.writeWorkspaces({ alpha: ['a'], beta: ['b'] });
  hub.writeProviders({ a: mock('a'), b: mock('b') });
  await hub.until(({ workspaces, hub: { settled } }) => settled && workspaces.length === 2);
});

// --- with the token ------------------------------------------------------------------------------------------------

test('a bearer token gives access to everything, under any host name', LIMIT, async () => {
  const foreign = { ...ADMIN, host: 'tunnel.example', origin: 'https://tunnel.example' };
  for (const headers of [ADMIN, { authorization: `bearer   ${TOKEN}` }, foreign]) {
    assert.equal((await site.ask('GET', '/api/hub/state', { headers })).status, 200);
    assert.equal((await site.initialize('alpha', headers)).status, 200);
    assert.equal((await site.ask('POST', '/api/hub/reload', { headers })).status, 200);
    assert.equal(await site.upgrade(headers), 101);
  }
  assert.equal((await site.ask('GET', '/hub/', { headers: { ...ADMIN, ...HTML } })).status, 200);
  assert.equal(
    (await site.ask('GET', '/api/hub/state', { headers: { host: 'tunnel.example' } })).body.code,
    'HOST_REFUSED',
  );
});

test('the state says that the hub is protected, and contains no URLs that bypass the front', LIMIT, async () => {
  const { hub: about, workspaces } = await hub.state();
  assert.deepEqual([about.protected, about.sidecar_url], [true, '']);
  for (const { direct_sse_url, direct_http_url } of workspaces) assert.equal(direct_sse_url + direct_http_url, '');
});

test('status and metrics of the sidecar are available to admins only', LIMIT, async () => {
  const status = await site.ask('GET', '/status', { headers: ADMIN });
  assert.deepEqual([status.status, status.body.source], [200, 'adapter']);
  assert.match((await site.ask('GET', '/metrics', { headers: ADMIN })).body, /^# HELP /m);
  assert.equal((await site.ask('POST', '/metrics', { headers: ADMIN })).status, 405);
  assert.equal((await site.ask('HEAD', '/status', { headers: ADMIN })).status, 200);
  assert.equal((await site.ask('GET', '/status', { headers: await site.login() })).status, 200);
  await assert.rejects(fetch(`${hub.sidecarUrl}/status`), 'the sidecar has no port');
});

test('pages and edits of YAMCP-UI use its Unix socket', LIMIT, async () => {
  const login = await site.login();
  const page = await site.ask('GET', '/workspaces', { headers: { ...login, ...HTML } });
  assert.equal(page.status, 200);
  assert.match(page.body, /\/hub\/overlay\/overlay\.mjs/);
  const body = { name: 'made', servers: ['a'] };
  const made = await site.ask('POST', '/api/workspaces', { body, headers: { ...login, origin: hub.url } });
  assert.deepEqual([made.status, made.body.success], [200, true]);
  assert.deepEqual(hub.read('workspaces').made, ['a']);
  assert.equal((await site.ask('DELETE', '/api/workspaces/made', { headers: ADMIN })).status, 200);
});

// --- with a wrong one ----------------------------------------------------------------------------------------------

test('after ten wrong tokens their address must wait, and another address need not', LIMIT, async () => {
  const from = site.stranger();
  const wrong = { ...from, authorization: `Bearer ${WRONG}` };
  for (let count = 0; count < 10; count += 1) {
    const path = ['/api/hub/state', '/mcp/alpha', '/hub/', '/healthz'][count % 4];
    const answer = await site.ask('GET', path, { headers: wrong });
    assert.equal(answer.status, 401, path);
    const challenge = String(answer.headers['www-authenticate']);
    assert.ok(challenge.startsWith('Bearer realm="yamcp-hub", error="invalid_token"'), challenge);
    assert.equal(challenge.includes('resource_metadata='), path.startsWith('/mcp'), challenge);
    assert.match(JSON.stringify(answer.body), /TOKEN_INVALID/);
  }
  const { status, headers, body } = await site.ask('GET', '/api/hub/state', { headers: wrong });
  assert.deepEqual(
    [status, body.code, body.data.retry_after],
    [429, 'TOO_MANY_ATTEMPTS', Number(headers['retry-after'])],
  );
  assert.ok(Number(headers['retry-after']) > 30);
  assert.equal((await site.ask('GET', '/mcp/alpha', { headers: wrong })).status, 429);
  assert.equal(await site.upgrade(wrong), 429);
  const login = { method: 'POST', headers: { ...from, ...HTML, 'content-type': 'application/x-www-form-urlencoded' } };
  assert.equal((await site.ask('POST', '/login', { raw: `token=${WRONG}`, headers: login.headers })).status, 429);
  assert.equal(
    (await site.ask('GET', '/api/hub/state', { headers: { ...from, ...ADMIN } })).status,
    429,
    'a short one, right',
  );
  const long = await site.key('agent');
  assert.equal((await site.initialize('alpha', { ...from, ...long.headers })).status, 200, 'one that nobody guesses');
  assert.equal((await site.ask('GET', '/api/hub/state', { headers: { ...site.stranger(), ...ADMIN } })).status, 200);
  const logs = hub.logs();
  assert.match(logs, new RegExp(`"code":"TOO_MANY_ATTEMPTS","address":"${from['x-forwarded-for']}"`));
});

test('a malformed token counts as no token', LIMIT, async () => {
  for (const authorization of ['Basic dTpw', TOKEN, 'Bearer', `Token ${TOKEN}`]) {
    const { status, body } = await site.ask('GET', '/api/hub/state', { headers: { authorization } });
    assert.deepEqual([status, body.code], [401, 'TOKEN_REQUIRED'], authorization);
  }
  for (const path of [`/api/hub/state?token=${TOKEN}`, `/mcp/alpha?token=${TOKEN}`, `/healthz/?token=${TOKEN}`])
    assert.equal((await site.ask('GET', path)).status, 401, path);
  const posted = await site.ask('POST', `/hub/?token=${TOKEN}`, { headers: HTML });
  assert.equal(posted.status, 401);
});

// --- keys ----------------------------------------------------------------------------------------------------------

test('a key gives access to endpoints only: no page, file or API request, and no login', LIMIT, async () => {
  const { token, headers } = await site.key('laptop');
  assert.equal((await site.initialize('alpha', headers)).status, 200);
  assert.equal((await site.initialize('beta', headers)).status, 200);
  for (const [method, path] of everything()) {
    if (isPublicPath(method, path) || path.startsWith('/mcp')) continue;
    if (mayOpen(/** @type {any} */ ({ admin: false }), path)) continue; // its own account
    const status =
      method === 'WS' ? await site.upgrade(headers, path) : (await site.ask(method, path, { headers })).status;
    assert.equal(status, 403, `${method} ${path}`);
  }
  assert.equal((await site.ask('GET', '/status', { headers })).body.code, 'KEY_FORBIDDEN');
  const link = await site.ask('GET', `/hub/?token=${token}`, { headers: { ...HTML, ...site.stranger() } });
  assert.equal(link.headers.location, '/login?next=%2Fhub%2F&refused=KEY_FORBIDDEN');
  assert.equal(link.headers['set-cookie'], undefined);
});

test('an owner may use the console and its part of the API, and nothing of YAMCP-UI', LIMIT, async () => {
  const { headers } = await site.key('lead');
  const roles = [{ subject: 'key:lead', role: 'owner', servers: ['a'], workspaces: ['alpha', 'none*'] }];
  const put = await site.ask('PUT', '/api/access', {
    headers: ADMIN,
    body: { text: JSON.stringify({ roles }), hash: '' },
  });
  assert.equal(put.status, 200, JSON.stringify(put.body));
  const state = () => site.ask('GET', '/api/hub/state', { headers });
  while ((await state()).status !== 200) await pause(50); // roles are looked for every half second, and no event tells of it
  const { workspaces, servers } = (await state()).body;
  assert.deepEqual(
    [workspaces, servers].map((each) => each.map((/** @type {any} */ { name, key }) => name ?? key)),
    [['alpha'], ['a']],
  );
  const asked = async (/** @type {string} */ method, /** @type {string} */ path, /** @type {any} */ body = undefined) =>
    (await site.ask(method, path, { headers, body })).status;
  assert.deepEqual(
    await Promise.all([
      asked('POST', '/api/hub/workspaces/stop?name=alpha'),
      asked('POST', '/api/hub/workspaces/stop?name=beta'),
      asked('GET', '/api/hub/servers?key=b'),
      asked('GET', '/api/hub/keys'),
      asked('GET', '/api/access'),
      asked('GET', '/api/servers'),
      asked('GET', '/workspaces'),
      asked('GET', '/hub/'),
      asked('GET', '/'),
      asked('POST', '/', {}),
      asked('GET', '/hub/nothing'),
      asked('GET', '/hub/../api/servers'),
    ]),
    [200, 403, 403, 403, 403, 403, 403, 200, 302, 302, 404, 404],
  );
  assert.equal(await site.upgrade(headers), 101);
  assert.equal((await site.ask('POST', '/api/hub/workspaces/start?name=alpha', { headers })).status, 200);
  // An error, or what a change answers, shows no more than the State does.
  const unknown = await Promise.all([
    site.ask('GET', '/api/hub/tools?workspace=none', { headers }),
    site.ask('GET', '/api/hub/sessions?workspace=none', { headers }),
    site.ask('POST', '/api/hub/call', { headers, body: { workspace: 'none', tool: 'x' } }),
  ]);
  for (const { body } of unknown)
    assert.deepEqual([body.code, body.data.workspaces], ['WORKSPACE_UNKNOWN', ['alpha']], JSON.stringify(body));
  const page = await pageOf({ front: hub.url }, { headers });
  page.send({ type: 'execute', id: 7, workspace: 'none', tool: 'x' });
  const { error } = await page.next('result', ({ id }) => id === 7);
  assert.deepEqual([error.code, error.data.workspaces], ['WORKSPACE_UNKNOWN', ['alpha']]);
  page.socket.terminate();
  for (const [name, servers] of Object.entries({ alpha: ['a', 'b'], beta: ['b', 'a'] }))
    await site.ask('PUT', '/api/hub/workspaces', { query: { name }, headers: ADMIN, body: { name, servers } });
  const change = async (/** @type {string} */ path, method = 'POST', /** @type {any} */ body = undefined) =>
    (await site.ask(method, `/api/hub/servers${path}`, { headers, body })).body;
  const changes = [change('/stop?key=a'), change('/start?key=a'), change('/restart?key=a')];
  for (const { server } of await Promise.all([...changes, change('?key=a', 'PATCH', { settings: { era: 'auto' } })]))
    assert.deepEqual([server.key, server.workspaces], ['a', ['alpha']]);
  const { snapshot, server } = await change('/stop?key=b&workspace=alpha');
  assert.deepEqual([typeof snapshot, server], ['object', null]);
  for (const [name, servers] of Object.entries({ alpha: ['a'], beta: ['b'] }))
    await site.ask('PUT', '/api/hub/workspaces', { query: { name }, headers: ADMIN, body: { name, servers } });
  assert.equal((await site.ask('DELETE', '/api/access', { headers: ADMIN })).status, 200);
  while ((await state()).status !== 403) await pause(50); // as above
});

test('an endpoint that a key may not use looks like one that does not exist', LIMIT, async () => {
  const { headers } = await site.key('only alpha', '--workspace', 'alpha');
  assert.equal((await site.initialize('alpha', headers)).status, 200);
  const [refused, none] = [await site.initialize('beta', headers), await site.initialize('nope', headers)];
  assert.equal(refused.status, 404);
  assert.equal(JSON.stringify(refused).replaceAll('beta', '*'), JSON.stringify(none).replaceAll('nope', '*'));
});

test('an admin key gives access to everything, logs in, and becomes invalid when it is revoked', LIMIT, async () => {
  const boss = await site.key('boss', '--admin');
  const login = await site.login(boss.token);
  const [byBearer, byCookie] = await Promise.all([
    pageOf({ front: hub.url }, { headers: boss.headers }),
    pageOf({ front: hub.url }, { headers: { ...login, origin: hub.url } }),
  ]);
  const bystander = await pageOf({ front: hub.url }, { headers: ADMIN });
  const ended = Promise.all([byBearer, byCookie].map(({ socket }) => once(socket, 'close')));
  await hub.hubctl('keys', 'revoke', 'boss');
  for (const [code] of await ended) assert.equal(code, 1008);
  assert.equal((await site.ask('GET', '/api/hub/state', { headers: login })).body.code, 'TOKEN_REQUIRED');
  assert.equal(
    (await site.ask('GET', '/api/hub/state', { headers: { ...boss.headers, ...site.stranger() } })).status,
    401,
  );
  bystander.send({ type: 'status' });
  await bystander.next('state');
  await bystander.close();
});

test('revoking a key ends its streams, and no others', LIMIT, async () => {
  const [short, long] = [await site.key('short'), await site.key('long')];
  const open = (/** @type {Record<string, string>} */ headers) => fetch(`${hub.url}/mcp/alpha/sse`, { headers });
  const [ending, staying] = await Promise.all([open(short.headers), open(long.headers)]);
  assert.deepEqual([ending.status, staying.status], [200, 200]);
  await hub.hubctl('keys', 'revoke', 'short');
  await text(/** @type {any} */ (ending.body)).catch(() => ''); // it may be cut
  const reader = /** @type {ReadableStream} */ (staying.body).getReader();
  assert.equal((await reader.read()).done, false);
  await reader.cancel();
});

test('an admin creates, lists and revokes keys with the API; it shows the last use, but no tokens', LIMIT, async () => {
  const keys = async () => (await site.ask('GET', '/api/hub/keys', { headers: ADMIN })).body.keys;
  const named = async (/** @type {string} */ name) =>
    (await keys()).find((/** @type {any} */ key) => key.name === name);
  const page = await pageOf({ front: hub.url }, { headers: ADMIN });
  const began = Date.now() / 1000 - 1;
  const body = { name: 'by api', workspaces: ['alpha'] };
  const made = await site.ask('POST', '/api/hub/keys', { headers: ADMIN, body });
  assert.deepEqual([made.status, Object.keys(made.body)], [200, ['id', 'token']]);
  assert.equal(made.headers['cache-control'], 'no-store');
  const headers = { authorization: `Bearer ${made.body.token}` };
  const { created, ...rest } = await named('by api');
  assert.deepEqual(rest, { id: made.body.id, ...body, admin: false, last_used: null });
  assert.ok(created > began);
  assert.equal((await site.initialize('alpha', headers)).status, 200);
  assert.equal((await site.initialize('beta', headers)).status, 404);
  assert.ok((await named('by api')).last_used > began);

  const boss = await site.ask('POST', '/api/hub/keys', { headers: ADMIN, body: { name: 'chief', admin: true } });
  assert.equal((await named('chief')).last_used, null);
  const asBoss = { authorization: `Bearer ${boss.body.token}` };
  assert.equal((await site.ask('GET', '/api/hub/keys', { headers: asBoss })).status, 200);
  assert.ok((await named('chief')).last_used > began);
  assert.ok(JSON.parse(await hub.hubctl('keys', '--json')).every((/** @type {any} */ key) => 'last_used' in key));

  for (const key of [made.body.id, 'chief']) {
    assert.deepEqual((await site.ask('DELETE', '/api/hub/keys', { headers: ADMIN, query: { key } })).body, {});
  }
  while ((await site.initialize('alpha', { ...headers, ...site.stranger() })).status !== 401) await pause(50); // the keys are looked at twice a second
  assert.deepEqual([await named('by api'), await named('chief')], [undefined, undefined]);
  page.send({ type: 'status' });
  assert.ok(!JSON.stringify(await page.next('state')).includes('yh_k'));
  await page.close();
});

test('invalid or missing keys are refused, with the reason', LIMIT, async () => {
  const make = (/** @type {unknown} */ body) => site.ask('POST', '/api/hub/keys', { headers: ADMIN, body });
  await make({ name: 'taken' });
  for (const [body, status, code] of /** @type {const} */ ([
    [{ name: 'taken' }, 409, 'ALREADY_EXISTS'],
    [{ name: 'x', workspaces: ['gone'] }, 404, 'NO_SUCH_WORKSPACE'],
    [{ name: 'x', workspaces: [] }, 400, 'KEY_INVALID'],
    [{ name: 'x', workspaces: ['alpha'], admin: true }, 400, 'KEY_INVALID'],
    [{ name: ' ' }, 400, 'KEY_INVALID'],
    [{ name: '' }, 400, 'BRIDGE_BAD_MESSAGE'],
    [{ name: 'x'.repeat(65) }, 400, 'BRIDGE_BAD_MESSAGE'],
    [{ name: 7 }, 400, 'BODY_INVALID'],
    [{ name: 'x', forever: true }, 400, 'BODY_INVALID'],
    [{}, 400, 'BODY_INVALID'],
  ])) {
    const refused = await make(body);
    assert.deepEqual([refused.status, refused.body.code], [status, code], JSON.stringify(body));
    assert.ok(refused.body.error && refused.body.hint);
  }
  const gone = await site.ask('DELETE', '/api/hub/keys', { headers: ADMIN, query: { key: 'gone' } });
  assert.deepEqual([gone.status, gone.body.code], [404, 'NO_SUCH_KEY']);
  assert.equal((await site.ask('DELETE', '/api/hub/keys', { headers: ADMIN })).body.code, 'QUERY_INVALID');
});

test('a client cannot send requests in the front’s name', LIMIT, async () => {
  const { headers } = await site.key('pretender', '--workspace', 'alpha');
  assert.equal(
    (await site.initialize('beta', { ...headers, 'x-hub-front': TOKEN, cookie: await site.cookie() })).status,
    404,
  );
});

test('two requests on one connection are authorized separately', LIMIT, async () => {
  const { hostname, port } = new URL(hub.url);
  const send = (/** @type {Record<string, string>} */ headers) =>
    new Promise((resolve, reject) => {
      const options = {
        hostname,
        port,
        path: '/api/hub/state',
        headers: { connection: 'upgrade, http2-settings', ...headers },
      };
      const sent = request({
        ...options,
        headers: { ...options.headers, upgrade: 'h2c', 'http2-settings': 'AAMAAABkAAQAAP__' },
      });
      sent.once('response', (answer) => resolve(answer.resume().statusCode));
      sent.once('error', reject).end();
    });
  assert.equal(await send({}), 401, 'one that asks for another protocol');
  assert.equal(await send(ADMIN), 200);
});

test('no token is in any log of the hub', LIMIT, () => {
  const logs = hub.logs();
  for (const secret of [TOKEN, WRONG]) assert.ok(!logs.includes(secret), secret);
  assert.doesNotMatch(logs, /yh_k[0-9a-f]{7}_/);
});
