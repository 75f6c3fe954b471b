// Reads users and browser logins from the journal of credentials, which the adapter writes (bridge/credentials/). New
// lines are read as they come; after a compaction, which replaces the file, it is read anew.

import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';

/**
 * @typedef {object} UserRecord  a user, as its OpenID provider described it at its last sign-in
 * @property {string} id `u` and 15 hexadecimal digits
 * @property {string} issuer
 * @property {string} sub
 * @property {string} name
 * @property {string} email verified, or empty
 * @property {readonly string[]} groups
 * @property {readonly string[]} roles
 *
 * @typedef {object} LoginRecord  a browser login
 * @property {string} id the nonce in the browser's cookie
 * @property {string} principal the id of the user
 * @property {number} until Unix time in seconds
 * @property {string} sid the session at the provider; empty: unknown
 * @property {string} issuer
 */

/** Milliseconds between two looks at the file, regardless of the number of requests. */
const CHECK_INTERVAL_MS = 500;
const CHUNK_BYTES = 1 << 18;
/** Limit for the bytes of a line; a longer one is skipped. */
const MAX_LINE_BYTES = 1 << 21;
/** Lines of other types are not parsed. */
const WANTED = /"t"\s*:\s*"(?:user|user_end|login|login_end)"/;
const NEWLINE = 0x0a;

/** The users and browser logins of the journal. */
export class Journal {
  /** @type {Map<string, UserRecord>} */
  #users = new Map();
  /** @type {Map<string, LoginRecord>} */
  #logins = new Map();
  #lookedAt = -Infinity;
  #inode = 0n;
  /** Bytes of the file that are read. */
  #offset = 0;
  /** The beginning of a line whose end is not written yet. @type {Buffer[]} */
  #rest = [];
  #restBytes = 0;
  /** Whether the journal could not be read at the last look. */
  #failed = false;

  /**
   * @param {string} file @param {Pick<import('../log.mjs').Log, 'say'>} log
   * @param {{clock?: () => number, now?: () => number}} [clocks] `clock`: milliseconds; `now`: Unix time in seconds
   */
  constructor(file, log, { clock = () => performance.now(), now = () => Date.now() / 1000 } = {}) {
    this.file = file;
    this.log = log;
    this.clock = clock;
    this.now = now;
  }

  /** Return the user with that id; null if there is none. @param {string} id */
  user(id) {
    this.#look();
    return this.#users.get(id) ?? null;
  }

  /** Return the login with that id; null if there is none, or it has ended. @param {string} id */
  login(id) {
    this.#look();
    const found = this.#logins.get(id);
    return found && found.until > this.now() ? found : null;
  }

  /** Read what is new, now. */
  refresh() {
    this.#lookedAt = this.clock();
    try {
      this.#read();
      this.#failed = false;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      if (!this.#failed) this.log.say('error', 'users and logins cannot be read', { file: this.file, why });
      this.#failed = true; // what is known stays in force
    }
  }

  #look() {
    if (this.clock() - this.#lookedAt >= CHECK_INTERVAL_MS) this.refresh();
  }

  #read() {
    const found = statSync(this.file, { bigint: true, throwIfNoEntry: false });
    if (!found) return this.#forget(0n);
    if (found.ino === this.#inode && Number(found.size) === this.#offset) return;
    const file = openSync(this.file, 'r');
    try {
      const { ino, size } = fstatSync(file, { bigint: true });
      if (ino !== this.#inode || Number(size) < this.#offset) this.#forget(ino);
      this.#readFrom(file);
    } finally {
      closeSync(file);
    }
  }

  /** Start anew with another file. @param {bigint} inode */
  #forget(inode) {
    this.#inode = inode;
    this.#offset = 0;
    this.#rest = [];
    this.#restBytes = 0;
    this.#users = new Map();
    this.#logins = new Map();
  }

  /** @param {number} file */
  #readFrom(file) {
    for (;;) {
      const chunk = Buffer.alloc(CHUNK_BYTES);
      const length = readSync(file, chunk, 0, CHUNK_BYTES, this.#offset);
      if (length === 0) return;
      this.#offset += length;
      this.#take(chunk.subarray(0, length));
    }
  }

  /** @param {Buffer} bytes */
  #take(bytes) {
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      const line = Buffer.concat([...this.#rest, bytes.subarray(start, end)]);
      if (this.#restBytes + end - start <= MAX_LINE_BYTES) this.#apply(line.toString('utf8'));
      this.#rest = [];
      this.#restBytes = 0;
      start = end + 1;
    }
    this.#restBytes += bytes.length - start;
    if (this.#restBytes > MAX_LINE_BYTES) this.#rest = [];
    else if (start < bytes.length) this.#rest.push(bytes.subarray(start));
  }

  /** @param {string} line */
  #apply(line) {
    if (!WANTED.test(line)) return;
    const record = parsed(line);
    if (typeof record?.id !== 'string') return;
    if (record.t === 'user') this.#users.set(record.id, userOf(record));
    else if (record.t === 'login') this.#begin(record);
    else if (record.t === 'login_end') this.#logins.delete(record.id);
    else if (record.t === 'user_end') this.#end(record.id);
  }

  /** @param {Record<string, any>} record */
  #begin(record) {
    const login = loginOf(record);
    const now = this.now();
    if (login.until <= now) return;
    this.#logins.set(login.id, login);
    for (const [id, { until }] of this.#logins) {
      if (until > now) break; // they are in the order in which they began, and last about equally long
      this.#logins.delete(id);
    }
  }

  /** @param {string} user */
  #end(user) {
    this.#users.delete(user);
    for (const [id, { principal }] of this.#logins) if (principal === user) this.#logins.delete(id);
  }
}

/** @param {string} line @returns {Record<string, any> | null} */
function parsed(line) {
  try {
    const found = JSON.parse(line);
    return typeof found === 'object' ? found : null;
  } catch {
    return null; // half a line of a disk that was full
  }
}

/** @param {Record<string, any>} record @returns {UserRecord} */
const userOf = ({ id, issuer, sub, name, email, groups, roles }) => ({
  ...{ id, issuer: text(issuer), sub: text(sub), name: text(name), email: text(email) },
  ...{ groups: texts(groups), roles: texts(roles) },
});

/** @param {Record<string, any>} record @returns {LoginRecord} */
const loginOf = ({ id, principal, until, sid, issuer }) => ({
  ...{ id, principal: text(principal), until: Number(until) || 0, sid: text(sid), issuer: text(issuer) },
});

/** @param {unknown} value */
const text = (value) => (typeof value === 'string' ? value : '');

/** @param {unknown} value */
const texts = (value) => (Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []);
