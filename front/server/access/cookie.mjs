// The login cookie: signed; bound to the token of the login, or, of a user, to a record of it in the journal.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { FrontError } from '../errors.mjs';

/** Seconds that a login by a token is valid. */
export const LOGIN_SECONDS = 30 * 86_400;
/** Limit for the logins that are remembered as ended by a log-out. */
const MAX_ENDED_LOGINS = 10_000;
const KEY_BYTES = 32;
const COOKIE_VALUE = /^([a-z0-9]{1,16})\.(\d{1,12})\.([A-Za-z0-9_-]{16})\.([A-Za-z0-9_-]{43})$/;

/** Return an id for a login that no other has. */
export const newNonce = () => randomBytes(12).toString('base64url');

/**
 * @typedef {import('./principals.mjs').Principal} Principal
 * @typedef {{id: string, expires: number, nonce: string}} Login  `expires` in Unix seconds
 */

/** Creates and verifies values of login cookies. */
export class Cookies {
  /** Nonces of logins that were ended, with their expiry (Unix time, s). @type {Map<string, number>} */
  #ended = new Map();

  /** @param {Buffer} key @param {() => number} [clock] Unix time in seconds */
  constructor(key, clock = () => Date.now() / 1000) {
    this.key = key;
    this.clock = clock;
  }

  /**
   * Return a cookie value for a principal that has shown its token, or signed in.
   * @param {Pick<Principal, 'id' | 'mark'>} principal @param {{nonce?: string, seconds?: number}} [login]
   */
  make({ id, mark }, { nonce = newNonce(), seconds = LOGIN_SECONDS } = {}) {
    const login = { id, expires: Math.floor(this.clock() + seconds), nonce };
    return `${id}.${login.expires}.${login.nonce}.${this.#sign(login, mark)}`;
  }

  /**
   * Return the login of a cookie value, and its principal; null if the value is not valid.
   * @template {{mark: string}} P
   * @param {string} value
   * @param {(id: string, nonce: string) => P | null} holder  who has that id now, with that login
   * @returns {{login: Login, principal: P} | null}
   */
  read(value, holder) {
    const [, id, until, nonce, signature] = COOKIE_VALUE.exec(value) ?? [];
    if (!id) return null;
    const login = { id, expires: Number(until), nonce };
    const principal = holder(id, nonce);
    const expected = this.#sign(login, principal?.mark ?? '');
    if (!timingSafeEqual(Buffer.from(signature), Buffer.from(expected)) || !principal) return null;
    return this.lasts(login) ? { login, principal } : null;
  }

  /**
   * Return the page's secret of a login, which pages keep and send with every request for more than a page. Browsers
   * send a cookie to all ports of a host; a secret that a page stores stays with its own port.
   * @param {string} value  of the cookie
   */
  secret(value) {
    return createHmac('sha256', this.key).update(`yamcp-hub page\n${value}`).digest('base64url');
  }

  /**
   * Return whether this is the page's secret of a cookie value, compared in constant time.
   * @param {string} value  of the cookie @param {string} given
   */
  isPageSecret(value, given) {
    const [expected, found] = [Buffer.from(this.secret(value)), Buffer.from(given)];
    return expected.length === found.length && timingSafeEqual(expected, found);
  }

  /** Return whether a login is still valid. @param {Login} login */
  lasts({ expires, nonce }) {
    return expires > this.clock() && !this.#ended.has(nonce);
  }

  /** End a login (log out). @param {Login} login */
  end({ nonce, expires }) {
    const now = this.clock();
    for (const [one, until] of this.#ended) if (until <= now) this.#ended.delete(one);
    if (this.#ended.size >= MAX_ENDED_LOGINS)
      this.#ended.delete(/** @type {string} */ (this.#ended.keys().next().value));
    this.#ended.set(nonce, expires);
  }

  /** @param {Login} login @param {string} mark */
  #sign({ id, expires, nonce }, mark) {
    return createHmac('sha256', this.key)
      .update(`yamcp-hub cookie\n${id}\n${mark}\n${expires}\n${nonce}`)
      .digest('base64url');
  }
}

/** Return the value of a cookie in a Cookie header. @param {string | undefined} header @param {string} name */
export function cookieIn(header, name) {
  for (const part of (header ?? '').split(';')) {
    const at = part.indexOf('=');
    if (at > 0 && part.slice(0, at).trim() === name) return part.slice(at + 1).trim();
  }
  return '';
}

/**
 * Return a Set-Cookie header.
 * @param {string} name @param {string} value @param {{secure: boolean, age: number, path?: string}} options  `age` in seconds
 */
export function setCookie(name, value, { secure, age, path = '/' }) {
  const flags = [`Path=${path}`, `Max-Age=${age}`, 'HttpOnly', 'SameSite=Lax', ...(secure ? ['Secure'] : [])];
  return [`${name}=${value}`, ...flags].join('; ');
}

/**
 * Return the key that signs cookies. It is created once, readable by the hub's user only.
 * @param {string} path
 * @returns {Buffer}
 * @throws {FrontError} SETTING_INVALID: the data directory cannot be used
 */
export function cookieKey(path) {
  try {
    const there = existsSync(path) ? readFileSync(path) : null;
    return there?.length === KEY_BYTES ? there : made(path);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new FrontError('SETTING_INVALID', `HUB_DATA_DIR: the key of cookies cannot be kept: ${why}.`);
  }
}

/** Create the key file atomically. @param {string} path */
function made(path) {
  const key = randomBytes(KEY_BYTES);
  const draft = `${path}.new`;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  rmSync(draft, { force: true });
  writeFileSync(draft, key, { flag: 'wx', mode: 0o600, flush: true });
  renameSync(draft, path);
  return key;
}
