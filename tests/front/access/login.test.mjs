/** Log-in and log-out in a protected hub: by link, by form and with a cookie; and the limits of a cookie. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { HUB_ROUTES, YAMCP_ROUTES } from '../../../front/server/api/routes.mjs';
import { pageOf } from '../support/live.mjs';
import { HTML, openProtected, TOKEN, WRONG } from '../support/protected.mjs';

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

test('a link with the token logs in, and redirects to the same URL without it', LIMIT, async () => {
  const answer = await site.ask('GET', `/hub/?a=b&token=${TOKEN}&c`, { headers: HTML });
  assert.equal(answer.status, 302);
  assert.match(String(answer.headers.location), /^\/hub\/\?a=b&c#hub_page=[\w-]{43}$/);
  const port = new URL(hub.url).port;
  const [, value] = /^yamcp_hub_(\d+=[\w.-]+); Path=\/; Max-Age=2592000; HttpOnly; SameSite=Lax$/.exec(
    String(answer.headers['set-cookie']),
  ) ?? ['', ''];
  assert.ok(value.startsWith(`${port}=admin.`), String(answer.headers['set-cookie']));
  assert.equal(answer.headers['referrer-policy'], 'no-referrer');
  assert.ok(!JSON.stringify(answer).includes(TOKEN));
  const wrong = await site.ask('GET', `/hub/?token=${WRONG}`, { headers: { ...HTML, ...site.stranger() } });
  assert.deepEqual([wrong.status, wrong.headers.location], [302, '/login?next=%2Fhub%2F&refused=TOKEN_INVALID']);
  const program = await site.ask('GET', `/hub/?token=${WRONG}`, { headers: site.stranger() });
  assert.deepEqual([program.status, program.body.code], [401, 'TOKEN_INVALID']);
  const image = await site.ask('GET', `/hub/?token=${TOKEN}`, { headers: { ...HTML, 'sec-fetch-dest': 'image' } });
  assert.equal(image.headers['set-cookie'], undefined, 'no page can make a browser log in or try by the way');
});

test('a login gives access to pages and the API, but not to endpoints', LIMIT, async () => {
  const login = await site.login();
  assert.equal((await site.ask('GET', '/api/hub/state', { headers: login })).status, 200);
  assert.equal((await site.ask('GET', '/hub/', { headers: { ...login, ...HTML } })).status, 200);
  assert.equal((await site.initialize('alpha', login)).status, 401);
  const own = { ...login, origin: hub.url };
  assert.equal((await site.ask('POST', '/api/hub/reload', { headers: own })).status, 200);
  assert.equal(await site.upgrade(own), 101);
});

test(
  'the cookie alone, which browsers send to every port of the host, gives access to pages but not to data',
  LIMIT,
  async () => {
    const { cookie, 'x-hub-page': secret } = await site.login();
    const { cookie: other } = await site.login();
    const page = await site.ask('GET', '/hub/', { headers: { cookie, ...HTML } });
    assert.equal(page.status, 200);
    assert.match(page.body, /<script id="hub-state" type="application\/json">null<\/script>/);
    assert.ok(!page.body.includes(secret));
    assert.deepEqual(Object.keys((await site.ask('GET', '/healthz', { headers: { cookie } })).body), ['status']);
    const wrong = `${secret.slice(0, -1)}${secret.endsWith('A') ? 'B' : 'A'}`;
    /** @type {Record<string, string>[]} */
    const halves = [{}, { 'x-hub-page': '' }, { 'x-hub-page': wrong }, { cookie: other, 'x-hub-page': secret }];
    for (const half of halves) {
      const headers = { cookie, origin: hub.url, 'sec-fetch-site': 'same-origin', ...half };
      for (const [method, path] of [
        ...[...HUB_ROUTES, ...YAMCP_ROUTES].map((route) => [route.method, route.path.replace(/:\w+/g, 'x')]),
        ['GET', '/status'],
        ['GET', '/metrics'],
        ['POST', '/hub/'],
      ]) {
        if (method === 'WS') {
          assert.equal(await site.upgrade(headers, path), 401);
          continue;
        }
        const { status, body } = await site.ask(method, path, { headers });
        assert.deepEqual([status, body.code], [401, 'PAGE_SECRET_REQUIRED'], `${method} ${path}`);
      }
    }
    const again = await site.ask('GET', '/login?next=/hub/&again=1', { headers: { cookie, ...HTML } });
    assert.equal(again.status, 200, 'a page without its secret gets a new login');
  },
);

test('a login has no effect for pages of other origins, also under their names', LIMIT, async () => {
  const login = await site.login();
  /** @type {Record<string, string>[]} */
  const foreign = [
    { host: 'evil.example', origin: 'http://evil.example' },
    { origin: 'http://evil.example' },
    { origin: 'http://localhost:5173' },
    { origin: 'null' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site', origin: 'http://127.0.0.1:5173' },
  ];
  for (const headers of foreign) {
    for (const [method, path] of [
      ['GET', '/api/hub/state'],
      ['POST', '/api/hub/reload'],
      ['POST', '/api/workspaces/alpha/stop'],
      ['DELETE', '/api/workspaces/alpha'],
      ['POST', '/logout'],
    ]) {
      const { status, body } = await site.ask(method, path, { headers: { ...login, ...headers } });
      assert.equal(status, 403, `${method} ${path} ${JSON.stringify(headers)}`);
      assert.match(body.code, /^(HOST|ORIGIN)_REFUSED$/);
    }
    assert.equal(await site.upgrade({ ...login, ...headers }), 403, JSON.stringify(headers));
  }
  assert.equal((await site.ask('POST', '/api/hub/reload', { headers: login })).status, 403, 'one that says nothing');
  assert.equal(await site.upgrade(login), 403);
  const form = { ...login, origin: hub.url, 'content-type': 'application/x-www-form-urlencoded' };
  assert.equal((await site.ask('POST', '/api/hub/reload', { raw: 'a=b', headers: form })).status, 415);
  const named = { ...login, host: 'box.lan', origin: 'http://box.lan:1' };
  assert.equal((await site.ask('POST', '/api/hub/reload', { headers: named })).status, 200, 'a host that was named');
  const port = { ...login, host: 'box.lan:1', origin: 'http://box.lan:1' };
  assert.equal(
    (await site.ask('POST', '/api/hub/reload', { headers: port })).status,
    401,
    'the cookie of another port',
  );
  assert.deepEqual(hub.read('workspaces'), { alpha: ['a'], beta: ['b'] });
});

test('the form logs in, shows errors, and redirects only within the hub', LIMIT, async () => {
  const type = { 'content-type': 'application/x-www-form-urlencoded' };
  /** @param {Record<string, string>} fields @param {Record<string, string>} [headers] */
  const post = (fields, headers = {}) =>
    site.ask('POST', '/login', {
      raw: String(new URLSearchParams(fields)),
      headers: { ...HTML, ...type, origin: hub.url, ...site.stranger(), ...headers },
    });
  const right = await post({ token: ` ${TOKEN}\n`, next: '/hub/#/servers' });
  assert.equal(right.status, 303);
  assert.match(String(right.headers.location), /^\/hub\/#\/servers&hub_page=[\w-]{43}$/);
  assert.match(String(right.headers['set-cookie']), /HttpOnly; SameSite=Lax$/);
  assert.match(
    String((await post({ token: TOKEN, next: '//evil.example/' })).headers.location),
    /^\/#hub_page=[\w-]{43}$/,
  );
  const wrong = await post({ token: WRONG, next: '/hub/' });
  assert.equal(wrong.status, 401);
  assert.match(wrong.body, /role="alert".*TOKEN_INVALID/);
  assert.match(wrong.body, /name="next" value="\/hub\/"/);
  assert.ok(!wrong.body.includes(WRONG) && !wrong.headers['set-cookie']);
  assert.equal((await post({ token: '' })).status, 401);
  const { token } = await site.key('not for pages');
  assert.equal((await post({ token })).status, 403);
  assert.equal((await post({ token: TOKEN }, { origin: 'http://evil.example' })).status, 403);
  assert.equal((await post({ token: TOKEN }, { 'sec-fetch-site': 'cross-site' })).status, 403);
  assert.equal((await post({ token: TOKEN }, { 'content-type': 'text/plain' })).status, 415);
  assert.equal((await post({ token: 'x'.repeat(40_000) })).status, 413);
  const secure = await post({ token: TOKEN }, { 'x-forwarded-proto': 'https' });
  assert.match(String(secure.headers['set-cookie']), /; Secure$/);
});

test('a logged-in user gets no login page; a log-out ends the login on every open page', LIMIT, async () => {
  const login = await site.login();
  const own = { ...login, origin: hub.url };
  const page = await site.ask('GET', '/login?next=/hub/', { headers: { ...login, ...HTML } });
  assert.deepEqual([page.status, page.headers.location], [303, '/hub/']);
  const open = await pageOf({ front: hub.url }, { headers: own });
  const closed = once(open.socket, 'close');
  assert.equal((await site.ask('GET', '/logout', { headers: own })).status, 405);
  const out = await site.ask('POST', '/logout', { headers: own });
  assert.deepEqual([out.status, out.headers.location], [303, '/login']);
  assert.match(String(out.headers['set-cookie']), /^yamcp_hub_\d+=; Path=\/; Max-Age=0; /);
  assert.equal((await closed)[0], 1008);
  assert.equal((await site.ask('GET', '/api/hub/state', { headers: login })).status, 401);
  assert.equal((await site.ask('GET', '/login', { headers: { ...login, ...HTML } })).status, 200);
});

test('no token is in any log of the hub', LIMIT, () => {
  const logs = hub.logs();
  assert.match(logs, /"message":"logged in","key":"admin"/);
  for (const secret of [TOKEN, WRONG]) assert.ok(!logs.includes(secret), secret);
  assert.doesNotMatch(logs, /yh_k[0-9a-f]{7}_/);
});
