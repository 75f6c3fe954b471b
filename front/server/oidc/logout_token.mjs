// Checks the tokens with which a provider ends logins (OpenID Connect Back-Channel Logout 1.0, section 2.6).

import { jwtVerify } from 'jose';
import { FrontError } from '../errors.mjs';
import { CLOCK_SKEW_SECONDS } from './provider.mjs';

/**
 * @typedef {{jti: string, issuer: string, sub?: string, sid?: string}} Ended  whose logins end: of a session, or all of
 *   a user; `jti`: the id of the token
 */

const EVENT = 'http://schemas.openid.net/event/backchannel-logout';
/** Seconds after which a token is too old. */
const MAX_AGE_SECONDS = 120;
const MAX_LENGTH = 256;
/** Limit for the tokens that are remembered; beyond it none is accepted until some are too old. */
const MAX_REMEMBERED = 10_000;

/** Checks log-out tokens, and remembers those that were used. */
export class LogoutTokens {
  /** When a token, by its `jti`, is too old anyway (Unix time, s). @type {Map<string, number>} */
  #used = new Map();

  /** @param {() => number} [clock]  Unix time in seconds */
  constructor(clock = () => Date.now() / 1000) {
    this.clock = clock;
  }

  /**
   * Return whose logins a token ends.
   * @param {string} token
   * @param {{issuer: string, clientId: string, keys: import('jose').JWTVerifyGetKey}} expected
   * @returns {Promise<Ended>}
   * @throws {FrontError} LOGOUT_TOKEN_INVALID; and what fetching the keys may raise
   */
  async check(token, { issuer, clientId, keys }) {
    const { payload } = await jwtVerify(token, keys, {
      ...{ issuer, audience: clientId, clockTolerance: CLOCK_SKEW_SECONDS, maxTokenAge: MAX_AGE_SECONDS },
      requiredClaims: ['iat', 'jti', 'events'],
      currentDate: new Date(this.clock() * 1000),
    });
    const { sub, sid, jti, events, nonce } = /** @type {Record<string, any>} */ (payload);
    if (typeof events !== 'object' || typeof events?.[EVENT] !== 'object') throw invalid('is about another event');
    if (nonce !== undefined) throw invalid('has a nonce, as ID tokens have');
    if (!isText(jti) || [sub, sid].some((value) => value !== undefined && !isText(value)))
      throw invalid('has a claim of a wrong form');
    if (sub === undefined && sid === undefined) throw invalid('names neither a user nor a session');
    this.#remember(jti);
    return { jti, issuer, ...(sub !== undefined && { sub }), ...(sid !== undefined && { sid }) };
  }

  /** Accept a token once more, because the logins could not be ended. @param {string} jti */
  forget(jti) {
    this.#used.delete(jti);
  }

  /** @param {string} jti */
  #remember(jti) {
    const now = this.clock();
    for (const [one, until] of this.#used) {
      if (until > now) break; // they are in the order in which they came
      this.#used.delete(one);
    }
    if (this.#used.has(jti)) throw invalid('was used before');
    if (this.#used.size >= MAX_REMEMBERED) throw invalid('is one of too many');
    this.#used.set(jti, now + MAX_AGE_SECONDS + 2 * CLOCK_SKEW_SECONDS);
  }
}

/** @param {unknown} value */
const isText = (value) => typeof value === 'string' && value !== '' && value.length <= MAX_LENGTH;

/** @param {string} why */
export const invalid = (why) => new FrontError('LOGOUT_TOKEN_INVALID', `The log-out token ${why}.`);
