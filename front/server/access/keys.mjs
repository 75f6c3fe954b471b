// Who may use a protected hub: its token, the front's own key, and the named keys of keys.json. The twin of bridge/keys.py;
// bridge/vectors/keys.json holds for both.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { keyId, parseKeys } from './keys_file.mjs';

/**
 * @typedef {object} Principal  whose request it is
 * @property {string} id `admin`, `front`, or that of a named key
 * @property {string} name
 * @property {readonly string[] | null} workspaces the names of those that it may use; null: all
 * @property {boolean} admin may use pages and APIs too
 * @property {string} mark the hash that its token has: another token of the same id is another key
 *
 * @typedef {{tokenHash: string | null, tokenFile: string, keysFile: string, frontKeyFile: string}} Places
 * @typedef {Pick<import('../log.mjs').Log, 'say'>} Listener
 */

/** Milliseconds between two looks at the files, however many requests come. */
const LOOK = 500;
/** Milliseconds between two looks for keys that nobody knows yet. */
const SOON = 20;
/** Bytes of a file that are read. */
const LARGEST = 1 << 20;
const ADMIN = 'admin';
const FRONT = 'front';
const KEYS = 'keys';
/** What a token's file begins with that holds the hash of the token, not the token. */
const HASHED = 'sha256:';
/** What the hub's token has to be. */
export const TOKEN = /^[!-~]{16,512}$/;
const HASH = /^[0-9a-f]{64}$/;
const BLANK = /^[ \t\r\n]+|[ \t\r\n]+$/g;
/** What is compared with where there is nothing to compare with. */
const NOBODY = tokenHash(randomBytes(32).toString('hex'));

/** What is stored of a token. @param {string} token @returns {string} SHA-256 in hexadecimal */
export function tokenHash(token) {
  return createHash('sha256').update(token, 'utf8').digest('hex');
}

/**
 * The hash that a token's file says; null where it says nothing that can be used.
 * @param {string} text
 */
export function hashIn(text) {
  const said = text.replace(BLANK, '');
  if (!said.startsWith(HASHED)) return TOKEN.test(said) ? tokenHash(said) : null;
  const hash = said.slice(HASHED.length);
  return HASH.test(hash) ? hash : null;
}

/** Whether a principal may use the workspace of that name. @param {Principal} principal @param {string} workspace */
export const mayUse = ({ workspaces }, workspace) => workspaces === null || workspaces.includes(workspace);

/** Whether a principal's id is that of a named key. @param {string} id */
export const isNamedKey = (id) => id !== ADMIN && id !== FRONT;

/** Everybody who is let in. Files are looked at again at most every half a second, and read when they changed. */
export class Keyring {
  /** The front's own key, to ask the sidecar with; null where there is none. @type {string | null} */
  front = null;
  /** Why no named key is let in; empty when all are. */
  error = '';
  #lookedAt = -Infinity;
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
   * Whose token this is; null: nobody's. Takes as long for one as for another.
   * @param {string} token
   * @returns {Principal | null}
   */
  check(token) {
    this.#look();
    const said = tokenHash(token);
    const id = keyId(token) ?? '';
    if (id && !this.#named.has(id) && this.clock() - this.#lookedAt >= SOON) this.refresh(); // made a moment ago?
    const named = this.#named.get(id);
    const found = [
      [equal(this.#hashes.get(ADMIN), said), this.#own(ADMIN)],
      [equal(this.#hashes.get(FRONT), said), this.#own(FRONT)],
      [equal(named?.mark, said), named],
    ].find(([matches]) => matches);
    return /** @type {Principal | undefined} */ (found?.[1]) ?? null;
  }

  /** The principal of that id as it is now; null: there is none. @param {string} id @returns {Principal | null} */
  holder(id) {
    this.#look();
    return this.#hashes.get(id) ? this.#own(id) : (this.#named.get(id) ?? null);
  }

  /**
   * The principal as it is now (its workspaces may be others); null: its token is not valid any more.
   * @param {Principal} principal
   */
  current({ id, mark }) {
    const now = this.holder(id);
    return now?.mark === mark ? now : null;
  }

  /** Look at the files now, and read those that changed. */
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
    if (this.clock() - this.#lookedAt >= LOOK) this.refresh();
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

/** Compare in constant time. @param {string | null | undefined} stored @param {string} said  both in hexadecimal */
function equal(stored, said) {
  return timingSafeEqual(Buffer.from(stored || NOBODY), Buffer.from(said));
}

/** Changes with the file; empty where there is none. @param {string} path */
function stampOf(path) {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found ? `${found.ino} ${found.mtimeNs} ${found.size}` : '';
}

/** A file's bytes; null where there is none, or it cannot be read. @param {string} path */
function read(path) {
  let file;
  try {
    file = openSync(path, 'r');
    const bytes = Buffer.alloc(LARGEST + 1);
    let length = 0;
    for (let got = -1; got !== 0 && length <= LARGEST; length += got) {
      got = readSync(file, bytes, length, bytes.length - length, null);
    }
    return length <= LARGEST ? bytes.subarray(0, length) : Buffer.alloc(0);
  } catch {
    return null;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
