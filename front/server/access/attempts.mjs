// Who tried wrong tokens, by address, and whether it may try again. Bounded, and pure but for its clock.

import { isIPv6 } from 'node:net';

/** Wrong tokens within `WINDOW` after which an address has to wait. */
const MOST = 10;
const WINDOW = 60; // s
/** Addresses that are remembered; the one that was wrong longest ago is forgotten first. */
const MOST_ADDRESSES = 4096;

/** The wrong tokens of the last minute. */
export class Attempts {
  /** Times (s), oldest first, by address; those that were wrong last come last. @type {Map<string, number[]>} */
  #wrong = new Map();

  /** @param {() => number} [clock] seconds */
  constructor(clock = () => performance.now() / 1000) {
    this.clock = clock;
  }

  /** How many addresses are remembered. */
  get size() {
    return this.#wrong.size;
  }

  /**
   * Seconds until an address may try again; 0: now.
   * @param {string} address
   */
  wait(address) {
    const times = this.#recent(networkOf(address));
    return times.length < MOST ? 0 : Math.max(1, Math.ceil(times[0] + WINDOW - this.clock()));
  }

  /**
   * A token was wrong. While its address has to wait anyway it is not counted, so that one who never stops does not have
   * to wait for ever.
   * @param {string} address
   * @returns {boolean} whether the address has to wait from now on
   */
  failed(address) {
    const network = networkOf(address);
    const times = this.#recent(network);
    if (times.length >= MOST) return false;
    this.#wrong.delete(network);
    this.#wrong.set(network, [...times, this.clock()]);
    if (this.#wrong.size > MOST_ADDRESSES) this.#wrong.delete(/** @type {string} */ (this.#wrong.keys().next().value));
    return times.length + 1 === MOST;
  }

  /** @param {string} network */
  #recent(network) {
    const since = this.clock() - WINDOW;
    const times = (this.#wrong.get(network) ?? []).filter((time) => time > since);
    if (times.length === 0) this.#wrong.delete(network);
    return times;
  }
}

/**
 * What stands for an address: of IPv6 the first 64 bits, as whoever has one has all of these.
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
