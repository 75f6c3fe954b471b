// The part of the authorization server that clients call themselves: registration, tokens, revocation. All clients are
// public: they have no secret, and prove with PKCE that a code is theirs.

import { readForm, readText } from '../http/form.mjs';
import { isJson } from '../access/guard.mjs';
import { sendError, sendJson } from './answers.mjs';
import { single } from './authorization_request.mjs';
import { clientOf } from './clients/client_metadata.mjs';
import { SCOPE } from './metadata.mjs';
import { noSuchResource, OAuthError, oauthErrorOf } from './oauth_error.mjs';
import { Rate } from './rate.mjs';
import { redirectHost } from './clients/redirect_uris.mjs';
import { baseOf, slugOfResource } from './urls.mjs';

/**
 * @typedef {import('node:http').IncomingMessage} Request
 * @typedef {import('node:http').ServerResponse} Response
 * @typedef {import('../../../bridge/node/types.mjs').Tokens} Tokens
 */

const MAX_METADATA_BYTES = 16 * 1024;
/** Clients of cloud services share addresses, so these limits are generous; the adapter bounds what is stored. */
const REGISTRATIONS = { burst: 20, perMinute: 10 };
const FAILURES = { burst: 120, perMinute: 60 };
const CODE = /^yhc_[A-Za-z0-9_-]{43}$/;
const REFRESH_TOKEN = /^yhr_[A-Za-z0-9_-]{43}$/;
const VERIFIER = /^[A-Za-z0-9._~-]{43,128}$/;
const FORM_HINT = 'Send application/x-www-form-urlencoded, as RFC 6749 describes.';
const MAX_ID_LENGTH = 2048;

/** Answers the requests of clients. */
export class ClientEndpoints {
  /**
   * @param {object} parts
   * @param {import('../access/auth.mjs').Auth} parts.auth
   * @param {import('../state/hub.mjs').HubClient} parts.hub
   * @param {import('../settings.mjs').Settings} parts.settings
   * @param {import('../log.mjs').Log} parts.log
   */
  constructor({ auth, hub, settings, log }) {
    this.auth = auth;
    this.hub = hub;
    this.settings = settings;
    this.log = log;
    this.registrations = new Rate(REGISTRATIONS);
    this.failures = new Rate(FAILURES);
  }

  // --- registration (RFC 7591) -------------------------------------------------------------------------------------

  /** @param {Request} request @param {Response} response */
  register(request, response) {
    return this.#answer(request, response, async () => {
      const wait = this.registrations.take(this.auth.addressOf(request));
      if (wait > 0) {
        request.resume();
        throw tooMany(wait, 'registrations');
      }
      const { name, redirectUris, uri } = clientOf(await metadataOf(request));
      const body = { name: name || redirectHost(redirectUris[0]), redirect_uris: [...redirectUris], uri };
      const { id, issued_at: issuedAt } = await this.hub.askAdapter('register_client', body);
      this.log.info('a client was registered', { client: id, name: body.name });
      sendJson(response, 201, {
        client_id: id,
        client_id_issued_at: issuedAt,
        client_name: body.name,
        redirect_uris: redirectUris,
        ...(uri && { client_uri: uri }),
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        scope: SCOPE,
      });
    });
  }

  // --- tokens (OAuth 2.1, 3.2) -------------------------------------------------------------------------------------

  /** @param {Request} request @param {Response} response */
  token(request, response) {
    return this.#answer(request, response, async () => {
      const wait = this.failures.wait(this.auth.addressOf(request));
      if (wait > 0) {
        request.resume();
        throw tooMany(wait, 'failed requests');
      }
      const form = await readForm(request, FORM_HINT);
      try {
        sendTokens(response, await this.#tokens(request, form));
      } catch (error) {
        if (isFailure(error)) this.failures.count(this.auth.addressOf(request));
        throw error;
      }
    });
  }

  /** @param {Request} request @param {URLSearchParams} form @returns {Promise<Tokens>} */
  async #tokens(request, form) {
    const type = single(form, 'grant_type');
    if (type === '') throw new OAuthError('invalid_request', 'The parameter grant_type is missing.');
    const client = clientIdOf(request, form);
    const resource = this.#resourceOf(request, form);
    if (type === 'authorization_code') return this.#redeem(form, client, resource);
    if (type === 'refresh_token') return this.#refresh(form, client, resource);
    throw new OAuthError('unsupported_grant_type', 'The hub supports authorization_code and refresh_token.');
  }

  /** @param {URLSearchParams} form @param {string} client @param {string} resource */
  #redeem(form, client, resource) {
    const [code, verifier] = [single(form, 'code'), single(form, 'code_verifier')];
    if (code === '') throw new OAuthError('invalid_request', 'The parameter code is missing.');
    if (verifier === '') throw new OAuthError('invalid_request', 'PKCE is required: code_verifier is missing.');
    if (!CODE.test(code)) throw new OAuthError('invalid_grant', 'The code is not valid.');
    if (!VERIFIER.test(verifier)) throw new OAuthError('invalid_grant', 'The code_verifier is not one of PKCE.');
    const redirectUri = single(form, 'redirect_uri');
    return this.hub.askAdapter('redeem_code', { code, client, redirect_uri: redirectUri, verifier, resource });
  }

  /** @param {URLSearchParams} form @param {string} client @param {string} resource */
  #refresh(form, client, resource) {
    const token = single(form, 'refresh_token');
    if (token === '') throw new OAuthError('invalid_request', 'The parameter refresh_token is missing.');
    if (!REFRESH_TOKEN.test(token)) throw new OAuthError('invalid_grant', 'The refresh_token is not valid.');
    return this.hub.askAdapter('refresh_grant', { refresh_token: token, client, resource, scopes: [] });
  }

  /**
   * Return the `resource` of a request (RFC 8707); empty if it names none.
   * @param {Request} request @param {URLSearchParams} form
   */
  #resourceOf(request, form) {
    const [resource = '', ...more] = form.getAll('resource');
    const base = baseOf(request, this.settings);
    const slug = resource === '' ? null : slugOfResource(resource, base);
    if (resource !== '' && (slug === null || more.some((other) => slugOfResource(other, base) !== slug)))
      throw noSuchResource();
    return resource;
  }

  // --- revocation (RFC 7009) ---------------------------------------------------------------------------------------

  /** @param {Request} request @param {Response} response */
  revoke(request, response) {
    return this.#answer(request, response, async () => {
      const form = await readForm(request, FORM_HINT);
      const token = single(form, 'token');
      if (token === '') throw new OAuthError('invalid_request', 'The parameter token is missing.');
      const client = single(form, 'client_id');
      if (/^yh[ar]_[A-Za-z0-9_-]{43}$/.test(token) && client.length <= MAX_ID_LENGTH)
        await this.hub.askAdapter('revoke_token', { token, client });
      sendJson(response, 200, {}); // also for a token that is not valid (2.2)
    });
  }

  // --- all ---------------------------------------------------------------------------------------------------------

  /** @param {Request} request @param {Response} response @param {() => Promise<void>} handle */
  async #answer(request, response, handle) {
    try {
      await handle();
    } catch (error) {
      const told = oauthErrorOf(error);
      if (!told) throw error;
      sendError(response, told);
      if (told.status >= 500)
        this.log.warning('a client could not be answered', { path: request.url, code: told.code });
    }
  }
}

/** Whether an error is the client's fault, and no process of the hub is away. @param {unknown} error */
const isFailure = (error) => (oauthErrorOf(error)?.status ?? 500) < 500;

/** @param {number} wait  seconds @param {string} what */
const tooMany = (wait, what) =>
  new OAuthError('slow_down', `Too many ${what} came from this address.`, { status: 429, retryAfter: wait });

/** @param {Request} request @returns {Promise<unknown>} */
async function metadataOf(request) {
  if (!isJson(request.headers['content-type'] ?? '')) {
    request.resume();
    throw new OAuthError('invalid_client_metadata', 'The Content-Type of a registration is application/json.');
  }
  const text = await readText(request, MAX_METADATA_BYTES);
  try {
    return JSON.parse(text);
  } catch {
    throw new OAuthError('invalid_client_metadata', 'The body of the registration is not JSON.');
  }
}

/**
 * Return the id of the client that sends a request: in the form, or as the user name of Basic.
 * @param {Request} request @param {URLSearchParams} form
 */
function clientIdOf({ headers: { authorization = '' } }, form) {
  const basic = /^basic +([A-Za-z0-9+/=]+)$/i.exec(authorization)?.[1];
  const id =
    single(form, 'client_id') ||
    decoded(
      Buffer.from(basic ?? '', 'base64')
        .toString()
        .split(':')[0],
    );
  if (id === '') throw new OAuthError('invalid_request', 'The parameter client_id is missing.');
  if (id.length > MAX_ID_LENGTH) throw new OAuthError('invalid_client', 'The client_id is too long.', { status: 401 });
  return id;
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}

/** @param {Response} response @param {Tokens} tokens */
function sendTokens(response, { access_token, refresh_token, expires_in, scopes }) {
  const scope = scopes.join(' ');
  sendJson(response, 200, { access_token, token_type: 'Bearer', expires_in, refresh_token, scope });
}
