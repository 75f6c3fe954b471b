/** Tokens and their principals, by the same vectors as bridge/keys.py, from files that change. */

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { hashIn, Keyring, mayUse, tokenHash } from '../../../front/server/access/keys.mjs';
import { parseKeys } from '../../../front/server/access/keys_file.mjs';
import { Log } from '../../../front/server/log.mjs';
import { ROOT } from '../support/hub.mjs';

const CASES = JSON.parse(readFileSync(join(ROOT, 'bridge/vectors/keys.json'), 'utf8'));
const TOKENS = Object.fromEntries(CASES.checks.map((/** @type {any} */ one) => [one.name, one.token]));
const LAPTOP = TOKENS['a key for all workspaces'];

/** @type {string} */
let directory;
/** Milliseconds, that pass when told. */
let now = 0;
/** @type {string[]} */
let logged = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'keys'));
  mkdirSync(join(directory, 'run'));
  now = 1000;
  logged = [];
  put('token', CASES.token);
  put('keys.json', CASES.file);
  put('run/front.key', CASES.front);
});
afterEach(() => rmSync(directory, { recursive: true }));

/** In one step, as the hub does it. @param {string} name @param {string | Buffer} text */
function put(name, text) {
  writeFileSync(join(directory, 'new'), text);
  renameSync(join(directory, 'new'), join(directory, name));
}

/** @param {string | null} [given]  the hash of a token that is set */
function keyring(given = null) {
  const at = (/** @type {string} */ name) => join(directory, name);
  const files = { tokenFile: at('token'), keysFile: at('keys.json'), frontKeyFile: at('run/front.key') };
  return new Keyring({ tokenHash: given, ...files }, new Log('debug', (line) => logged.push(line)), () => now);
}

/** @param {string} token @param {Keyring} ring */
function principal(token, ring = keyring()) {
  const found = ring.check(token);
  return found && { id: found.id, name: found.name, workspaces: found.workspaces, admin: found.admin };
}

test('a new key is valid immediately, also if the files were checked in the same moment', () => {
  const ring = keyring();
  const token = `yh_k8888888_${'y'.repeat(43)}`;
  assert.equal(ring.check(token), null);
  const file = JSON.parse(CASES.file);
  file.keys.push({ ...file.keys[0], id: 'k8888888', name: 'new', hash: tokenHash(token) });
  put('keys.json', JSON.stringify(file));
  assert.equal(ring.check(token)?.id, 'k8888888');
});

test('made-up tokens cause at most 25 file checks in half a second', () => {
  const ring = keyring();
  let looks = 0;
  const refresh = ring.refresh.bind(ring);
  ring.refresh = () => {
    looks += 1;
    refresh();
  };
  for (let count = 0; count < 100; count += 1) ring.check(`yh_k9999999_${'x'.repeat(43)}`);
  assert.equal(looks, 25);
  now += 500;
  for (let count = 0; count < 100; count += 1) ring.check(`yh_k9999999_${'x'.repeat(43)}`);
  assert.equal(looks, 25 + 1 + 25);
});

for (const { name, token, principal: expected } of CASES.checks) {
  test(`the principal of a token: ${name}`, () => {
    const found = principal(token);
    const sorted = (/** @type {any} */ one) =>
      one && { ...one, workspaces: one.workspaces && [...one.workspaces].sort() };
    assert.deepEqual(sorted(found), sorted(expected));
  });
}

test('a key gives access to workspaces by their exact names', () => {
  for (const { token, workspace, may } of CASES.may_use) {
    const found = keyring().check(token);
    assert.equal(found !== null && mayUse(found, workspace), may, JSON.stringify(workspace));
  }
});

for (const { name, text, token, valid } of CASES.token_files) {
  test(`the hub's token from a file: ${name}`, () => {
    put('token', text);
    assert.equal(principal(token)?.id, valid ? 'admin' : undefined);
    assert.equal(hashIn(text) === tokenHash(token), valid);
  });
}

for (const { name, text } of CASES.broken) {
  test(`an invalid keys.json accepts no key, and its error quotes no content: ${name}`, () => {
    assert.throws(() => parseKeys(Buffer.from(text)));
    put('keys.json', text);
    const ring = keyring();
    assert.equal(ring.check(LAPTOP), null);
    assert.ok(ring.error);
    assert.equal(ring.check(CASES.token)?.id, 'admin');
    assert.ok(logged.some((line) => line.includes('no named key is let in')));
    assert.ok(!logged.join().includes('4fa888e0'), logged.join());
  });
}

for (const { name, text } of CASES.usable) {
  test(`a valid keys.json: ${name}`, () => {
    assert.ok(Array.isArray(parseKeys(Buffer.from(text))));
  });
}

test('a missing keys.json means that there are no keys, and is no error', () => {
  rmSync(join(directory, 'keys.json'));
  const ring = keyring();
  assert.deepEqual([ring.check(LAPTOP), ring.error, logged], [null, '', []]);
});

test('a configured token is used in place of the token file', () => {
  const given = 'given-in-the-environment';
  const ring = keyring(tokenHash(given));
  assert.equal(ring.check(given)?.id, 'admin');
  assert.equal(ring.check(CASES.token), null);
});

test('the files are checked every half second, and a change takes effect then', () => {
  const ring = keyring();
  const laptop = ring.check(LAPTOP);
  assert.ok(laptop);
  put('keys.json', '{"version":1,"keys":[]}');
  put('token', 'another-token-of-the-hub');
  put('run/front.key', 'another-key-of-the-front');
  now += 499;
  assert.ok(ring.check(LAPTOP));
  now += 1;
  assert.equal(ring.check(LAPTOP), null);
  assert.equal(ring.current(laptop), null);
  assert.deepEqual([ring.check(CASES.token), ring.check(CASES.front)], [null, null]);
  assert.equal(ring.check('another-token-of-the-hub')?.id, 'admin');
  assert.equal(ring.front, 'another-key-of-the-front');
});

test('a key with the same id and another token is another key', () => {
  const ring = keyring();
  const laptop = ring.check(LAPTOP);
  assert.ok(laptop && ring.current(laptop));
  const file = JSON.parse(CASES.file);
  file.keys[0].hash = tokenHash('another');
  put('keys.json', JSON.stringify(file));
  now += 500;
  assert.equal(ring.current(laptop), null);
  assert.equal(ring.holder(laptop.id)?.mark, tokenHash('another'));
});

test('a key whose workspaces have changed is the same key', () => {
  const ring = keyring();
  const laptop = ring.check(LAPTOP);
  assert.ok(laptop);
  const file = JSON.parse(CASES.file);
  file.keys[0].workspaces = ['w'];
  put('keys.json', JSON.stringify(file));
  now += 500;
  assert.deepEqual(ring.current(laptop)?.workspaces, ['w']);
});

test('no key is accepted from files that are too large or unreadable', () => {
  put('keys.json', Buffer.concat([Buffer.from(CASES.file), Buffer.alloc(1 << 20, ' ')]));
  rmSync(join(directory, 'token'));
  mkdirSync(join(directory, 'token'));
  const ring = keyring();
  assert.deepEqual([ring.check(LAPTOP), ring.check(CASES.token)], [null, null]);
});
