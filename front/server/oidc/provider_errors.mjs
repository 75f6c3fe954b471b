// Turns what openid-client and jose throw into the hub's errors. The log gets the reason; nobody gets tokens.

import {
  AuthorizationResponseError,
  ClientError,
  ResponseBodyError,
  WWWAuthenticateChallengeError,
} from 'openid-client';
import { errors as jose } from 'jose';
import { FrontError } from '../errors.mjs';

/** Seconds after which a provider that does not answer is asked again. */
export const RETRY_SECONDS = 10;
/** OAuth errors (RFC 6749, sections 4.1.2.1 and 5.2) that pass. */
const TEMPORARY = new Set(['temporarily_unavailable', 'server_error']);
const CLIENT = new Set(['invalid_client', 'unauthorized_client']);
/** Reasons of openid-client for which a provider counts as away, not as broken. */
const AWAY = new Set(['OAUTH_TIMEOUT', 'OAUTH_ABORT']);
const TIMESTAMP = 'OAUTH_JWT_TIMESTAMP_CHECK_FAILED';

/**
 * Return the error for what went wrong at a provider.
 * @param {unknown} error @param {string} name  of the provider
 * @returns {{error: FrontError, why: string}} `why`: for the log
 */
export function describeFailure(error, name) {
  const why = reasonOf(error);
  if (error instanceof FrontError) return { error, why };
  if (error instanceof AuthorizationResponseError) return { error: byCode(error.error, name), why };
  if (error instanceof ResponseBodyError) return { error: byCode(error.error, name), why };
  if (error instanceof WWWAuthenticateChallengeError) return { error: clientRefused(name), why };
  if (isAway(error)) return { error: away(name), why };
  if (error instanceof ClientError && error.code === TIMESTAMP)
    return { error: invalid(`${name} issued an ID token that is not valid at this time.`, CLOCK_HINT), why };
  if (error instanceof ClientError || error instanceof jose.JOSEError)
    return { error: invalid(`The answer of ${name} failed a check.`), why };
  return { error: invalid(`The answer of ${name} cannot be used.`), why };
}

const CLOCK_HINT = 'Compare the clocks of the hub and the provider; they may differ by a minute.';

/** @param {string} name @param {number} [seconds] */
export const away = (name, seconds = RETRY_SECONDS) =>
  new FrontError('OIDC_PROVIDER_AWAY', `${name} does not answer, so nobody can sign in there now.`, {
    data: { retry_after: seconds },
  });

/** @param {string} name */
const clientRefused = (name) =>
  new FrontError('OIDC_CLIENT_REFUSED', `${name} does not accept the id and secret of this hub.`);

/** @param {string} message @param {string} [hint] */
const invalid = (message, hint) => new FrontError('OIDC_ANSWER_INVALID', message, { hint });

/** @param {string} code  of OAuth @param {string} name */
function byCode(code, name) {
  if (TEMPORARY.has(code)) return away(name);
  if (CLIENT.has(code)) return clientRefused(name);
  if (code === 'invalid_grant') return new FrontError('OIDC_STATE_UNKNOWN');
  const shown = /^[\w.-]{1,64}$/.test(code) ? code : 'an error of an unknown form';
  return new FrontError('OIDC_REFUSED', `${name} refused the sign-in: ${shown}.`);
}

/** @param {unknown} error */
function isAway(error) {
  if (error instanceof jose.JWKSTimeout) return true;
  if (error instanceof jose.JOSEError && error.code === 'ERR_JOSE_GENERIC') return true; // of the keys: no 200
  if (error instanceof TypeError) return error.message === 'fetch failed' || error.cause !== undefined;
  if (error instanceof DOMException) return error.name === 'TimeoutError';
  if (!(error instanceof ClientError)) return false;
  if (AWAY.has(error.code ?? '')) return true;
  return error.cause instanceof Response && (error.cause.status >= 500 || error.cause.status === 429);
}

/** @param {unknown} error */
function reasonOf(error) {
  if (!(error instanceof Error)) return String(error);
  const { code, error: oauth } = /** @type {any} */ (error);
  const cause = error.cause instanceof Error ? error.cause.message : '';
  const status = error.cause instanceof Response ? `HTTP ${error.cause.status}` : '';
  return [error.message, oauth, code, cause, status].filter((part) => typeof part === 'string' && part).join('; ');
}
