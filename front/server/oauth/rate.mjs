// Limits how often an address may do something that costs the hub something. Bounded memory; pure but for its clock.

import { networkOf } from '../access/attempts.mjs';

/** Limit for remembered addresses; the one that was seen longest ago is forgotten first. */
const MAX_ADDRESSES = 4096;

/** At most `burst` events at once and `perMinute` in the long run, for each address (a token bucket). */
export class Rate {
  /** When the bucket of an address is full again (s), by address, in the order of their last events. @type {Map<string, number>} */
  #full = new Map();

  /** @param {{burst: number, perMinute: number}} limits @param {() => number} [clock] seconds */
  constructor({ burst, perMinute }, clock = () => performance.now() / 1000) {
    this.interval = 60 / perMinute;
    this.span = burst * this.interval;
    this.clock = clock;
  }

  /** Number of remembered addresses. */
  get size() {
    return this.#full.size;
  }

  /** Return the whole seconds until an address may do it again; 0: now. @param {string} address */
  wait(address) {
    const left = (this.#full.get(networkOf(address)) ?? 0) - this.clock() + this.interval - this.span;
    return left > 1e-9 ? Math.max(1, Math.ceil(left)) : 0;
  }

  /** Count an event of an address. @param {string} address */
  count(address) {
    const network = networkOf(address);
    const full = Math.max(this.clock(), this.#full.get(network) ?? 0) + this.interval;
    this.#full.delete(network);
    this.#full.set(network, full);
    if (this.#full.size > MAX_ADDRESSES) this.#full.delete(/** @type {string} */ (this.#full.keys().next().value));
  }

  /** Count an event, unless the address has to wait. @param {string} address @returns {number} seconds to wait; 0: counted */
  take(address) {
    const wait = this.wait(address);
    if (wait === 0) this.count(address);
    return wait;
  }
}
