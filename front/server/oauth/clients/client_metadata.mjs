// What a client says of itself, when it registers (RFC 7591, 2) or in its metadata document. All of it is untrusted.
// Pure.

import { OAuthError } from '../oauth_error.mjs';
import { redirectUriFault } from './redirect_uris.mjs';

/**
 * @typedef {object} Client
 * @property {string} id
 * @property {string} name  without control characters; may be empty
 * @property {readonly string[]} redirectUris
 * @property {string} uri  its home page; may be empty
 */

const MAX_REDIRECT_URIS = 10;
const MAX_NAME_LENGTH = 100;
const MAX_HOME_LENGTH = 512;
/** Controls, and what changes the direction or the place of text that follows. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu;

/**
 * Return the client that metadata describes.
 *
 * Members that the hub does not use are ignored, also grant types that it does not have (VS Code lists `device_code`).
 * @param {unknown} metadata
 * @param {string} [documentUrl]  of a metadata document, which must name itself
 * @returns {Client}
 * @throws {OAuthError} invalid_redirect_uri, invalid_client_metadata, invalid_client
 */
export function clientOf(metadata, documentUrl) {
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata))
    throw new OAuthError('invalid_client_metadata', 'The metadata of the client is not a JSON object.');
  const given = /** @type {Record<string, unknown>} */ (metadata);
  if (documentUrl !== undefined) checkDocument(given, documentUrl);
  checkUses(given);
  return {
    id: documentUrl ?? '',
    name: plainName(given.client_name),
    redirectUris: redirectUrisOf(given.redirect_uris),
    uri: homeOf(given.client_uri),
  };
}

/** @param {Record<string, unknown>} given @param {string} url */
function checkDocument({ client_id: id, client_secret: secret, token_endpoint_auth_method: method }, url) {
  if (id !== url) throw new OAuthError('invalid_client', 'The document names another client_id than its own URL.');
  if (secret !== undefined || (typeof method === 'string' && method.startsWith('client_secret')))
    throw new OAuthError('invalid_client', 'The document of a client contains or requires a secret.');
}

/** Check that what the hub offers is among what the client uses. @param {Record<string, unknown>} given */
function checkUses({ grant_types: grants = ['authorization_code'], response_types: responses = ['code'] }) {
  if (!includes(grants, 'authorization_code'))
    throw new OAuthError('invalid_client_metadata', 'grant_types must contain authorization_code.');
  if (!includes(responses, 'code'))
    throw new OAuthError('invalid_client_metadata', 'response_types must contain code.');
}

/** @param {unknown} list @param {string} item */
const includes = (list, item) => Array.isArray(list) && list.includes(item);

/** @param {unknown} given @returns {string[]} */
function redirectUrisOf(given) {
  if (!Array.isArray(given) || given.length === 0 || given.length > MAX_REDIRECT_URIS)
    throw new OAuthError('invalid_redirect_uri', `redirect_uris must be a list of 1 to ${MAX_REDIRECT_URIS} URIs.`);
  const [fault] = given.flatMap((uri, index) => {
    const why = redirectUriFault(uri);
    return why === null ? [] : [`redirect_uris[${index}] ${why}.`];
  });
  if (fault) throw new OAuthError('invalid_redirect_uri', fault);
  return [...new Set(/** @type {string[]} */ (given))];
}

/** Return a name as it may be shown: on one line, without invisible characters, not too long. @param {unknown} name */
export function plainName(name) {
  if (typeof name !== 'string') return '';
  const visible = name.slice(0, 10 * MAX_NAME_LENGTH).replace(INVISIBLE, ' ');
  return [...visible.replace(/\s+/g, ' ').trim()].slice(0, MAX_NAME_LENGTH).join('').trim();
}

/** @param {unknown} uri */
function homeOf(uri) {
  const usable =
    typeof uri === 'string' &&
    uri.length <= MAX_HOME_LENGTH &&
    /^https?:\/\/[\x21-\x7e]+$/.test(uri) &&
    URL.canParse(uri);
  return usable ? uri : '';
}
