/** Signing in at a real OpenID provider, and logging out: a front in this process, with an adapter in memory. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from '../support/hub.mjs';
import { siteFor, TOKEN } from '../support/oidc.mjs';
import { CLIENT, RealProvider } from '../support/oidc_provider.mjs';
import { Visitor } from '../support/visitor.mjs';

const ADA = { sub: 'ada', name: 'Ada Lovelace', email: 'Ada@Example.com', email_verified: true, groups: ['dev'] };
const LOOK = 20; // ms
/** @type {RealProvider} */
let provider;
/** @type {import('../support/oidc.mjs').Site} */
let site;

before(async () => {
  const port = await freePort();
  site = await siteFor(async (hub) => {
    provider = new RealProvider(port, hub);
    await provider.start();
    return provider;
  });
  await site.start();
  site.give({ subject: 'group:dev', role: 'admin' }, { subject: 'email:bob@example.com', role: 'user' });
});
after(async () => {
  await site?.close();
  await provider?.stop();
});

/** @param {object} user */
function as(user) {
  provider.user = /** @type {any} */ (user);
}

/** Wait until the API answers a browser with a status. @param {any} browser @param {number} status */
async function until(browser, status) {
  while ((await site.api(browser)).status !== status) await pause(LOOK);
}

test('a user signs in, has the role of its group, and returns to the page that was wanted', async () => {
  as(ADA);
  const browser = await site.signIn('/hub/#/servers');
  assert.match(browser.url, /\/hub\/#\/servers&hub_page=[\w-]{43}$/);
  assert.equal((await site.api(browser)).status, 200);
  const kept = browser.visitor.of(site.url);
  const port = new URL(site.url).port;
  assert.match(kept[`yamcp_hub_${port}`], /^u[0-9a-f]{15}\.\d+\.[\w-]{16}\.[\w-]{43}$/);
  assert.deepEqual(
    Object.keys(kept).sort(),
    [`yamcp_hub_${port}`, `yamcp_hub_hint_${port}`],
    'no sign-in is left open',
  );
  const { attributes } = browser.visitor.cookies.get(`${site.url} yamcp_hub_${port}`) ?? { attributes: '' };
  assert.match(attributes, /HttpOnly; SameSite=Lax$/);
  const [user] = site.adapter.users;
  assert.deepEqual(
    [user.email, user.name, user.groups, user.issuer],
    ['ada@example.com', 'Ada Lovelace', ['dev'], provider.issuer],
  );
  const half = { visitor: browser.visitor, secret: '' };
  assert.equal((await site.api(half)).body.code, 'PAGE_SECRET_REQUIRED', 'the cookie is half of a login');
  const endpoint = await browser.visitor.ask('GET', `${site.url}/mcp/alpha`, { headers: { accept: '*/*' } });
  assert.equal(endpoint.status, 401, 'no endpoint accepts the cookie of a browser');
});

test('what the provider is asked: PKCE, nonce, a state, and never a resource', async () => {
  const visitor = new Visitor();
  const { url } = await visitor.open(`${site.url}/login/oidc`, (at) => at.startsWith(provider.issuer));
  const query = new URL(url).searchParams;
  assert.deepEqual([...query.keys()].sort(), [
    'client_id',
    'code_challenge',
    'code_challenge_method',
    'nonce',
    'redirect_uri',
    'response_type',
    'scope',
    'state',
  ]);
  assert.equal(query.get('code_challenge_method'), 'S256');
  assert.equal(query.get('redirect_uri'), `${site.url}/login/oidc/callback`);
  const [kept] = Object.values(visitor.of(site.url));
  for (const secret of ['nonce', 'state']) assert.ok(!kept.includes(query.get(secret) ?? ''), 'it is encrypted');
});

test('a user without a role sees only its account, and is told whom to ask for what', async () => {
  as({ sub: 'eve', name: 'Eve', email: 'eve@example.com', email_verified: false });
  const browser = await site.signIn('/hub/');
  assert.match(browser.url, /\/account#hub_page=/);
  const page = await browser.visitor.ask('GET', `${site.url}/hub/`, {
    headers: { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document', 'sec-fetch-site': 'none' },
  });
  assert.equal(page.status, 403);
  assert.match(page.body, /signed in as Eve, with no role/);
  assert.match(page.body, /administrator.*role.*access\.json/);
  const refused = await site.api(browser);
  assert.deepEqual([refused.status, refused.body.code], [403, 'ROLE_REQUIRED']);
  as({ sub: 'bob', name: 'Bob', email: 'bob@example.com', email_verified: true });
  const bob = await site.signIn('/hub/');
  assert.match((await site.api(bob)).body.error, /Bob \(bob@example\.com\), with the role user/);
  site.give({ subject: 'group:dev', role: 'admin' }, { subject: 'email:bob@example.com', role: 'admin' });
  await until(bob, 200);
  site.give({ subject: 'group:dev', role: 'admin' });
  await until(bob, 403);
  assert.match((await site.signIn('/hub/', new Visitor())).url, /\/account#/);
});

test('an address that is not verified gives nothing', async () => {
  site.give({ subject: 'email:boss@example.com', role: 'admin' });
  as({ sub: 'mallory', email: 'boss@example.com', email_verified: false });
  assert.equal((await site.api(await site.signIn())).status, 403);
  as({ sub: 'mallory', email: 'boss@example.com' });
  assert.equal((await site.api(await site.signIn())).status, 403);
  site.give({ subject: 'group:dev', role: 'admin' });
});

test('a login survives a restart of the front, and ends when the journal says so', async () => {
  as(ADA);
  const [browser, other] = [await site.signIn(), await site.signIn()];
  await site.stop();
  await site.start();
  assert.equal((await site.api(browser)).status, 200);
  const [login] = site.adapter.logins.slice(-2);
  site.adapter.end_logins({ id: login.id });
  await until(browser, 401);
  assert.equal((await site.api(other)).status, 200);
});

test('the end of a login ends the live connection of its page', async () => {
  as(ADA);
  const browser = await site.signIn();
  const cookie = Object.entries(browser.visitor.of(site.url))
    .map(([name, value]) => `${name}=${value}`)
    .join('; ');
  const { default: WebSocket } = await import('ws');
  const socket = new WebSocket(
    `${site.url.replace('http', 'ws')}/api/hub/live`,
    ['yamcp-hub', `hub-page.${browser.secret}`],
    {
      headers: { cookie, origin: site.url },
    },
  );
  const closed = new Promise((resolve) => socket.once('close', resolve));
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  site.adapter.end_logins({ id: site.adapter.logins.at(-1).id });
  assert.equal(await closed, 1008);
});

test('a log-out ends the login here and at the provider, whose page it opens', async () => {
  as(ADA);
  const browser = await site.signIn();
  const copy = new Visitor();
  copy.cookies = new Map(browser.visitor.cookies);
  const form = {
    'sec-fetch-site': 'same-origin',
    'content-type': 'application/x-www-form-urlencoded',
    origin: site.url,
  };
  const page = await browser.visitor.ask('POST', `${site.url}/logout`, { headers: form, raw: '' });
  assert.equal(page.status, 200, 'a page, since browsers do not follow redirects of forms to other sites');
  assert.match(page.body, /http-equiv="refresh"/);
  assert.deepEqual(browser.visitor.of(site.url), {}, 'no cookie is left');
  await site.stop();
  await site.start();
  assert.equal(
    (await site.api({ ...browser, visitor: copy })).status,
    401,
    'a copied cookie is worth nothing, even after a restart',
  );
  const again = await site.signIn('/', browser.visitor);
  const headers = { ...form, accept: 'application/json' };
  const { body } = await again.visitor.ask('POST', `${site.url}/logout`, { headers, raw: '' });
  const url = new URL(body.next);
  assert.equal(url.origin, provider.issuer);
  assert.equal(url.searchParams.get('post_logout_redirect_uri'), `${site.url}/login`);
  assert.ok(url.searchParams.get('id_token_hint'));
  assert.equal(await provider.endSession(browser.visitor, url.href), `${site.url}/login`);
});

test('the provider ends the logins of a session, and of no other (back-channel log-out)', async () => {
  as(ADA);
  const [one, two, other] = [await site.signIn(), await site.signIn(), await site.signIn()];
  assert.ok(site.adapter.logins.at(-1).sid, 'the provider says which session it is');
  site.adapter.logins.at(-2).sid = '';
  provider.errors = [];
  await provider.endSession(one.visitor);
  assert.deepEqual(provider.errors, []);
  await until(one, 401);
  await until(two, 401);
  assert.equal((await site.api(other)).status, 200);
});

test('the keys of the provider may change at any time', async () => {
  as(ADA);
  await provider.rotate();
  assert.equal((await site.api(await site.signIn())).status, 200);
});

test('while the provider is away the login page says so, the token lets in, and sign-ins come back by themselves', async () => {
  as(ADA);
  await provider.stop();
  await site.stop();
  await site.start();
  const visitor = new Visitor();
  const page = await visitor.ask('GET', `${site.url}/login?next=/hub/`);
  assert.equal(page.status, 200);
  assert.match(page.body, /does not answer.*OIDC_PROVIDER_AWAY/s);
  assert.match(page.body, /name="token"/);
  const refused = await visitor.ask('GET', `${site.url}/login/oidc?next=/hub/`);
  assert.deepEqual([refused.status, refused.headers['retry-after']], [503, '10']);
  assert.match(refused.body, /Sign in with 127\.0\.0\.1.*name="token"/s);
  const program = await visitor.ask('GET', `${site.url}/login/oidc`, { headers: { accept: '*/*' } });
  assert.deepEqual([program.status, program.body.code], [503, 'OIDC_PROVIDER_AWAY']);
  const link = await visitor.ask('GET', `${site.url}/hub/?token=${TOKEN}`);
  assert.equal(link.status, 302);
  await provider.start();
  const signIn = await /** @type {any} */ (site.front.login).signIn();
  signIn.provider.clock = () => performance.now() + 10_000;
  assert.equal((await site.api(await site.signIn())).status, 200);
  assert.doesNotMatch((await visitor.ask('GET', `${site.url}/login?again=1`)).body, /OIDC_PROVIDER_AWAY/);
});

test('sign-ins are recorded, refused ones with their code; no secret is in any log', async () => {
  as(ADA);
  const browser = await site.signIn();
  await browser.visitor.ask('GET', `${site.url}/login/oidc/callback?code=c0de-of-nobody&state=x`);
  const recorded = await site.signIns();
  const last = recorded.slice(-2).map(({ principal, way, outcome, address }) => [principal, way, outcome, address]);
  assert.deepEqual(last, [
    ['Ada Lovelace', 'oidc', 'ok', '127.0.0.1'],
    ['', 'oidc', 'OIDC_STATE_UNKNOWN', '127.0.0.1'],
  ]);
  const kept = Object.values(browser.visitor.of(site.url));
  for (const secret of [CLIENT.secret, browser.secret, 'c0de-of-nobody', ...kept])
    assert.ok(!site.text.includes(secret), 'a secret is in the log');
  assert.ok(!readFileSync(join(site.root, 'credentials.jsonl'), 'utf8').includes(browser.secret));
});
