// Sign-ins that a browser has begun and not finished. The browser keeps them itself, encrypted in a cookie, so that an
// answer of the provider counts only in the browser that asked for it (protection against login CSRF). Pure.

import { Seal } from './seal.mjs';

/**
 * @typedef {object} Flow
 * @property {string} state identifies it in the provider's answer
 * @property {string} nonce stands in the ID token that is made for it
 * @property {string} verifier PKCE's `code_verifier` (RFC 7636)
 * @property {string} next the path to which it leads
 * @property {string} base the hub's address in the redirect URI
 * @property {number} at when it began (Unix time, s)
 */

/** Seconds that a user has at the provider. */
export const FLOW_SECONDS = 600;
/** Sign-ins that a browser can have begun at the same time, in several tabs; the oldest is dropped first. */
const MAX_FLOWS = 3;
/** Limits for the length of `next` and of the value: browsers keep 4 KiB in a cookie. */
const MAX_NEXT_LENGTH = 2400;
const MAX_VALUE_LENGTH = 3900;

/** Reads and writes the cookie's value. */
export class Flows {
  /** @param {Buffer} key  of the hub's cookies @param {() => number} [clock]  Unix time in seconds */
  constructor(key, clock = () => Date.now() / 1000) {
    this.seal = new Seal(key, 'oidc flow');
    this.clock = clock;
  }

  /**
   * Add a sign-in to those in a cookie.
   * @param {string} value  of the cookie; empty for none @param {Omit<Flow, 'at'>} flow
   * @returns {string} the new value
   */
  add(value, flow) {
    const next = flow.next.length > MAX_NEXT_LENGTH ? '/' : flow.next;
    const all = [...this.#read(value).slice(1 - MAX_FLOWS), { ...flow, next, at: this.clock() }];
    while (all.length > 1 && this.#write(all).length > MAX_VALUE_LENGTH) all.shift();
    return this.#write(all);
  }

  /**
   * Take the sign-in with that state out of a cookie: each is finished once.
   * @param {string} value @param {string | null} state
   * @returns {{flow: Flow | null, rest: string}} `rest`: the new value, empty if no other is left
   */
  take(value, state) {
    const all = this.#read(value);
    const rest = all.filter((flow) => flow.state !== state);
    return { flow: all.find((flow) => flow.state === state) ?? null, rest: rest.length > 0 ? this.#write(rest) : '' };
  }

  /** @param {string} value @returns {Flow[]} oldest first */
  #read(value) {
    const text = value ? this.seal.open(value) : null;
    const since = this.clock() - FLOW_SECONDS;
    return text === null ? [] : JSON.parse(text).filter((/** @type {Flow} */ flow) => flow.at > since);
  }

  /** @param {Flow[]} flows */
  #write(flows) {
    return this.seal.seal(JSON.stringify(flows));
  }
}
