// The part of the authorization server that a user sees: GET /oauth/authorize, and POST /oauth/consent with the answer.

import { readForm } from '../http/form.mjs';
import { redirect, sendPage } from './answers.mjs';
import { askedOf, redirectUriOf, single, stateOf } from './authorization_request.mjs';
import { consentPage, errorPage } from './pages/consent_page.mjs';
import { Consents } from './consents.mjs';
import { SCOPE } from './metadata.mjs';
import { noSuchResource, OAuthError, oauthErrorOf } from './oauth_error.mjs';
import { isLocal, redirectHost, withParameters } from './clients/redirect_uris.mjs';
import { baseOf, workspaceOfSlug } from './urls.mjs';
import { usableWorkspaces } from './usable_workspaces.mjs';
import { isUser } from '../access/principals.mjs';

/**
 * @typedef {import('node:http').IncomingMessage} Request
 * @typedef {import('node:http').ServerResponse} Response
 * @typedef {import('./clients/client_metadata.mjs').Client} Client
 * @typedef {import('../access/auth.mjs').Who} Who
 * @typedef {{client: Client, redirectUri: string, state: string | undefined}} Recipient  who gets the answer
 */

const START_AGAIN = 'Start again in the application that you want to connect.';
/** Errors of `issue_code` that mean that the workspace, or the right to use it, has gone meanwhile. */
const NO_LONGER_USABLE = new Set(['NO_SUCH_WORKSPACE', 'OAUTH_WORKSPACE', 'PRINCIPAL_UNKNOWN']);

/** Answers the requests of browsers. */
export class Authorize {
  /**
   * @param {object} parts
   * @param {import('../access/auth.mjs').Auth} parts.auth
   * @param {import('../state/hub.mjs').HubClient} parts.hub
   * @param {import('../settings.mjs').Settings} parts.settings
   * @param {import('../log.mjs').Log} parts.log
   * @param {import('./clients/clients.mjs').Clients} parts.clients
   */
  constructor({ auth, hub, settings, log, clients }) {
    this.auth = auth;
    this.hub = hub;
    this.settings = settings;
    this.log = log;
    this.clients = clients;
    this.consents = new Consents();
  }

  /** Answer an authorization request. @param {Request} request @param {Response} response */
  async authorize(request, response) {
    const query = queryOf(request);
    try {
      await this.#authorize(request, response, query);
    } catch (error) {
      this.#showError(response, error);
    }
  }

  /** @param {Request} request @param {Response} response @param {URLSearchParams} query */
  async #authorize(request, response, query) {
    const who = this.#whoOf(request);
    const id = single(query, 'client_id');
    if (id === '') throw new OAuthError('invalid_request', 'The parameter client_id is missing.');
    // Nobody but a user who is signed in makes the hub fetch a document.
    if (!who && this.clients.hasDocument(id)) return redirect(response, loginPath(query));
    const client = await this.clients.find(id);
    const to = { client, redirectUri: redirectUriOf(query, client), state: stateOf(query) };
    try {
      await this.#ask(request, response, { query, who, to });
    } catch (error) {
      const told = oauthErrorOf(error);
      if (!told) throw error;
      // A site is not told before its user has signed in: else anybody's link to the hub could lead there (RFC 9700,
      // 4.11.2). A program on the user's computer is.
      if (!who && !isLocal(to.redirectUri) && told.code !== 'login_required') redirect(response, loginPath(query));
      else this.#answer(request, response, to, { error: told.code, error_description: told.message });
    }
  }

  /**
   * Ask the user, who signs in first.
   * @param {Request} request @param {Response} response
   * @param {{query: URLSearchParams, who: Who | null, to: Recipient}} asking
   */
  async #ask(request, response, { query, who, to }) {
    const { challenge, slug, resource, prompt } = askedOf(query, baseOf(request, this.settings));
    if (prompt.has('none'))
      throw new OAuthError(who ? 'consent_required' : 'login_required', 'The user has to be asked.');
    if (!who?.login) return redirect(response, loginPath(query));
    if (prompt.has('login') || prompt.has('select_account'))
      return redirect(response, loginPath(query, { again: true }));
    const usable = await usableWorkspaces(this.hub, who.principal);
    const found = slug === null ? usable : [workspaceOfSlug(usable, slug)].filter((each) => each !== undefined);
    if (found.length === 0) throw noSuchResource();
    const workspaces = found.map(({ name }) => name);
    const ticket = this.consents.ask({ ...to, challenge, resource, workspaces, login: who.login.nonce });
    const shown = { workspaces, ticket, again: loginPath(query, { again: true }), who: who.principal.name };
    sendPage(response, 200, consentPage({ client: to.client, redirectUri: to.redirectUri, ...shown }));
  }

  /** Take the user's answer to a question. @param {Request} request @param {Response} response */
  async consent(request, response) {
    try {
      const form = await readForm(request, 'Send the form of the page /oauth/authorize.');
      await this.#decide(request, response, form);
    } catch (error) {
      this.#showError(response, error);
    }
  }

  /** @param {Request} request @param {Response} response @param {URLSearchParams} form */
  async #decide(request, response, form) {
    const who = this.#whoOf(request);
    const secret = single(form, 'hub_page');
    if (!who?.login || !this.auth.isPageSecret(request, secret))
      throw new OAuthError('login_required', 'The form does not come from a page that you have opened.', {
        status: 403,
      });
    const consent = this.consents.take(single(form, 'ticket'), who.login.nonce);
    if (!consent) throw new OAuthError('invalid_request', 'This question was answered already, or is too old.');
    if (single(form, 'decision') !== 'approve') {
      this.log.info('a client was denied access', { client: consent.client.id, principal: who.principal.id });
      return this.#answer(request, response, consent, {
        error: 'access_denied',
        error_description: 'The user has denied access.',
      });
    }
    const workspace = consent.workspaces.length === 1 ? consent.workspaces[0] : single(form, 'workspace');
    if (!consent.workspaces.includes(workspace))
      throw new OAuthError('invalid_request', 'The form names no workspace that can be chosen.');
    await this.#approve(request, response, { consent, workspace, principal: who.principal.id });
  }

  /**
   * @param {Request} request @param {Response} response
   * @param {{consent: import('./consents.mjs').Consent, workspace: string, principal: string}} approved
   */
  async #approve(request, response, { consent, workspace, principal }) {
    const { client, redirectUri, challenge, resource } = consent;
    try {
      const { code } = await this.hub.askAdapter('issue_code', {
        client: client.id,
        client_name: client.name || redirectHost(redirectUri),
        redirect_uri: redirectUri,
        challenge,
        workspace,
        scopes: [SCOPE],
        principal,
        resource,
        ...(isUser(principal) && { login: this.auth.who(request)?.login?.nonce ?? '' }),
      });
      this.log.info('a client was allowed access', { client: client.id, principal, workspace });
      this.#answer(request, response, consent, { code });
    } catch (error) {
      const gone = error instanceof Error && 'code' in error && NO_LONGER_USABLE.has(String(error.code));
      const told = gone ? noSuchResource() : oauthErrorOf(error);
      if (!told) throw error;
      this.#answer(request, response, consent, { error: told.code, error_description: told.message });
    }
  }

  /**
   * Send the browser to the client with an answer (RFC 6749, 4.1.2; `iss` against mix-up: RFC 9207). After a login, the
   * URL of a GET request has the page's secret in its fragment, which a redirect without a fragment of its own would
   * inherit (Fetch standard, HTTP-redirect fetch).
   * @param {Request} request @param {Response} response @param {Recipient} to @param {Record<string, string>} parameters
   */
  #answer(request, response, { redirectUri, state }, parameters) {
    const fragment = request.method === 'POST' ? '' : '#';
    const answer = { ...parameters, state, iss: baseOf(request, this.settings) };
    redirect(response, `${withParameters(redirectUri, answer)}${fragment}`);
  }

  /** Return the browser login of a request. @param {Request} request */
  #whoOf(request) {
    const who = this.auth.who(request);
    return who?.login ? who : null;
  }

  /** Show an error that no client is told. @param {Response} response @param {unknown} error */
  #showError(response, error) {
    const told = oauthErrorOf(error);
    if (!told) throw error;
    const { code, message, status } = told;
    sendPage(response, status, errorPage({ title: 'Not connected', message, hint: START_AGAIN, code }));
  }
}

/** @param {Request} request */
const queryOf = ({ url = '' }) => new URLSearchParams(url.split('?').slice(1).join('?'));

/**
 * Return the path of the login that leads back to an authorization request.
 * @param {URLSearchParams} query @param {{again?: boolean}} [options]  `again`: also if somebody is signed in
 */
function loginPath(query, { again = false } = {}) {
  const rest = new URLSearchParams(query);
  const prompt = (rest.get('prompt') ?? '').split(' ').filter((each) => each !== 'login' && each !== 'select_account');
  rest.delete('prompt'); // what asks for a login is satisfied by it, and must not ask for another
  if (prompt.join(' ')) rest.set('prompt', prompt.join(' '));
  return `/login?${new URLSearchParams({ next: `/oauth/authorize?${rest}`, ...(again && { again: '1' }) })}`;
}
