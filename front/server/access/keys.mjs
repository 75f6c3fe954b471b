// Verifies the credentials of a protected hub: its token, the front's own key, and the named keys of keys.json.
// Equivalent to bridge/keys.py; bridge/vectors/keys.json tests both.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { keyId, parseKeys } from './keys_file.mjs';

/**
 * @typedef {object} Principal  whose request it is
 * @property {string} id `admin`, `front`, or that of a named key
 * @property {string} name
 * @property {readonly string[] | null} workspaces the names of those that it may use; null: all
 * @property {boolean} admin may use pages and APIs too
 * @property {string} mark the hash that its token has: another token of the same id is another key; empty for a user
 * @property {readonly string[]} [subjects] what access.json may name it by, beside `*`: `key:<id>`, `key:<name>`,
 *   `user:<id>`, `email:<address in lower case>`, `group:<name>`, `role:<role in its claims>`
 * @property {Readonly<Record<string, string>>} [claims] of a user: `sub`, `name`, `email`, `issuer`
 *
 * @typedef {{tokenHash: string | null, tokenFile: string, keysFile: string, frontKeyFile: string}} Places
 * @typedef {Pick<import('../log.mjs').Log, 'say'>} Listener
 */

/** Milliseconds between two checks of the files, regardless of the number of requests. */
const CHECK_INTERVAL_MS = 500;
/** Limit for further checks within that time, for requests with an unknown key, which may just have been made. */
const MAX_UNKNOWN_KEY_CHECKS = 25;
/** Limit for the bytes of a file. */
const MAX_FILE_BYTES = 1 << 20;
const ADMIN = 'admin';
const FRONT = 'front';
const KEYS = 'keys';
/** Prefix of a token file's content that is the token's hash, not the token. */
const HASH_PREFIX = 'sha256:';
/** The form of the hub's token. */
export const TOKEN = /^[!-~]{16,512}$/;
const KEY_ID = /^k[0-9a-f]{7}$/;
const HASH = /^[0-9a-f]{64}$/;
const BLANK = /^[ \t\r\n]+|[ \t\r\n]+$/g;
/** The hash that is compared with if there is none, so that every check takes equally long. */
const RANDOM_HASH = tokenHash(randomBytes(32).toString('hex'));

/**
 * Return the hash of a token, which is stored instead of it.
 * @param {string} token @returns {string} SHA-256 in hexadecimal
 */
export function tokenHash(token) {
  return createHash('sha256').update(token, 'utf8').digest('hex');
}

/** Return the hash of the token in a token file; null if its content is unusable. @param {string} text */
export function hashIn(text) {
  const content = text.replace(BLANK, '');
  if (!content.startsWith(HASH_PREFIX)) return TOKEN.test(content) ? tokenHash(content) : null;
  const hash = content.slice(HASH_PREFIX.length);
  return HASH.test(hash) ? hash : null;
}

/**
 * Return whether a principal may use the workspace of that name.
 * @param {Principal} principal @param {string} workspace
 */
export const mayUse = ({ workspaces }, workspace) => workspaces === null || workspaces.includes(workspace);

/** Return whether a principal's id is that of a named key. @param {string} id */
export const isNamedKey = (id) => KEY_ID.test(id);

/** All credentials. The files are checked at most every half second, and read if they changed. */
export class Keyring {
  /** The front's own key for requests to the sidecar; null if there is none. @type {string | null} */
  front = null;
  /** Why no named key is accepted; empty if all are. */
  error = '';
  #lookedAt = -Infinity;
  #spareChecks = MAX_UNKNOWN_KEY_CHECKS;
  /** @type {Map<string, string>} */
  #files;
  /** @type {Map<string, string>} */
  #stamps = new Map();
  /** @type {Map<string, string | null>} */
  #hashes;
  /** @type {Map<string, Principal>} */
  #named = new Map();

  /** @param {Places} places @param {Listener} log @param {() => number} [clock]  milliseconds */
  constructor({ tokenHash: given, tokenFile, keysFile, frontKeyFile }, log, clock = () => performance.now()) {
    this.log = log;
    this.clock = clock;
    this.#hashes = new Map([
      [ADMIN, given],
      [FRONT, null],
    ]);
    this.#files = new Map([
      [FRONT, frontKeyFile],
      [KEYS, keysFile],
    ]);
    if (!given) this.#files.set(ADMIN, tokenFile);
    this.refresh();
  }

  /**
   * Return the principal of a token; null if there is none. Takes constant time.
   * @param {string} token
   * @returns {Principal | null}
   */
  check(token) {
    this.#look();
    const hash = tokenHash(token);
    const id = keyId(token) ?? '';
    if (id && !this.#named.has(id) && this.#spareChecks > 0) {
      this.#spareChecks -= 1;
      this.refresh();
    }
    const named = this.#named.get(id);
    const found = [
      [equal(this.#hashes.get(ADMIN), hash), this.#own(ADMIN)],
      [equal(this.#hashes.get(FRONT), hash), this.#own(FRONT)],
      [equal(named?.mark, hash), named],
    ].find(([matches]) => matches);
    return /** @type {Principal | undefined} */ (found?.[1]) ?? null;
  }

  /**
   * Return the present principal with that id; null if there is none.
   * @param {string} id @returns {Principal | null}
   */
  holder(id) {
    this.#look();
    return this.#hashes.get(id) ? this.#own(id) : (this.#named.get(id) ?? null);
  }

  /**
   * Return the present principal for an earlier one (its workspaces may have changed); null if its token is no longer
   * valid.
   * @param {Principal} principal
   */
  current({ id, mark }) {
    const now = this.holder(id);
    return now?.mark === mark ? now : null;
  }

  /** Check the files now, and read those that changed. */
  refresh() {
    this.#lookedAt = this.clock();
    for (const [name, path] of this.#files) {
      const stamp = stampOf(path);
      if (this.#stamps.get(name) === stamp) continue;
      this.#stamps.set(name, stamp);
      if (name === KEYS) this.#readKeys(path, stamp);
      else this.#readToken(name, path);
    }
  }

  #look() {
    if (this.clock() - this.#lookedAt < CHECK_INTERVAL_MS) return;
    this.#spareChecks = MAX_UNKNOWN_KEY_CHECKS;
    this.refresh();
  }

  /** @param {string} id @returns {Principal} */
  #own(id) {
    return { id, name: id, workspaces: null, admin: true, mark: this.#hashes.get(id) ?? '' };
  }

  /** @param {string} name @param {string} path */
  #readToken(name, path) {
    const text = read(path)?.toString('utf8') ?? null;
    const hash = text === null ? null : hashIn(text);
    this.#hashes.set(name, hash);
    if (name === FRONT) this.front = hash && text ? text.trim() : null;
    if (text !== null && !hash) this.log.say('error', 'the file holds no token that can be used', { file: path });
  }

  /** @param {string} path @param {string} stamp */
  #readKeys(path, stamp) {
    this.#named = new Map();
    this.error = '';
    if (stamp === '') return;
    try {
      this.#named = new Map(parseKeys(read(path) ?? Buffer.alloc(0)).map((key) => [key.id, key]));
    } catch (error) {
      this.error = error instanceof Error ? error.message : String(error);
      this.log.say('error', 'no named key is let in: the file cannot be used', { file: path, why: this.error });
    }
  }
}

/** Compare in constant time. @param {string | null | undefined} stored @param {string} hash  both in hexadecimal */
function equal(stored, hash) {
  return timingSafeEqual(Buffer.from(stored || RANDOM_HASH), Buffer.from(hash));
}

/** Return a string that changes with the file; empty if it does not exist. @param {string} path */
function stampOf(path) {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found ? `${found.ino} ${found.mtimeNs} ${found.size}` : '';
}

/** Return a file's bytes; null if it does not exist or cannot be read. @param {string} path */
function read(path) {
  let file;
  try {
    file = openSync(path, 'r');
    const bytes = Buffer.alloc(MAX_FILE_BYTES + 1);
    let length = 0;
    for (let got = -1; got !== 0 && length <= MAX_FILE_BYTES; length += got) {
      got = readSync(file, bytes, length, bytes.length - length, null);
    }
    return length <= MAX_FILE_BYTES ? bytes.subarray(0, length) : Buffer.alloc(0);
  } catch {
    return null;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
