// Sign-in and log-out of users at an OpenID Connect provider: the requests of browsers and of the provider.

import { setTimeout as pause } from 'node:timers/promises';
import { randomNonce, randomPKCECodeVerifier, randomState } from 'openid-client';
import { FrontError } from '../errors.mjs';
import { ACCOUNT_PATH, mayOpen } from '../access/areas.mjs';
import { newNonce } from '../access/cookie.mjs';
import { isForm, readText } from '../http/form.mjs';
import { plainPath, redirect, safePath, sendJson, withSecret } from '../http/page_answers.mjs';
import { baseOf } from '../oauth/urls.mjs';
import { FLOW_SECONDS, Flows } from './flows.mjs';
import { invalid, LogoutTokens } from './logout_token.mjs';
import { Provider } from './provider.mjs';
import { describeFailure } from './provider_errors.mjs';
import { Seal } from './seal.mjs';

/**
 * @typedef {import('node:http').IncomingMessage} Request
 * @typedef {import('node:http').ServerResponse} Response
 * @typedef {Pick<import('../state/hub.mjs').HubClient, 'askAdapter'>} Adapter
 * @typedef {import('../access/auth.mjs').Auth} Auth
 * @typedef {import('../access/principals.mjs').Principals} Principals
 * @typedef {import('./provider.mjs').SignedIn} SignedIn
 */

/** Milliseconds that the login page waits for the provider's metadata. */
const TROUBLE_WAIT_MS = 1_000;
/** Limit for the bytes of a log-out token. */
const MAX_TOKEN_BYTES = 32 * 1024;
/** Limit for the length of an ID token that the browser keeps for the log-out; browsers keep 4 KiB in a cookie. */
const MAX_HINT_LENGTH = 2600;

/** Serves /login/oidc, /login/oidc/callback and /logout/backchannel, and the provider's part of log-outs. */
export class SignIn {
  /**
   * @param {Auth} auth @param {Adapter} adapter @param {import('../log.mjs').Log} log
   * @param {{provider?: Provider}} [parts]
   */
  constructor(auth, adapter, log, { provider } = {}) {
    this.auth = auth;
    this.adapter = adapter;
    this.log = log;
    this.client = /** @type {import('../../../bridge/node/types.mjs').OidcClient} */ (auth.settings.oidc);
    this.provider = provider ?? new Provider(this.client, log);
    const key = /** @type {import('../access/cookie.mjs').Cookies} */ (auth.cookies).key;
    this.flows = new Flows(key);
    this.hints = new Seal(key, 'oidc log-out');
    this.tokens = new LogoutTokens();
  }

  /** Name of the provider. */
  get name() {
    return this.client.name;
  }

  /** Return why nobody can sign in at the provider now; null if nothing is known. Waits a second at most. */
  async trouble() {
    const found = this.provider.find().then(
      () => null,
      () => this.provider.failure,
    );
    return Promise.race([found, pause(TROUBLE_WAIT_MS, null, { ref: false })]);
  }

  /**
   * Send the browser to the provider.
   * @param {Request} request @param {Response} response
   * @throws {FrontError} OIDC_PROVIDER_AWAY, OIDC_PROVIDER_INVALID
   */
  async begin(request, response) {
    const { searchParams: query } = new URL(request.url ?? '/', 'http://hub.invalid');
    const base = baseOf(request, this.auth.settings);
    if (!isAt(request, base)) return redirect(response, 302, `${base}${request.url}`); // where its cookie will be
    const secrets = { state: randomState(), nonce: randomNonce(), verifier: randomPKCECodeVerifier() };
    const url = await this.provider.authorizationUrl({ ...secrets, base }, { select: query.has('select') });
    const flow = { ...secrets, base, next: safePath(query.get('next')) };
    const value = this.flows.add(this.auth.cookieOf(request, 'flow'), flow);
    response.setHeader('Set-Cookie', this.#flowCookie(request, value));
    redirect(response, 302, url.href);
  }

  /**
   * Take the provider's answer, which the browser brings; log the user in.
   * @param {Request} request @param {Response} response
   * @throws {FrontError} OIDC_…; BridgeError: the adapter cannot record the sign-in
   */
  async finish(request, response) {
    const { searchParams: answer } = new URL(request.url ?? '/', 'http://hub.invalid');
    const { flow, rest } = this.flows.take(this.auth.cookieOf(request, 'flow'), answer.get('state'));
    response.setHeader('Set-Cookie', this.#flowCookie(request, rest));
    let name = '';
    try {
      if (!flow) throw new FrontError('OIDC_STATE_UNKNOWN');
      const signedIn = await this.provider.exchange(flow, answer);
      name = signedIn.identity.email || signedIn.identity.name;
      const { principal, cookies, secret } = await this.#logIn(request, signedIn);
      response.setHeader('Set-Cookie', [this.#flowCookie(request, rest), ...cookies]);
      this.auth.noteSignIn(request, 'oidc', principal.name);
      const next = mayOpen(principal, plainPath(flow.next)) ? flow.next : ACCOUNT_PATH;
      redirect(response, 303, withSecret(next, secret));
    } catch (error) {
      this.auth.noteSignIn(request, 'oidc', name, error);
      throw error;
    }
  }

  /**
   * Record the user and the login; return what the browser gets.
   * @param {Request} request @param {SignedIn} signedIn
   */
  async #logIn(request, { identity, sid, idToken }) {
    const principals = /** @type {Principals} */ (this.auth.principals);
    const { id } = await this.adapter.askAdapter('sign_in_user', identity);
    const [nonce, seconds] = [newNonce(), Math.floor(this.client.sessionSeconds)];
    const until = Math.floor(Date.now() / 1000) + seconds;
    const login = { id: nonce, principal: id, until, sid: sid.slice(0, 256), issuer: identity.issuer };
    await this.adapter.askAdapter('begin_login', login);
    principals.journal.refresh();
    const principal = principals.holder(id, nonce);
    if (!principal) throw new FrontError('HUB_AWAY', 'The sign-in was recorded, and cannot be read.');
    this.log.info('signed in', { user: id, login: nonce, address: this.auth.addressOf(request) });
    const { header, secret } = this.auth.logIn(principal, request, { nonce, seconds });
    return { principal, secret, cookies: [header, this.#hintCookie(request, idToken, seconds)] };
  }

  /**
   * End the login of a user, here and in the journal.
   * @param {Request} request
   * @returns {Promise<{header: string[], url: string | null}>} `header`: deletes its cookies; `url`: ends the session at
   *   the provider
   */
  async logOut(request) {
    const login = this.auth.who(request)?.login;
    const header = [this.auth.logOut(request), this.#hintCookie(request, '', 0)];
    const idToken = this.hints.open(this.auth.cookieOf(request, 'hint')) ?? '';
    if (login)
      await this.adapter.askAdapter('end_logins', { id: login.nonce }).catch((error) => {
        this.log.warning('a log-out is not recorded: a copy of its cookie counts again after a restart', {
          ...{ code: error?.code ?? 'HUB_INTERNAL', login: login.nonce },
        });
      });
    await this.provider.find().catch(() => null);
    return { header, url: this.provider.logOutUrl({ idToken, base: baseOf(request, this.auth.settings) }) };
  }

  /**
   * End logins on the provider's request (OpenID Connect Back-Channel Logout 1.0).
   * @param {Request} request @param {Response} response
   * @throws {FrontError} OIDC_PROVIDER_AWAY: its keys cannot be read; BridgeError: the adapter cannot end the logins
   */
  async endByProvider(request, response) {
    const ended = await this.#checked(request);
    if (!ended) {
      const refusal = { error: 'invalid_request', error_description: 'The log-out token is not valid.' };
      return sendJson(response, 400, refusal);
    }
    for (const which of selections(ended)) await this.adapter.askAdapter('end_logins', { ...which, grants: true });
    this.auth.principals?.journal.refresh();
    this.log.info('logged out by the provider', { issuer: ended.issuer });
    sendJson(response, 200, {});
  }

  /**
   * Return whose logins the token in a request ends; null if the token is not valid.
   * @param {Request} request
   */
  async #checked(request) {
    try {
      if (!isForm(request)) throw invalid('does not come in a form');
      const form = new URLSearchParams(await readText(request, MAX_TOKEN_BYTES));
      const { config, keys } = await this.provider.find();
      if (!keys) throw invalid('cannot be checked: the provider names no keys');
      const { issuer } = config.serverMetadata();
      const { clientId } = this.client;
      return await this.tokens.check(form.get('logout_token') ?? '', { issuer, clientId, keys });
    } catch (failure) {
      const { error, why } = describeFailure(failure, this.client.name);
      if (error.status === 503) throw error;
      this.log.warning('a log-out by the provider was refused', { code: 'LOGOUT_TOKEN_INVALID', why });
      return null;
    }
  }

  /**
   * Return the path to which a request for a sign-in, or its end, leads.
   * @param {Request} request
   */
  nextOf(request) {
    const { searchParams: query } = new URL(request.url ?? '/', 'http://hub.invalid');
    const { flow } = this.flows.take(this.auth.cookieOf(request, 'flow'), query.get('state'));
    return safePath(flow?.next ?? query.get('next'));
  }

  /** @param {Request} request @param {string} value */
  #flowCookie(request, value) {
    return this.auth.setCookie(request, 'flow', value, { age: value ? FLOW_SECONDS : 0, path: '/login' });
  }

  /** @param {Request} request @param {string} idToken @param {number} seconds */
  #hintCookie(request, idToken, seconds) {
    const value = idToken && idToken.length <= MAX_HINT_LENGTH ? this.hints.seal(idToken) : '';
    return this.auth.setCookie(request, 'hint', value, { age: value ? seconds : 0, path: '/logout' });
  }
}

/** @param {Request} request @param {string} base */
const isAt = ({ headers: { host = '' } }, base) => new URL(base).host === new URL(`http://${host}`).host;

/**
 * Return the logins that a log-out token ends: those of the session, and of the user those of an unknown session.
 * @param {import('./logout_token.mjs').Ended} ended
 */
const selections = ({ issuer, sub, sid }) => [
  ...(sid === undefined ? [{ issuer, sub }] : [{ issuer, sid }]),
  ...(sid !== undefined && sub !== undefined ? [{ issuer, sub, sid: '' }] : []),
];
