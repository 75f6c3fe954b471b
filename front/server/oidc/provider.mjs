// The OpenID Connect provider of the hub: its metadata, requests to it, and the checks of its answers.

import { readFileSync } from 'node:fs';
import { jwtVerify } from 'jose';
import * as openid from 'openid-client';
import { FrontError } from '../errors.mjs';
import { identityOf, isIncomplete } from './claims.mjs';
import { keysAt } from './keys.mjs';
import { away, describeFailure, RETRY_SECONDS } from './provider_errors.mjs';
import { fetchFor, isLocal } from './provider_fetch.mjs';

/**
 * @import {OidcClient} from '../../../bridge/node/types.mjs'
 * @import {Flow} from './flows.mjs'
 * @import {Identity} from './claims.mjs'
 * @typedef {import('jose').JWTVerifyGetKey} Keys
 * @typedef {{config: openid.Configuration, keys: Keys | null, at: number}} Found  `keys`: null if the provider names none
 * @typedef {{identity: Identity, sid: string, idToken: string}} SignedIn  `sid`: its session at the provider, if it says
 */

/** Seconds that clocks of hub and provider may differ. */
export const CLOCK_SKEW_SECONDS = 60;
/** Seconds for one request to the provider. */
const TIMEOUT_SECONDS = 10;
/** Milliseconds after which its metadata is read anew. */
const METADATA_AGE_MS = 3_600_000;

/** One provider. Its metadata is read when it is first needed, and again if that has failed. */
export class Provider {
  /** @type {Found | null} */
  #found = null;
  /** @type {Promise<Found> | null} */
  #asking = null;
  /** When its metadata may be requested again after a failure (ms). */
  #retryAt = -Infinity;
  /** @type {FrontError | null} */
  #failure = null;

  /**
   * @param {OidcClient} client @param {import('../log.mjs').Log} log
   * @param {() => number} [clock]  milliseconds
   */
  constructor(client, log, clock = () => performance.now()) {
    this.client = client;
    this.log = log;
    this.clock = clock;
    this.fetch = fetchFor(client.issuer);
  }

  /** The error with which its metadata could not be read at the last attempt; null: it could, or is not known yet. */
  get failure() {
    return this.#failure;
  }

  /**
   * Return the URL at the provider with which a sign-in begins.
   * @param {Omit<Flow, 'next' | 'at'>} flow @param {{select?: boolean}} [options] `select`: the user is to choose an account
   * @throws {FrontError} OIDC_PROVIDER_AWAY, OIDC_PROVIDER_INVALID
   */
  async authorizationUrl({ state, nonce, verifier, base }, { select = false } = {}) {
    const { config } = await this.find();
    const { domains, scopes } = this.client;
    // No `resource`: Microsoft Entra refuses it beside scopes (AADSTS9010010).
    return openid.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri(base),
      scope: scopes,
      code_challenge: await openid.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      ...{ state, nonce },
      ...(domains.length === 1 && { hd: domains[0] }),
      ...(select && { prompt: 'select_account' }),
    });
  }

  /**
   * Exchange the code in the provider's answer, and check all that the provider says.
   * @param {Flow} flow @param {URLSearchParams} answer  the query of the callback
   * @returns {Promise<SignedIn>}
   * @throws {FrontError} OIDC_… and what the metadata may raise
   */
  async exchange({ state, nonce, verifier, base }, answer) {
    const found = await this.find();
    const url = new URL(`${redirectUri(base)}?${answer}`);
    const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true };
    return this.#watched('the sign-in failed', async () => {
      const tokens = await openid.authorizationCodeGrant(found.config, url, checks);
      const idToken = tokens.id_token ?? '';
      const claims = /** @type {Record<string, any>} */ (tokens.claims() ?? {});
      await this.#checkSignature(idToken, found);
      const identity = identityOf(await this.#completed(claims, tokens.access_token, found), this.client);
      return { identity, sid: typeof claims.sid === 'string' ? claims.sid : '', idToken };
    });
  }

  /**
   * Return the URL at the provider that ends the user's session there (OpenID Connect RP-Initiated Logout 1.0).
   * @param {{idToken: string, base: string}} login
   * @returns {string | null} null: the provider has no such URL, or is away
   */
  logOutUrl({ idToken, base }) {
    const config = this.#found?.config;
    if (!config?.serverMetadata().end_session_endpoint) return null;
    const query = new URLSearchParams({ post_logout_redirect_uri: `${base}/login` });
    if (idToken) query.set('id_token_hint', idToken);
    return openid.buildEndSessionUrl(config, query).href;
  }

  /**
   * Return its metadata and keys.
   * @returns {Promise<Found>}
   * @throws {FrontError} OIDC_PROVIDER_AWAY, OIDC_PROVIDER_INVALID
   */
  async find() {
    const fresh = this.#found !== null && this.clock() - this.#found.at < METADATA_AGE_MS;
    if (this.#found && (fresh || this.clock() < this.#retryAt)) return this.#found;
    if (this.#failure && this.clock() < this.#retryAt) throw this.#failure;
    this.#asking ??= this.#discover().finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  /** @returns {Promise<Found>} */
  async #discover() {
    try {
      const config = await this.#configuration();
      const { jwks_uri: uri } = config.serverMetadata();
      const keys = uri ? keysAt(new URL(uri), { fetch: this.fetch, seconds: TIMEOUT_SECONDS }) : null;
      this.#failure = null;
      this.#found = { config, keys, at: this.clock() };
      return this.#found;
    } catch (error) {
      this.#retryAt = this.clock() + RETRY_SECONDS * 1000;
      this.#failure = this.#metadataFailure(error);
      if (this.#found) return this.#found; // what was known stays in force
      throw this.#failure;
    }
  }

  /** @returns {Promise<openid.Configuration>} */
  async #configuration() {
    const { issuer, clientId } = this.client;
    const execute = isLocal(issuer) ? [openid.allowInsecureRequests] : [];
    const options = { execute, timeout: TIMEOUT_SECONDS, [openid.customFetch]: this.fetch };
    const metadata = { [openid.clockTolerance]: CLOCK_SKEW_SECONDS };
    const config = await openid.discovery(new URL(issuer), clientId, metadata, authentication(this.client), options);
    const named = config.serverMetadata().issuer;
    if (withoutSlash(named) !== withoutSlash(issuer)) throw new Error(`the metadata is of the issuer ${named}`);
    return config;
  }

  /** @param {unknown} error @returns {FrontError} */
  #metadataFailure(error) {
    const { name, issuer } = this.client;
    const { error: found, why } = describeFailure(error, name);
    this.log.warning('the OpenID provider cannot be used', { code: found.code, issuer, why });
    if (found.code === 'OIDC_PROVIDER_AWAY') return away(name);
    return new FrontError('OIDC_PROVIDER_INVALID', `The metadata of ${name} cannot be used.`);
  }

  /** @param {string} idToken @param {Found} found */
  async #checkSignature(idToken, { keys }) {
    if (!keys) throw new FrontError('OIDC_PROVIDER_INVALID', `${this.client.name} names no keys (jwks_uri).`);
    await jwtVerify(idToken, keys, { clockTolerance: CLOCK_SKEW_SECONDS });
  }

  /**
   * Return the claims of the ID token, and from the userinfo endpoint those that it lacks.
   * @param {Record<string, any>} claims @param {string} accessToken @param {Found} found
   */
  async #completed(claims, accessToken, { config }) {
    const { client } = this;
    if (!client.asksUserinfo || !isIncomplete(claims, client) || !config.serverMetadata().userinfo_endpoint)
      return claims;
    try {
      return joined(claims, await openid.fetchUserInfo(config, accessToken, claims.sub));
    } catch (error) {
      if (!(error instanceof openid.WWWAuthenticateChallengeError)) throw error;
      throw new FrontError('OIDC_ANSWER_INVALID', `${client.name} says nothing about the user (userinfo endpoint).`);
    }
  }

  /**
   * @template T
   * @param {string} what  for the log @param {() => Promise<T>} act
   * @returns {Promise<T>}
   */
  async #watched(what, act) {
    try {
      return await act();
    } catch (failure) {
      const { error, why } = describeFailure(failure, this.client.name);
      this.log.warning(what, { code: error.code, issuer: this.client.issuer, why });
      throw error;
    }
  }
}

/**
 * Return how the hub authenticates at the token endpoint. The secret is read each time, because it may be replaced.
 * @param {OidcClient} client
 * @returns {openid.ClientAuth}
 */
function authentication({ clientSecretFile: file, clientAuth }) {
  if (!file) return openid.None();
  return (server, client, body, headers) => {
    const secret = readFileSync(file, 'utf8').trim();
    const supported = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
    const [first, other] = clientAuth === 'basic' ? ['basic', 'post'] : ['post', 'basic'];
    const method = supported.includes(`client_secret_${first}`) ? first : other;
    const authenticate = method === 'basic' ? openid.ClientSecretBasic(secret) : openid.ClientSecretPost(secret);
    authenticate(server, client, body, headers);
  };
}

/**
 * Return claims of the ID token with those of the userinfo endpoint that it lacks. Address and its verification are of
 * the same source.
 * @param {Record<string, any>} claims @param {Record<string, any>} more
 */
function joined(claims, more) {
  const { email, email_verified: verified, xms_edov: owned, ...rest } = more;
  const same = claims.email === undefined || claims.email === email;
  return { ...rest, ...(same && { email, email_verified: verified, xms_edov: owned }), ...claims };
}

/** @param {string} issuer */
const withoutSlash = (issuer) => issuer.replace(/\/$/, '');

/** The redirect URI, which has to be registered at the provider. @param {string} base */
export const redirectUri = (base) => `${base}/login/oidc/callback`;
