// The keys with which the provider signs, which it may replace at any time.

import { setTimeout as pause } from 'node:timers/promises';
import { createRemoteJWKSet, customFetch, errors } from 'jose';

/** Milliseconds for which keys are kept, and between two requests for them because of an unknown key. */
const MAX_AGE_MS = 600_000;
const COOLDOWN_MS = 1_000;

/**
 * Return a function that finds the key of a token, for jose.
 * @param {URL} url  the provider's `jwks_uri`
 * @param {{fetch: (url: string, options: any) => Promise<Response>, seconds: number}} options  `seconds`: for a request
 * @returns {import('jose').JWTVerifyGetKey}
 */
export function keysAt(url, { fetch, seconds }) {
  const times = { timeoutDuration: seconds * 1000, cacheMaxAge: MAX_AGE_MS, cooldownDuration: COOLDOWN_MS };
  const keys = createRemoteJWKSet(url, { ...times, [customFetch]: fetch });
  return async (header, token) => {
    try {
      return await keys(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || !keys.coolingDown) throw error;
      await pause(COOLDOWN_MS); // the keys were read just before they were replaced
      return keys(header, token);
    }
  };
}
