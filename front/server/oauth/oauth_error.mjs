// Errors of the authorization server in the form that OAuth prescribes (RFC 6749, 4.1.2.1 and 5.2; RFC 7591, 3.2.2).

/**
 * @typedef {'invalid_request' | 'invalid_client' | 'invalid_grant' | 'unauthorized_client' | 'unsupported_grant_type'
 *   | 'invalid_scope' | 'invalid_target' | 'access_denied' | 'unsupported_response_type' | 'server_error'
 *   | 'temporarily_unavailable' | 'login_required' | 'consent_required' | 'invalid_redirect_uri'
 *   | 'invalid_client_metadata' | 'slow_down'} OAuthCode
 */

/** An error for a client. The description is for its developer or user, and contains nothing internal. */
export class OAuthError extends Error {
  /**
   * @param {OAuthCode} code @param {string} description  printable ASCII without quotes and backslashes
   * @param {{status?: number, retryAfter?: number}} [more]  HTTP status; seconds
   */
  constructor(code, description, { status = 400, retryAfter = 0 } = {}) {
    super(description);
    this.name = 'OAuthError';
    this.code = code;
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** Seconds after which a client may repeat a request that failed because a process of the hub is away. */
const RETRY_AFTER_SECONDS = 5;
/** Errors of the bridge after which the same request can succeed. */
const AWAY = new Set(['HUB_AWAY', 'HUB_STARTING', 'BRIDGE_UNAVAILABLE', 'BRIDGE_OVERLOADED']);

/** The error for a client while the hub cannot answer it, by default because one of its processes is away. */
export const unavailable = (description = 'A part of the hub is restarting. Try again in a few seconds.') =>
  new OAuthError('temporarily_unavailable', description, {
    status: 503,
    retryAfter: RETRY_AFTER_SECONDS,
  });

/**
 * Return the error for a client that a failed request to the adapter becomes.
 * @param {unknown} error
 * @returns {OAuthError | null} null: an error that nothing expected
 */
export function oauthErrorOf(error) {
  if (error instanceof OAuthError) return error;
  if (!(error instanceof Error) || !('code' in error)) return null;
  const { code, message, data } = /** @type {Error & {code: string, data?: Record<string, any>}} */ (error);
  if (AWAY.has(code)) return unavailable();
  const named = data?.oauth_error;
  if (named === 'invalid_target') return noSuchResource();
  if (named === 'temporarily_unavailable') return unavailable(printable(message));
  return typeof named === 'string' ? new OAuthError(/** @type {OAuthCode} */ (named), printable(message)) : null;
}

/** The resource names no endpoint that the user may use; whether there is one is not said. */
export const noSuchResource = () => new OAuthError('invalid_target', 'There is no such endpoint at this hub.');

/** Return text with the characters that an `error_description` may have (RFC 6749, 5.2). @param {string} text */
export const printable = (text) =>
  text
    .replace(/["\\]/g, "'")
    .replace(/[^\x20-\x7e]/g, '?')
    .slice(0, 500);
