/** Login cookies: their principal and lifetime, their signature, and the file of their key. */

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { cookieIn, cookieKey, Cookies, LOGIN_SECONDS, setCookie } from '../../../front/server/access/cookie.mjs';

const KEY = Buffer.alloc(32, 7);
const BOSS = { id: 'kfffffff', name: 'boss', workspaces: null, admin: true, mark: 'a'.repeat(64) };

/** @param {{now: number}} time */
const made = (time) => new Cookies(KEY, () => time.now);
/** @param {typeof BOSS | null} principal */
const held = (principal) => (/** @type {string} */ id) => (principal?.id === id ? principal : null);

test('a cookie identifies its principal for 30 days, and no longer', () => {
  const time = { now: 1_800_000_000 };
  const cookies = made(time);
  const value = cookies.make(BOSS);
  assert.match(value, /^[A-Za-z0-9_.-]+$/);
  assert.equal(cookies.read(value, held(BOSS))?.principal, BOSS);
  time.now += LOGIN_SECONDS - 1;
  assert.ok(cookies.read(value, held(BOSS)));
  time.now += 1;
  assert.equal(cookies.read(value, held(BOSS)), null);
  assert.equal(LOGIN_SECONDS, 30 * 24 * 3600);
});

test('the page secret depends on the cookie and the key, and cannot be derived from the cookie', () => {
  const cookies = made({ now: 0 });
  const [value, other] = [cookies.make(BOSS), cookies.make(BOSS)];
  const secret = cookies.secret(value);
  assert.match(secret, /^[\w-]{43}$/);
  assert.ok(cookies.isPageSecret(value, secret));
  const strangers = new Cookies(Buffer.alloc(32, 1)).secret(value);
  for (const wrong of ['', 'x', value, cookies.secret(other), strangers, `${secret}x`]) {
    assert.equal(cookies.isPageSecret(value, wrong), false, wrong);
  }
});

test('a cookie becomes invalid when its token is revoked or replaced under the same id', () => {
  const cookies = made({ now: 0 });
  const value = cookies.make(BOSS);
  assert.equal(cookies.read(value, held(null)), null);
  assert.equal(cookies.read(value, held({ ...BOSS, mark: 'b'.repeat(64) })), null);
});

test('a modified cookie is invalid', () => {
  const cookies = made({ now: 0 });
  const value = cookies.make(BOSS);
  for (let at = 0; at < value.length - 1; at += 1) {
    const other = value[at] === '1' ? '2' : '1';
    assert.equal(
      cookies.read(value.slice(0, at) + other + value.slice(at + 1), () => BOSS),
      null,
      `character ${at}`,
    );
  }
  for (const none of [
    '',
    '...',
    'admin',
    `${value}.`,
    value.slice(0, -1),
    `${value}A`,
    'a.b.c.d',
    value.split('.').slice(0, 3).join('.'),
  ])
    assert.equal(
      cookies.read(none, () => BOSS),
      null,
      none,
    );
  assert.equal(new Cookies(Buffer.alloc(32, 8), () => 0).read(value, held(BOSS)), null);
});

test('a log-out ends one login, in all copies of its cookie, and no other login', () => {
  const cookies = made({ now: 0 });
  const [one, other] = [cookies.make(BOSS), cookies.make(BOSS)];
  const read = cookies.read(one, held(BOSS));
  assert.ok(read && cookies.lasts(read.login));
  cookies.end(read.login);
  assert.equal(cookies.read(one, held(BOSS)), null);
  assert.equal(cookies.lasts(read.login), false);
  assert.ok(cookies.read(other, held(BOSS)));
});

test('a cookie contains nothing of the token', () => {
  assert.ok(!made({ now: 0 }).make(BOSS).includes('aaaa'));
});

test('a cookie is found among others by its exact name', () => {
  const header = 'a=1; yamcp_hub_87650=x; yamcp_hub_8765=it; yamcp_hub_8765=again; b';
  assert.equal(cookieIn(header, 'yamcp_hub_8765'), 'it');
  assert.equal(cookieIn(header, 'hub'), '');
  assert.equal(cookieIn(undefined, 'yamcp_hub_8765'), '');
});

test('the cookie is HttpOnly and SameSite, and Secure with TLS', () => {
  const plain = 'n=v; Path=/; Max-Age=5; HttpOnly; SameSite=Lax';
  assert.equal(setCookie('n', 'v', { secure: false, age: 5 }), plain);
  assert.equal(setCookie('n', 'v', { secure: true, age: 5 }), `${plain}; Secure`);
});

test('the key file is created once, readable by its user only, and replaced if it is invalid', () => {
  const directory = mkdtempSync(join(tmpdir(), 'cookie'));
  const path = join(directory, 'data/cookie.key');
  const key = cookieKey(path);
  assert.equal(key.length, 32);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(cookieKey(path), key);
  writeFileSync(path, 'half');
  assert.notDeepEqual(cookieKey(path), key);
  assert.equal(readFileSync(path).length, 32);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.throws(() => cookieKey(join(path, 'x')), { code: 'SETTING_INVALID' });
  rmSync(directory, { recursive: true });
});
