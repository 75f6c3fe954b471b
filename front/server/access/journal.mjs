// Follows credentials.jsonl, which the adapter writes: the users of OpenID providers, and the browser logins.
// Equivalent to that part of bridge/credentials/journal.py; bridge/vectors/credentials.json tests both.

import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';

/**
 * @typedef {object} User
 * @property {string} id `u` and 15 hexadecimal digits
 * @property {string} issuer
 * @property {string} sub
 * @property {string} name
 * @property {string} email verified by the provider; else empty
 * @property {readonly string[]} groups
 * @property {readonly string[]} roles
 * @property {number} at when the user last signed in at the provider (Unix time, seconds)
 *
 * @typedef {object} Login
 * @property {string} id
 * @property {string} principal
 * @property {number} until Unix time, seconds
 * @property {string} sid the id of the session at the provider; empty if it says none
 * @property {string} issuer
 *
 * @typedef {Pick<import('../log.mjs').Log, 'say'>} Listener
 * @typedef {{clock?: () => number, now?: () => number}} Clocks  milliseconds, monotonic; Unix time in seconds
 */

/** Milliseconds between two checks of the file for changes. */
const CHECK_INTERVAL_MS = 500;
/** Limit for further checks within that time, for requests with an unknown login, which may have just begun. */
const MAX_UNKNOWN_LOGIN_CHECKS = 1000;
/** Bytes of one read; a longer line is skipped. */
const CHUNK_BYTES = 1 << 20;
const LINE_END = 0x0a;

/** The present users and logins. If the file exists and cannot be read, there are none. */
export class Journal {
  /** Raised when something was read that changes a user or ends or begins a login. */
  version = 0;
  /** @type {Map<string, User>} */
  #users = new Map();
  /** @type {Map<string, Login>} */
  #logins = new Map();
  #lookedAt = -Infinity;
  #spareChecks = MAX_UNKNOWN_LOGIN_CHECKS;
  #stamp = '';
  #head = '';
  #offset = 0;
  #unreadable = false;

  /** @param {string} path @param {Listener} log @param {Clocks} [clocks] */
  constructor(path, log, { clock = () => performance.now(), now = () => Date.now() / 1000 } = {}) {
    this.path = path;
    this.log = log;
    this.clock = clock;
    this.now = now;
    this.refresh();
  }

  /** Return the user with that id; null if there is none. @param {string} id */
  user(id) {
    this.#look();
    return this.#users.get(id) ?? null;
  }

  /** Return the browser login with that id; null if it has ended, or its user is gone. @param {string} id */
  login(id) {
    this.#look();
    if (!this.#logins.has(id) && this.#spareChecks > 0) {
      this.#spareChecks -= 1;
      this.refresh();
    }
    const login = this.#logins.get(id);
    if (!login || login.until <= this.now()) return null;
    return login.principal.startsWith('u') && !this.#users.has(login.principal) ? null : login;
  }

  /** Read what is new in the file now. */
  refresh() {
    this.#lookedAt = this.clock();
    const { anew, lines } = this.#news();
    if (anew) this.#forget();
    const changed = lines.filter((line) => this.#apply(line)).length > 0;
    if (anew || changed) this.version += 1;
    const now = this.now();
    for (const [id, { until }] of this.#logins) if (until <= now) this.#logins.delete(id);
  }

  #look() {
    if (this.clock() - this.#lookedAt < CHECK_INTERVAL_MS) return;
    this.#spareChecks = MAX_UNKNOWN_LOGIN_CHECKS;
    this.refresh();
  }

  /** Return the new lines, and whether the file is another than before. */
  #news() {
    try {
      const found = statSync(this.path, { bigint: true, throwIfNoEntry: false });
      this.#unreadable &&= found !== undefined;
      if (!found) return this.#gone();
      if (stampOf(found) === this.#stamp) return { anew: false, lines: [] };
      const news = this.#read();
      this.#unreadable = false;
      return news;
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT') return this.#gone();
      const why = error instanceof Error ? error.message : String(error);
      if (!this.#unreadable) this.log.say('error', 'no user is let in: the journal cannot be read', { why });
      const anew = !this.#unreadable;
      this.#unreadable = true;
      this.#rewind();
      return { anew, lines: [] };
    }
  }

  #gone() {
    const anew = this.#stamp !== '';
    this.#rewind();
    return { anew, lines: [] };
  }

  #rewind() {
    this.#stamp = this.#head = '';
    this.#offset = 0;
  }

  #forget() {
    this.#users.clear();
    this.#logins.clear();
  }

  #read() {
    const file = openSync(this.path, 'r');
    try {
      const opened = fstatSync(file, { bigint: true });
      const head = headOf(file);
      const anew = head !== this.#head || opened.size < this.#offset;
      if (anew) this.#offset = 0;
      const { lines, offset } = linesFrom(file, this.#offset);
      this.#offset = offset;
      this.#head = head.endsWith('\n') ? head : '';
      this.#stamp = stampOf(opened);
      return { anew, lines };
    } finally {
      closeSync(file);
    }
  }

  /** Apply a line; return whether it changed anything. @param {string} line @returns {boolean} */
  #apply(line) {
    const record = recordOf(line);
    if (!record) {
      this.log.say('error', 'a line of the journal cannot be used', { type: typeOf(line) });
      return false;
    }
    const { t, id } = record;
    if (t === 'user') this.#users.set(id, /** @type {any} */ (record));
    else if (t === 'login') this.#logins.set(id, /** @type {any} */ (record));
    else if (t === 'login_end') return this.#logins.delete(id);
    else if (t === 'user_end') return this.#endUser(id);
    else return false;
    return true;
  }

  /** @param {string} id */
  #endUser(id) {
    for (const login of this.#logins.values()) if (login.principal === id) this.#logins.delete(login.id);
    return this.#users.delete(id);
  }
}

const isText = (/** @type {unknown} */ value) => typeof value === 'string';
const isTexts = (/** @type {unknown} */ value) => Array.isArray(value) && value.every(isText);

/** The fields of each type of record that is used here. @type {Record<string, Record<string, (value: unknown) => boolean>>} */
const FIELDS = {
  user: {
    id: isText,
    issuer: isText,
    sub: isText,
    name: isText,
    email: isText,
    groups: isTexts,
    roles: isTexts,
    at: Number.isFinite,
  },
  user_end: { id: isText },
  login: { id: isText, principal: isText, until: Number.isFinite, sid: isText, issuer: isText },
  login_end: { id: isText },
};
const DEFAULTS = { name: '', email: '', groups: [], roles: [], sid: '', issuer: '' };

/**
 * Return the record of a line; null if it is invalid. Records of other types are not looked at.
 * @param {string} line @returns {{t: string, id: string} & Record<string, unknown> | null}
 */
function recordOf(line) {
  const given = parsed(line);
  if (typeof given?.t !== 'string') return null;
  const fields = FIELDS[given.t];
  if (!fields) return { id: '', ...given };
  const record = given.t === 'user' ? { ...DEFAULTS, ...given } : { sid: '', issuer: '', ...given };
  return Object.entries(fields).every(([field, fits]) => fits(record[field])) ? record : null;
}

/** @param {string} line @returns {any} */
function parsed(line) {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}

/** @param {string} line */
const typeOf = (line) => String(parsed(line)?.t ?? '').slice(0, 20);

/** @param {import('node:fs').BigIntStats} found */
const stampOf = ({ ino, mtimeNs, size }) => `${ino} ${mtimeNs} ${size}`;

/** Return the first line, which no two journals have in common. @param {number} file  a descriptor */
function headOf(file) {
  const bytes = Buffer.alloc(4096);
  const start = bytes.subarray(0, readSync(file, bytes, 0, bytes.length, 0));
  return start.subarray(0, start.indexOf(LINE_END) + 1 || start.length).toString('latin1');
}

/**
 * Return the complete lines from an offset, and where they end.
 * @param {number} file  a descriptor @param {number} offset
 */
function linesFrom(file, offset) {
  /** @type {string[]} */
  const lines = [];
  const bytes = Buffer.alloc(CHUNK_BYTES);
  for (;;) {
    const got = readSync(file, bytes, 0, CHUNK_BYTES, offset);
    const end = bytes.subarray(0, got).lastIndexOf(LINE_END) + 1;
    if (end === 0 && got < CHUNK_BYTES) return { lines, offset };
    for (const line of end > 0 ? bytes.toString('utf8', 0, end - 1).split('\n') : []) lines.push(line);
    offset += end || got;
  }
}
