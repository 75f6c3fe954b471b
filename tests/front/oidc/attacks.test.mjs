/** Answers of a provider that are not right, and what attackers try: none lets anybody in. */

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { freePort } from '../support/hub.mjs';
import { OddProvider } from '../support/odd_provider.mjs';
import { siteFor } from '../support/oidc.mjs';
import { Visitor } from '../support/visitor.mjs';

/** @type {OddProvider} */
let provider;
/** @type {import('../support/oidc.mjs').Site} */
let site;
const now = () => Math.floor(Date.now() / 1000);

before(async () => {
  const port = await freePort();
  site = await siteFor(
    async () => {
      provider = new OddProvider(port);
      await provider.start();
      return provider;
    },
    { HUB_OIDC_NAME: 'Example <Corp>' },
  );
  await site.start();
  site.give({ subject: '*', role: 'admin' });
});
beforeEach(() => provider.reset());
after(async () => {
  await site?.close();
  await provider?.stop();
});

/** Sign in; return the code of the error on the login page, and the status. */
async function refusal() {
  const { url, answer, visitor } = await site.signIn();
  assert.ok(!url.includes('hub_page'), `it was let in: ${url}`);
  const names = Object.keys(visitor.of(site.url)).filter((name) => !name.includes('flow'));
  assert.deepEqual(names, [], 'it has a cookie');
  const [, code] = /role="alert">.*<code>([A-Z_]+)<\/code>/.exec(answer?.body) ?? [];
  return [answer?.status, code];
}

test('the provider behaves: a user is let in', async () => {
  assert.equal((await site.api(await site.signIn())).status, 200);
  assert.ok(
    provider.asked.every((query) => !query.has('resource')),
    'Entra refuses `resource` beside scopes',
  );
});

for (const [what, claims] of /** @type {[string, () => object][]} */ ([
  ['of another issuer', () => ({ iss: 'https://evil.example' })],
  ['for another client', () => ({ aud: 'other' })],
  ['for several clients, made for another', () => ({ aud: ['hub', 'other'], azp: 'other' })],
  ['with another nonce', () => ({ nonce: 'other' })],
  ['without a nonce', () => ({ nonce: undefined })],
  ['that has expired more than a minute ago', () => ({ exp: now() - 61 })],
  ['that is not valid yet, by more than a minute', () => ({ nbf: now() + 70 })],
  ['without a subject', () => ({ sub: undefined })],
  ['with an empty subject', () => ({ sub: '' })],
]))
  test(`an ID token ${what} is refused`, async () => {
    provider.claims = { ...claims() };
    assert.match(String((await refusal())[1]), /^OIDC_(ANSWER|CLAIMS)_INVALID$/);
  });

test('clocks may differ by a minute', async () => {
  for (const claims of [{ exp: now() - 50 }, { nbf: now() + 50, iat: now() + 50 }]) {
    provider.claims = claims;
    assert.equal((await site.api(await site.signIn())).status, 200);
  }
});

test('an ID token that somebody else has signed is refused, and one that nobody has', async () => {
  const key = provider.key;
  await provider.rotate({ secret: true });
  assert.deepEqual(await refusal(), [502, 'OIDC_ANSWER_INVALID']);
  provider.key = key;
  const { sign } = provider;
  const unsigned = (/** @type {object} */ part) => Buffer.from(JSON.stringify(part)).toString('base64url');
  provider.sign = async (claims) => `${unsigned({ alg: 'none' })}.${unsigned(claims)}.`;
  assert.deepEqual(await refusal(), [502, 'OIDC_ANSWER_INVALID']);
  provider.sign = sign;
});

test('a new key of the provider is read when it is first used', async () => {
  await provider.rotate();
  assert.equal((await site.api(await site.signIn())).status, 200);
});

test('an answer of another provider is refused (mix-up, RFC 9207), and one that names none', async () => {
  provider.answer = { iss: 'https://evil.example' };
  assert.deepEqual(await refusal(), [502, 'OIDC_ANSWER_INVALID']);
  provider.answer = { iss: null };
  assert.deepEqual(await refusal(), [502, 'OIDC_ANSWER_INVALID']);
});

test('an answer with another state, or in another browser, is refused (login CSRF)', async () => {
  provider.answer = { state: 'other' };
  assert.deepEqual(await refusal(), [400, 'OIDC_STATE_UNKNOWN']);
  provider.answer = {};
  const attacker = new Visitor();
  const callback = (/** @type {string} */ at) => at.includes('/login/oidc/callback');
  const { url } = await attacker.open(`${site.url}/login/oidc`, callback);
  const victim = new Visitor();
  await victim.open(`${site.url}/login/oidc`, callback);
  const answer = await victim.ask('GET', url);
  assert.equal(answer.status, 400);
  assert.match(answer.body, /OIDC_STATE_UNKNOWN/);
  assert.ok(!answer.body.includes('hub_page'));
});

test('an answer counts once', async () => {
  const visitor = new Visitor();
  const callback = (/** @type {string} */ at) => at.includes('/login/oidc/callback');
  const { url } = await visitor.open(`${site.url}/login/oidc`, callback);
  assert.equal((await visitor.ask('GET', url)).status, 303);
  const again = await visitor.ask('GET', url);
  assert.deepEqual([again.status, /OIDC_STATE_UNKNOWN/.test(again.body)], [400, true]);
});

test('several tabs of a browser can sign in at the same time', async () => {
  const visitor = new Visitor();
  const callback = (/** @type {string} */ at) => at.includes('/login/oidc/callback');
  const tabs = [];
  for (const next of ['/hub/?1', '/hub/?2', '/hub/?3'])
    tabs.push(await visitor.open(`${site.url}/login/oidc?${new URLSearchParams({ next })}`, callback));
  const ends = [];
  for (const { url } of tabs) ends.push((await visitor.ask('GET', url)).headers.location?.split('#')[0]);
  assert.deepEqual(ends, ['/hub/?1', '/hub/?2', '/hub/?3']);
});

test('a sign-in leads only to pages of the hub', async () => {
  for (const next of [
    'https://evil.example/',
    '//evil.example/',
    '/\\evil.example',
    '/%09/evil.example\t',
    'javascript:alert(1)',
    '/login/oidc?next=/hub/',
    '/logout',
  ]) {
    const { url } = await site.signIn(next);
    assert.match(url.slice(site.url.length), /^\/(%09\/evil\.example)?#hub_page=[\w-]+$/, next);
    assert.equal(new URL(url).origin, site.url);
  }
});

test('each login has another cookie: none that was there before is used (session fixation)', async () => {
  const visitor = new Visitor();
  const first = await site.signIn('/', visitor);
  const name = `yamcp_hub_${new URL(site.url).port}`;
  const cookie = visitor.of(site.url)[name];
  const second = await site.signIn('/', visitor);
  assert.notEqual(visitor.of(site.url)[name], cookie);
  assert.notEqual(first.secret, second.secret);
});

test('a cookie that somebody has made up, or changed, is worth nothing', async () => {
  const browser = await site.signIn();
  const name = `${site.url} yamcp_hub_${new URL(site.url).port}`;
  const kept = /** @type {import('../support/visitor.mjs').Kept} */ (browser.visitor.cookies.get(name));
  const [id, until, nonce, signature] = kept.value.split('.');
  const [other] = site.adapter.logins;
  for (const value of [
    [id, until, other.id, signature],
    [id, String(Number(until) + 1), nonce, signature],
    ['admin', until, nonce, signature],
    [`u${'0'.repeat(15)}`, until, nonce, signature],
  ]) {
    browser.visitor.cookies.set(name, { ...kept, value: value.join('.') });
    assert.equal((await site.api(browser)).status, 401);
  }
});

test('what the provider refuses is said, with no more than its code', async () => {
  provider.answer = { code: null, error: 'access_denied', error_description: '<script>' };
  assert.deepEqual(await refusal(), [403, 'OIDC_REFUSED']);
  provider.answer = { code: null, error: '<img>' };
  assert.deepEqual(await refusal(), [403, 'OIDC_REFUSED']);
  const page = (await site.signIn()).answer?.body;
  assert.ok(!page.includes('<img>') && page.includes('select=1'));
  assert.ok(page.includes('Example &#60;Corp&#62;'));
  provider.answer = { code: null, error: 'temporarily_unavailable' };
  assert.deepEqual(await refusal(), [503, 'OIDC_PROVIDER_AWAY']);
  provider.answer = {};
  provider.refusal = { status: 401, body: { error: 'invalid_client' } };
  assert.deepEqual(await refusal(), [502, 'OIDC_CLIENT_REFUSED']);
  provider.refusal = { status: 500, body: {} };
  assert.deepEqual(await refusal(), [503, 'OIDC_PROVIDER_AWAY']);
  provider.refusal = { status: 400, body: { error: 'invalid_grant' } };
  assert.deepEqual(await refusal(), [400, 'OIDC_STATE_UNKNOWN']);
});

test('claims of a form that is not known let nobody in', async () => {
  for (const claims of [
    { groups: [{ name: 'dev' }] },
    { groups: 7 },
    { roles: ['x'.repeat(257)] },
    { groups: Array.from({ length: 1001 }, (_, at) => `group ${at}`) },
    { _claim_names: { groups: 'src1' }, _claim_sources: { src1: { endpoint: 'https://graph.example' } } },
  ]) {
    provider.claims = claims;
    assert.deepEqual(await refusal(), [502, 'OIDC_CLAIMS_INVALID'], JSON.stringify(claims).slice(0, 80));
  }
});

test('groups come from the userinfo endpoint if the ID token has none; a userinfo of somebody else is refused', async () => {
  provider.userinfo = { groups: ['from userinfo'], email: 'other@example.com', email_verified: true };
  await site.signIn();
  const { groups, email } = site.adapter.users.at(-1);
  assert.deepEqual([groups, email], [['from userinfo'], 'ada@example.com']);
  provider.claims = { email: 'ada@example.com', email_verified: undefined };
  await site.signIn();
  assert.equal(site.adapter.users.at(-1).email, '', 'the verification of one address is not that of another');
  provider.userinfo = { sub: 'somebody else' };
  assert.deepEqual(await refusal(), [502, 'OIDC_ANSWER_INVALID']);
  provider.userinfo = null;
  assert.deepEqual(await refusal(), [502, 'OIDC_ANSWER_INVALID']);
});

test('without the adapter nobody is logged in', async () => {
  site.adapter.away = true;
  const [status] = await refusal();
  assert.equal(status, 503);
  site.adapter.away = false;
});

test('a log-out token is checked: signature, issuer, audience, event, age, no nonce, used once', async () => {
  const browser = await site.signIn();
  const post = async (/** @type {string} */ token, headers = {}) => {
    const form = { 'content-type': 'application/x-www-form-urlencoded', accept: '*/*', ...headers };
    const raw = String(new URLSearchParams({ logout_token: token }));
    const { status, body } = await new Visitor().ask('POST', `${site.url}/logout/backchannel`, { headers: form, raw });
    return [status, body.error];
  };
  const refused = [400, 'invalid_request'];
  for (const changes of [
    { iss: 'https://evil.example' },
    { aud: 'other' },
    { events: {} },
    { events: undefined },
    { events: { 'http://schemas.openid.net/event/backchannel-logout': true } },
    { nonce: 'n' },
    { sub: undefined },
    { sub: 7 },
    { jti: undefined },
    { iat: undefined },
    { iat: now() - 200 },
    { exp: now() - 61 },
  ])
    assert.deepEqual(await post(await provider.logoutToken(changes)), refused, JSON.stringify(changes));
  assert.deepEqual(await post('no token'), refused);
  assert.deepEqual(await post(await provider.logoutToken(), { 'content-type': 'application/json' }), refused);
  const key = provider.key;
  await provider.rotate({ secret: true });
  assert.deepEqual(await post(await provider.logoutToken()), refused);
  provider.key = key;
  const idToken = await provider.sign({ iss: provider.issuer, aud: 'hub', sub: 'ada', iat: now(), exp: now() + 60 });
  assert.deepEqual(await post(idToken), refused, 'an ID token is none');
  assert.equal((await site.api(browser)).status, 200);
  const token = await provider.logoutToken();
  site.adapter.away = true;
  assert.equal((await post(token))[0], 503);
  site.adapter.away = false;
  assert.deepEqual(await post(token), [200, undefined], 'it was not used, as the logins could not be ended');
  assert.equal((await site.api(browser)).status, 401);
  const again = await site.signIn();
  assert.deepEqual(await post(token), refused, 'a replay');
  assert.equal((await site.api(again)).status, 200);
});
