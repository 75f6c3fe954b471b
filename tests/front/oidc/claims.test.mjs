/** What the hub takes from the claims of each make of provider; and what it keeps in the browser. Pure. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { claimOf, identityOf, isIncomplete } from '../../../front/server/oidc/claims.mjs';
import { Flows } from '../../../front/server/oidc/flows.mjs';
import { Seal } from '../../../front/server/oidc/seal.mjs';
import { load } from '../support/settings.mjs';

const KEY = Buffer.alloc(32, 7);
const TENANT = 'https://login.microsoftonline.com/0a1b2c3d-0000-1111-2222-333344445555/v2.0';
const ISSUERS = { entra: TENANT, keycloak: 'https://id.example/realms/main', okta: 'https://example.okta.com' };

/** The settings of a preset. @param {string} preset */
function client(preset) {
  const issuer = /** @type {Record<string, string>} */ (ISSUERS)[preset] ?? 'https://id.example';
  const own = preset === 'google' ? {} : { HUB_OIDC_ISSUER: issuer };
  const named = preset === 'standard' ? {} : { HUB_OIDC_PRESET: preset };
  const given = { ...own, ...named, HUB_OIDC_CLIENT_ID: 'hub', HUB_OIDC_CLIENT_SECRET: 's' };
  return /** @type {import('../../../bridge/node/types.mjs').OidcClient} */ (load(given).oidc);
}

const [standard, entra, google, keycloak] = ['standard', 'entra', 'google', 'keycloak'].map((preset) => client(preset));

test('Microsoft Entra: ids of groups, app roles, and an address only if the owner of its domain is known', () => {
  const claims = { iss: TENANT, sub: 's', name: 'Ada', email: 'ada@evil.example', email_verified: true };
  const found = identityOf({ ...claims, groups: ['0a1b-2c3d'], roles: ['Operator'] }, entra);
  assert.deepEqual([found.email, found.groups, found.roles], ['', ['0a1b-2c3d'], ['Operator']]);
  for (const owned of [true, 'true', '1', 1])
    assert.equal(identityOf({ ...claims, xms_edov: owned }, entra).email, 'ada@evil.example');
  for (const owned of [false, 'false', 0, null, {}])
    assert.equal(identityOf({ ...claims, xms_edov: owned }, entra).email, '');
  assert.throws(() => identityOf({ ...claims, _claim_names: { groups: 'src1' } }, entra), {
    code: 'OIDC_CLAIMS_INVALID',
  });
});

test('Google: the domain of the organisation is the group; who has none, or another, may be refused', () => {
  const claims = { iss: google.issuer, sub: '1', email: 'ada@example.com', email_verified: true };
  assert.deepEqual(identityOf({ ...claims, hd: 'example.com' }, google).groups, ['example.com']);
  assert.deepEqual(identityOf(claims, google).groups, []);
  const limited = { ...google, domains: ['example.com'] };
  assert.equal(identityOf({ ...claims, hd: 'Example.com' }, limited).email, 'ada@example.com');
  for (const hd of [undefined, 'evil.example', ['example.com']])
    assert.throws(() => identityOf({ ...claims, hd }, limited), { code: 'OIDC_DOMAIN_REFUSED' });
});

test('Keycloak: realm roles by a path; a claim whose name has dots comes first', () => {
  const claims = { iss: keycloak.issuer, sub: '1', realm_access: { roles: ['admin', 'admin'] }, groups: ['/dev'] };
  const { roles, groups, name } = identityOf({ ...claims, preferred_username: ' ada ' }, keycloak);
  assert.deepEqual([roles, groups, name], [['admin'], ['/dev'], 'ada']);
  assert.equal(claimOf({ 'a.b': 1, a: { b: 2 } }, 'a.b'), 1);
  for (const name of ['a.b', 'a.b.c', '__proto__', 'constructor', 'a.constructor', 'toString.name'])
    assert.equal(claimOf({ a: 'text' }, name), undefined, name);
});

test('an address of another form, or that is not verified, is none; with the setting every one counts', () => {
  const claims = { iss: 'https://id.example', sub: '1', email_verified: true };
  for (const email of ['ada', 'a@b@c', 'a @b', '', 7, null, `${'x'.repeat(256)}@example.com`])
    assert.equal(identityOf({ ...claims, email }, standard).email, '');
  assert.equal(identityOf({ ...claims, email: 'ADA@EXAMPLE.COM' }, standard).email, 'ada@example.com');
  const trusting = { ...standard, emailRule: /** @type {const} */ ('always') };
  assert.equal(
    identityOf({ ...claims, email: 'ada@example.com', email_verified: false }, trusting).email,
    'ada@example.com',
  );
  const limited = { ...standard, domains: ['example.com'] };
  assert.throws(() => identityOf({ ...claims, email: 'a@example.com', email_verified: false }, limited), {
    code: 'OIDC_DOMAIN_REFUSED',
  });
});

test('the userinfo endpoint is asked only for what is missing', () => {
  const whole = { name: 'Ada', email: 'ada@example.com', groups: [], roles: [] };
  assert.equal(isIncomplete(whole, standard), false);
  for (const claim of Object.keys(whole))
    assert.equal(isIncomplete({ ...whole, [claim]: undefined }, standard), true, claim);
});

test('what is sealed opens with the same key and for the same purpose, unchanged', () => {
  const seal = new Seal(KEY, 'a');
  const value = seal.seal('text é');
  assert.equal(seal.open(value), 'text é');
  assert.notEqual(seal.seal('text é'), value);
  const others = [new Seal(KEY, 'b'), new Seal(Buffer.alloc(32, 8), 'a')];
  for (const other of others) assert.equal(other.open(value), null);
  const bytes = Buffer.from(value, 'base64url');
  for (let at = 0; at < bytes.length; at += 1) {
    const changed = Buffer.from(bytes);
    changed[at] ^= 1;
    assert.equal(seal.open(changed.toString('base64url')), null, `byte ${at}`);
  }
  for (const wrong of ['', 'x', value.slice(0, 20)]) assert.equal(seal.open(wrong), null);
});

test('a sign-in that has begun is kept for ten minutes, three at most, and fits into a cookie', () => {
  const time = { now: 1_000 };
  const flows = new Flows(KEY, () => time.now);
  const flow = (/** @type {string} */ state, next = '/hub/') => {
    return { state, nonce: 'n'.repeat(43), verifier: 'v'.repeat(43), next, base: 'https://hub.example.com' };
  };
  let value = '';
  for (const state of ['a', 'b', 'c', 'd']) value = flows.add(value, flow(state));
  assert.equal(flows.take(value, 'a').flow, null);
  assert.equal(flows.take(value, null).flow, null);
  const { flow: found, rest } = flows.take(value, 'c');
  assert.equal(found?.state, 'c');
  assert.equal(flows.take(rest, 'c').flow, null);
  assert.equal(flows.take(rest, 'd').flow?.state, 'd');
  time.now += 600;
  assert.equal(flows.take(rest, 'd').flow, null);
  const long = flows.add(flows.add('', flow('e', `/${'x'.repeat(2000)}`)), flow('f', `/${'y'.repeat(2000)}`));
  assert.ok(long.length < 4000, `${long.length}`);
  assert.equal(flows.take(long, 'f').flow?.next.length, 2001);
  assert.equal(flows.take(flows.add('', flow('g', `/${'z'.repeat(5000)}`)), 'g').flow?.next, '/');
});
