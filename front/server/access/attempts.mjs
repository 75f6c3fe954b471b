// Counts wrong tokens by address, and makes an address with too many of them wait. Bounded memory; pure but for its
// clock.

import { isIPv6 } from 'node:net';

/** Wrong tokens within `WINDOW_SECONDS` after which an address has to wait. */
const MAX_ATTEMPTS = 10;
const WINDOW_SECONDS = 60; // s
/** Limit for remembered addresses; the one whose last wrong token is oldest is forgotten first. */
const MAX_ADDRESSES = 4096;

/** The wrong tokens of the last minute, by address. */
export class Attempts {
  /**
   * Times (s) of wrong tokens, oldest first, by address; ordered by the last wrong token.
   * @type {Map<string, number[]>}
   */
  #wrong = new Map();

  /** @param {() => number} [clock] seconds */
  constructor(clock = () => performance.now() / 1000) {
    this.clock = clock;
  }

  /** Number of remembered addresses. */
  get size() {
    return this.#wrong.size;
  }

  /** Return the seconds until an address may try again; 0: now. @param {string} address */
  wait(address) {
    const times = this.#recent(networkOf(address));
    return times.length < MAX_ATTEMPTS ? 0 : Math.max(1, Math.ceil(times[0] + WINDOW_SECONDS - this.clock()));
  }

  /**
   * Record a wrong token. It is not counted while its address has to wait, so that the wait always ends.
   * @param {string} address
   * @returns {boolean} whether the address has to wait from now on
   */
  failed(address) {
    const network = networkOf(address);
    const times = this.#recent(network);
    if (times.length >= MAX_ATTEMPTS) return false;
    this.#wrong.delete(network);
    this.#wrong.set(network, [...times, this.clock()]);
    if (this.#wrong.size > MAX_ADDRESSES) this.#wrong.delete(/** @type {string} */ (this.#wrong.keys().next().value));
    return times.length + 1 === MAX_ATTEMPTS;
  }

  /** @param {string} network */
  #recent(network) {
    const since = this.clock() - WINDOW_SECONDS;
    const times = (this.#wrong.get(network) ?? []).filter((time) => time > since);
    if (times.length === 0) this.#wrong.delete(network);
    return times;
  }
}

/**
 * Return the key under which an address is counted: for IPv6 its /64 network, because one user usually has all of it.
 * @param {string} address
 */
export function networkOf(address) {
  if (!isIPv6(address)) return address;
  const whole = new URL(`http://[${address.split('%')[0]}]`).hostname.slice(1, -1);
  const [head, tail] = whole.split('::');
  const front = head ? head.split(':') : [];
  const back = tail ? tail.split(':') : [];
  const zeros = Array.from({ length: 8 - front.length - back.length }, () => '0');
  const groups = tail === undefined ? front : [...front, ...zeros, ...back];
  return `${groups.slice(0, 4).join(':')}::/64`;
}
