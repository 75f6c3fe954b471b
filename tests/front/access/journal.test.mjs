/** Users and browser logins, by the same vectors as bridge/credentials/journal.py, from a file that grows. */

import assert from 'node:assert/strict';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { Journal } from '../../../front/server/access/journal.mjs';
import { ROOT } from '../support/hub.mjs';

const VECTORS = JSON.parse(readFileSync(join(ROOT, 'bridge/vectors/credentials.json'), 'utf8'));
const USER = {
  t: 'user',
  id: 'u1',
  issuer: 'https://id.example',
  sub: '1',
  name: 'Ada',
  email: '',
  groups: [],
  roles: [],
  at: 1,
};
const LOGIN = { t: 'login', id: 'n1', principal: 'u1', until: VECTORS.now + 60, sid: '', issuer: '' };

/** @type {string} */
let directory;
/** @type {string} */
let path;
/** Milliseconds, that pass when told. */
let at = 0;
/** @type {string[]} */
let logged = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'journal'));
  path = join(directory, 'credentials.jsonl');
  at = 0;
  logged = [];
});
afterEach(() => rmSync(directory, { recursive: true }));

const lines = (/** @type {object[]} */ ...records) => records.map((one) => `${JSON.stringify(one)}\n`).join('');

/** @param {string} head @param {object[]} records */
function replace(head, ...records) {
  writeFileSync(join(directory, 'new'), lines({ t: 'journal', version: 1, id: head }, ...records));
  renameSync(join(directory, 'new'), path);
}

const reader = () =>
  new Journal(
    path,
    { say: (/** @type {string} */ level, /** @type {string} */ message) => void logged.push(`${level}: ${message}`) },
    { clock: () => at, now: () => VECTORS.now },
  );

for (const { name, text, users, logins } of VECTORS.cases) {
  test(`vector: ${name}`, () => {
    writeFileSync(path, text);
    const journal = reader();
    for (const [id, wanted] of Object.entries(users)) {
      const found = /** @type {any} */ (journal.user(id));
      const said = found && Object.fromEntries(Object.keys(wanted ?? {}).map((field) => [field, found[field]]));
      assert.deepEqual(said, wanted);
    }
    for (const [id, principal] of Object.entries(logins)) assert.equal(journal.login(id)?.principal ?? null, principal);
    assert.equal(logged.length > 0, name.includes('not records'));
  });
}

test('a login that just began counts at once, and its end half a second later', () => {
  replace('one', USER);
  const journal = reader();
  assert.equal(journal.login('n1'), null);
  appendFileSync(path, lines(LOGIN));
  assert.equal(journal.login('n1')?.principal, 'u1');
  appendFileSync(path, lines({ t: 'login_end', id: 'n1' }));
  assert.notEqual(journal.login('n1'), null);
  at += 500;
  assert.equal(journal.login('n1'), null);
});

test('the version is raised by what changes users and logins, not by other records', () => {
  replace('one', USER, LOGIN);
  const journal = reader();
  const before = journal.version;
  appendFileSync(path, lines({ t: 'grant_used', id: 'g1', at: 1 }, { t: 'login_end', id: 'n2' }));
  journal.refresh();
  assert.equal(journal.version, before);
  appendFileSync(path, lines({ t: 'user_end', id: 'u1' }));
  journal.refresh();
  assert.equal(journal.version, before + 1);
  assert.equal(journal.user('u1'), null);
});

test('a journal that took the place of another is read anew, also with the same inode', () => {
  replace('one', USER, LOGIN);
  const journal = reader();
  writeFileSync(path, lines({ t: 'journal', version: 1, id: 'two' }, USER, USER, USER, USER));
  at += 500;
  assert.equal(journal.login('n1'), null);
  assert.equal(journal.user('u1')?.name, 'Ada');
});

test('a line is read when it is whole, also one longer than a read', () => {
  replace('one', USER);
  const journal = reader();
  const line = lines(LOGIN);
  appendFileSync(path, line.slice(0, 20));
  assert.equal(journal.login('n1'), null);
  appendFileSync(path, line.slice(20));
  assert.equal(journal.login('n1')?.id, 'n1');
  appendFileSync(path, `${'x'.repeat(3 << 20)}\n${lines({ t: 'login_end', id: 'n1' })}`);
  at += 500;
  assert.equal(journal.login('n1'), null);
});

test('nobody is let in while the journal cannot be read, which is logged once', () => {
  replace('one', USER, LOGIN);
  const journal = reader();
  rmSync(path);
  mkdirSync(path);
  for (let time = 0; time < 2; time += 1) {
    at += 500;
    assert.equal(journal.login('n1'), null);
  }
  assert.equal(logged.length, 1);
  rmdirSync(path);
  replace('two', USER, LOGIN);
  at += 500;
  assert.equal(journal.login('n1')?.id, 'n1');
});
