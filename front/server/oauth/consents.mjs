// Questions for consent that wait for their answer. Bounded memory; pure but for its clock and randomness.

import { randomBytes } from 'node:crypto';

/**
 * @typedef {object} Consent  what a user is asked to allow
 * @property {import('./clients/client_metadata.mjs').Client} client
 * @property {string} redirectUri
 * @property {string | undefined} state
 * @property {string} challenge
 * @property {string} resource
 * @property {readonly string[]} workspaces  names of those that the user may choose from
 * @property {string} login  the nonce of the login that was asked
 */

/** Seconds that a question waits. */
const LIFETIME_SECONDS = 600;
/** Questions that wait at the same time, in all and of one login; the oldest is dropped. */
const MAX_WAITING = 1_000;
const MAX_OF_LOGIN = 20;

/** The questions, by a one-time ticket that the form of the question sends back. */
export class Consents {
  /** @type {Map<string, {consent: Consent, until: number}>} */
  #waiting = new Map();

  /** @param {() => number} [clock] seconds */
  constructor(clock = () => performance.now() / 1000) {
    this.clock = clock;
  }

  get size() {
    return this.#waiting.size;
  }

  /** Add a question; return its ticket. @param {Consent} consent */
  ask(consent) {
    const now = this.clock();
    for (const [ticket, { until }] of this.#waiting) if (until <= now) this.#waiting.delete(ticket);
    const own = [...this.#waiting].filter(([, { consent: other }]) => other.login === consent.login);
    if (own.length >= MAX_OF_LOGIN) this.#waiting.delete(own[0][0]);
    if (this.#waiting.size >= MAX_WAITING)
      this.#waiting.delete(/** @type {string} */ (this.#waiting.keys().next().value));
    const ticket = randomBytes(24).toString('base64url');
    this.#waiting.set(ticket, { consent, until: now + LIFETIME_SECONDS });
    return ticket;
  }

  /**
   * Take a question of a login: it can be answered once.
   * @param {string} ticket @param {string} login  nonce
   * @returns {Consent | null}
   */
  take(ticket, login) {
    const found = this.#waiting.get(ticket);
    if (!found || found.consent.login !== login) return null;
    this.#waiting.delete(ticket);
    return found.until > this.clock() ? found.consent : null;
  }
}
