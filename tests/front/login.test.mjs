/** Logging in and out of a hub that wants a token: by link, by form, with a cookie; and what a cookie does not do. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { pageOf } from './support/live.mjs';
import { HTML, openProtected, TOKEN, WRONG } from './support/protected.mjs';

const LIMIT = { timeout: 60_000 };
/** @type {import('./support/protected.mjs').Protected} */
let site;
/** @type {import('./support/run.mjs').Run} */
let hub;
before(async () => {
  site = await openProtected();
  hub = site.hub;
}, LIMIT);
after(() => site?.close(), LIMIT);

test('a link with the token logs in, and leads to the same address without it', LIMIT, async () => {
  const answer = await site.ask('GET', `/hub/?a=b&token=${TOKEN}&c`, { headers: HTML });
  assert.deepEqual([answer.status, answer.headers.location], [302, '/hub/?a=b&c']);
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

test('a cookie opens pages and the API, but no endpoint', LIMIT, async () => {
  const cookie = await site.cookie();
  assert.equal((await site.ask('GET', '/api/hub/state', { headers: { cookie } })).status, 200);
  assert.equal((await site.ask('GET', '/hub/', { headers: { cookie, ...HTML } })).status, 200);
  assert.equal((await site.initialize('alpha', { cookie })).status, 401);
  const own = { cookie, origin: hub.url };
  assert.equal((await site.ask('POST', '/api/hub/reload', { headers: own })).status, 200);
  assert.equal(await site.upgrade(own), 101);
});

test('a cookie does nothing for pages of others, nor under a name of theirs', LIMIT, async () => {
  const cookie = await site.cookie();
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
      const { status, body } = await site.ask(method, path, { headers: { cookie, ...headers } });
      assert.equal(status, 403, `${method} ${path} ${JSON.stringify(headers)}`);
      assert.match(body.code, /^(HOST|ORIGIN)_REFUSED$/);
    }
    assert.equal(await site.upgrade({ cookie, ...headers }), 403, JSON.stringify(headers));
  }
  assert.equal(
    (await site.ask('POST', '/api/hub/reload', { headers: { cookie } })).status,
    403,
    'one that says nothing',
  );
  assert.equal(await site.upgrade({ cookie }), 403);
  const form = { cookie, origin: hub.url, 'content-type': 'application/x-www-form-urlencoded' };
  assert.equal((await site.ask('POST', '/api/hub/reload', { raw: 'a=b', headers: form })).status, 415);
  const named = { cookie, host: 'box.lan', origin: 'http://box.lan:1' };
  assert.equal((await site.ask('POST', '/api/hub/reload', { headers: named })).status, 200, 'a host that was named');
  const port = { cookie, host: 'box.lan:1', origin: 'http://box.lan:1' };
  assert.equal(
    (await site.ask('POST', '/api/hub/reload', { headers: port })).status,
    401,
    'the cookie of another port',
  );
  assert.deepEqual(hub.read('workspaces'), { alpha: ['a'], beta: ['b'] });
});

test('a form logs in, refuses in words, and leads only where the hub is', LIMIT, async () => {
  const type = { 'content-type': 'application/x-www-form-urlencoded' };
  /** @param {Record<string, string>} fields @param {Record<string, string>} [headers] */
  const post = (fields, headers = {}) =>
    site.ask('POST', '/login', {
      raw: String(new URLSearchParams(fields)),
      headers: { ...HTML, ...type, origin: hub.url, ...site.stranger(), ...headers },
    });
  const right = await post({ token: ` ${TOKEN}\n`, next: '/hub/#/servers' });
  assert.deepEqual([right.status, right.headers.location], [303, '/hub/#/servers']);
  assert.match(String(right.headers['set-cookie']), /HttpOnly; SameSite=Lax$/);
  assert.equal((await post({ token: TOKEN, next: '//evil.example/' })).headers.location, '/');
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
  assert.equal((await post({ token: 'x'.repeat(10_000) })).status, 413);
  const secure = await post({ token: TOKEN }, { 'x-forwarded-proto': 'https' });
  assert.match(String(secure.headers['set-cookie']), /; Secure$/);
});

test('who is logged in needs no login page; who logs out is out, with every page that is open', LIMIT, async () => {
  const cookie = await site.cookie();
  const own = { cookie, origin: hub.url };
  const page = await site.ask('GET', '/login?next=/hub/', { headers: { cookie, ...HTML } });
  assert.deepEqual([page.status, page.headers.location], [303, '/hub/']);
  const open = await pageOf({ front: hub.url }, { headers: own });
  const closed = once(open.socket, 'close');
  assert.equal((await site.ask('GET', '/logout', { headers: own })).status, 405);
  const out = await site.ask('POST', '/logout', { headers: own });
  assert.deepEqual([out.status, out.headers.location], [303, '/login']);
  assert.match(String(out.headers['set-cookie']), /^yamcp_hub_\d+=; Path=\/; Max-Age=0; /);
  assert.equal((await closed)[0], 1008);
  assert.equal((await site.ask('GET', '/api/hub/state', { headers: { cookie } })).status, 401);
  assert.equal((await site.ask('GET', '/login', { headers: { cookie, ...HTML } })).status, 200);
});

test('no token is in any log of the hub', LIMIT, () => {
  const logs = hub.logs();
  assert.match(logs, /"message":"logged in","key":"admin"/);
  for (const secret of [TOKEN, WRONG]) assert.ok(!logs.includes(secret), secret);
  assert.doesNotMatch(logs, /yh_k[0-9a-f]{7}_/);
});
