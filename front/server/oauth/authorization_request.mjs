// Reads an authorization request (OAuth 2.1, 4.1.1) in two steps: first what decides where an answer may be sent, then
// the rest. Pure.

import { noSuchResource, OAuthError } from './oauth_error.mjs';
import { isRegistered } from './clients/redirect_uris.mjs';
import { slugOfResource } from './urls.mjs';

/**
 * @typedef {import('./clients/client_metadata.mjs').Client} Client
 * @typedef {object} Asked  what a valid request asks for
 * @property {string} challenge  of PKCE, method S256
 * @property {string | null} slug  of the workspace whose endpoint `resource` names; null: it names none
 * @property {string} resource  as the client wrote it; empty if it named none
 * @property {ReadonlySet<string>} prompt
 */

const CHALLENGE = /^[A-Za-z0-9_-]{43}$/;
const MAX_STATE_LENGTH = 4096;
const PROMPTS = new Set(['none', 'login', 'consent', 'select_account', 'create']);

/**
 * Return the value of a parameter that may occur once (RFC 6749, 3.1); empty if it is not there.
 * @param {URLSearchParams} query @param {string} name
 * @throws {OAuthError} invalid_request: it is repeated
 */
export function single(query, name) {
  const values = query.getAll(name);
  if (values.length > 1) throw new OAuthError('invalid_request', `The parameter ${name} is there more than once.`);
  return values[0] ?? '';
}

/**
 * Return the redirect URI of a request, which the client has registered.
 * @param {URLSearchParams} query @param {Client} client
 * @throws {OAuthError} invalid_redirect_uri, invalid_request: nothing may be sent to it
 */
export function redirectUriOf(query, { redirectUris }) {
  const uri = single(query, 'redirect_uri');
  if (uri === '' && redirectUris.length === 1) return redirectUris[0];
  if (!isRegistered(uri, redirectUris))
    throw new OAuthError('invalid_redirect_uri', 'The redirect_uri is not one that the client has registered.');
  return uri;
}

/**
 * Return the state of a request, to be sent back; undefined if it has none, or one that cannot be sent back.
 * @param {URLSearchParams} query
 */
export function stateOf(query) {
  const [state, ...more] = query.getAll('state');
  return more.length > 0 || state === undefined || state.length > MAX_STATE_LENGTH ? undefined : state;
}

/**
 * Return what a request asks for.
 * @param {URLSearchParams} query @param {string} base  of the hub's URLs
 * @returns {Asked}
 * @throws {OAuthError} an error to be sent to the redirect URI
 */
export function askedOf(query, base) {
  const responseType = single(query, 'response_type');
  if (responseType === '') throw new OAuthError('invalid_request', 'The parameter response_type is missing.');
  if (responseType !== 'code') throw new OAuthError('unsupported_response_type', 'The hub supports code only.');
  if (!['', 'query'].includes(single(query, 'response_mode')))
    throw new OAuthError('invalid_request', 'The hub supports the response_mode query only.');
  if (query.getAll('state').length > 0 && stateOf(query) === undefined)
    throw new OAuthError('invalid_request', 'The parameter state is repeated or too long.');
  if (query.has('request') || query.has('request_uri'))
    throw new OAuthError('invalid_request', 'The hub supports no request objects.');
  return { challenge: challengeOf(query), ...resourceOf(query, base), prompt: promptOf(query) };
}

/** @param {URLSearchParams} query */
function challengeOf(query) {
  const challenge = single(query, 'code_challenge');
  if (challenge === '') throw new OAuthError('invalid_request', 'PKCE is required: code_challenge is missing.');
  if (single(query, 'code_challenge_method') !== 'S256')
    throw new OAuthError('invalid_request', 'PKCE is required with code_challenge_method=S256.');
  if (!CHALLENGE.test(challenge)) throw new OAuthError('invalid_request', 'The code_challenge is not one of S256.');
  return challenge;
}

/** @param {URLSearchParams} query @param {string} base */
function resourceOf(query, base) {
  const [resource, ...more] = query.getAll('resource');
  if (resource === undefined) return { slug: null, resource: '' };
  const slug = slugOfResource(resource, base);
  if (slug === null || more.some((other) => slugOfResource(other, base) !== slug)) throw noSuchResource();
  return { slug, resource };
}

/** @param {URLSearchParams} query @returns {ReadonlySet<string>} */
function promptOf(query) {
  const prompt = new Set(single(query, 'prompt').split(' ').filter(Boolean));
  if ([...prompt].some((each) => !PROMPTS.has(each)) || (prompt.has('none') && prompt.size > 1))
    throw new OAuthError('invalid_request', 'The parameter prompt is not valid.');
  return prompt;
}
