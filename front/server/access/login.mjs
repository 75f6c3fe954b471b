// Log-in and log-out, by a form that needs no script, or by a link with a token. The only state is a cookie.

import { mayOpen, refusalOf } from './areas.mjs';
import { isLoginLink, pathOf, tokenIn } from './auth.mjs';
import { FrontError, headersOf, describeError } from '../errors.mjs';
import { loggedOutPage, loginPage, POLICY } from './login_page.mjs';
import { isUser } from './principals.mjs';
import { readForm } from '../http/form.mjs';
import { isOwnPage } from '../http/origin.mjs';
import { areaOf } from './guard.mjs';
import {
  plainPath,
  redirect,
  safePath,
  sendJson,
  sendPage,
  wantsJson,
  wantsPage,
  withoutToken,
  withSecret,
} from '../http/page_answers.mjs';

export { safePath };

/**
 * @typedef {import('node:http').IncomingMessage} Request
 * @typedef {import('node:http').ServerResponse} Response
 * @typedef {(request: Request, response: Response, error: unknown) => void} Refuse
 *
 * @typedef {object} SignIn  the sign-in of users at an OpenID provider (oidc/sign_in.mjs)
 * @property {string} name of the provider
 * @property {() => Promise<FrontError | null>} trouble why nobody can sign in there now
 * @property {(request: Request, response: Response) => Promise<void>} begin
 * @property {(request: Request, response: Response) => Promise<void>} finish
 * @property {(request: Request) => string} nextOf
 * @property {(request: Request, response: Response) => Promise<void>} endByProvider
 * @property {(request: Request) => Promise<{header: string[], url: string | null}>} logOut
 */

/** Errors that the login page shows. */
const LOGIN_PAGE_ERRORS = new Set(['TOKEN_REQUIRED', 'TOKEN_INVALID', 'KEY_FORBIDDEN', 'TOO_MANY_ATTEMPTS']);
/** Errors after which the user may want to choose another account at the provider. */
const OTHER_ACCOUNT = new Set(['OIDC_DOMAIN_REFUSED', 'OIDC_REFUSED']);
const SIGN_IN_PATHS = new Set(['/login/oidc', '/login/oidc/callback', '/logout/backchannel']);

/** Serves the login and log-out requests of a protected hub. */
export class Login {
  /**
   * @param {import('./auth.mjs').Auth} auth @param {import('../log.mjs').Log} log @param {Refuse} refuse
   * @param {(() => Promise<SignIn>) | null} [signIn]  null: users do not sign in at a provider
   */
  constructor(auth, log, refuse, signIn = null) {
    this.auth = auth;
    this.log = log;
    this.refuse = refuse;
    this.signIn = signIn;
  }

  /**
   * Answer a request if it is about login or log-out.
   * @param {Request} request @param {Response} response
   * @returns {boolean} whether it was
   */
  answers(request, response) {
    const path = pathOf(request.url ?? '');
    /** @param {Promise<void>} answering */
    const watched = (answering) => void answering.catch((error) => this.refuse(request, response, error));
    if (isLoginLink(request, areaOf(request.url ?? ''))) this.#byLink(request, response);
    else if (path === '/login' && request.method === 'POST') watched(this.#byForm(request, response));
    else if (path === '/login') watched(this.#page(request, response));
    else if (path === '/logout') watched(this.#logOut(request, response));
    else if (SIGN_IN_PATHS.has(path)) watched(this.#atProvider(request, response, path));
    else return false;
    return true;
  }

  /**
   * Show the login page to a browser that requested another page, if the error is about a missing or invalid login.
   * @param {Request} request @param {Response} response @param {unknown} error
   * @returns {boolean}
   */
  showsLoginPage(request, response, error) {
    const { code } = describeError(error);
    if (!LOGIN_PAGE_ERRORS.has(code) || request.headers.authorization !== undefined) return false;
    if (request.method !== 'GET' && request.method !== 'HEAD') return false;
    const next = withoutToken(request.url ?? '/');
    const query = new URLSearchParams({
      ...(next !== '/' && { next }),
      ...(code !== 'TOKEN_REQUIRED' && { refused: code }),
    });
    redirect(response, 302, `/login${query.size ? `?${query}` : ''}`);
    return true;
  }

  /** @param {Request} request @param {Response} response */
  async #page(request, response) {
    const query = new URLSearchParams((request.url ?? '').split('?')[1] ?? '');
    const next = safePath(query.get('next'));
    const again = query.has('again'); // a page that lacks its secret wants a new login, whatever cookie there is
    const principal = this.auth.who(request)?.principal;
    if (!again && principal && mayOpen(principal, plainPath(next))) return redirect(response, 303, next);
    const refused = query.get('refused') ?? '';
    const error = LOGIN_PAGE_ERRORS.has(refused) ? new FrontError(/** @type {any} */ (refused)) : null;
    await this.#show(response, { status: 200, next, failure: error });
  }

  /** @param {Request} request @param {Response} response */
  #byLink(request, response) {
    const { url = '/' } = request;
    try {
      const secret = this.#logIn(request, response, tokenIn(url) ?? '', null);
      redirect(response, 302, withSecret(withoutToken(url), secret));
    } catch (error) {
      this.refuse(request, response, error);
    }
  }

  /** @param {Request} request @param {Response} response */
  async #byForm(request, response) {
    if (!isOwnPage(request.headers, this.auth.guard.named, { required: false })) throw new FrontError('ORIGIN_REFUSED');
    const form = await readForm(request, 'Send token=… as a form, or use the page.');
    const next = safePath(form.get('next'));
    const token = (form.get('token') ?? '').trim();
    try {
      if (!token) throw new FrontError('TOKEN_REQUIRED');
      const secret = this.#logIn(request, response, token, next);
      redirect(response, 303, withSecret(next, secret));
    } catch (error) {
      if (!(error instanceof FrontError && LOGIN_PAGE_ERRORS.has(error.code) && wantsPage(request))) throw error;
      await this.#show(response, { next, failure: error });
    }
  }

  /**
   * Return the page's secret of the new login.
   * @param {Request} request @param {Response} response @param {string} token
   * @param {string | null} next  path to go on to; null: the request came by a link
   */
  #logIn(request, response, token, next) {
    const principal = this.#authenticate(request, token, next);
    this.log.info('logged in', { key: principal.id, address: this.auth.addressOf(request) });
    const { header, secret } = this.auth.logIn(principal, request);
    response.setHeader('Set-Cookie', header);
    return secret;
  }

  /**
   * Return who logs in; record it, or why it was refused. Links are for admins: with the link of somebody else, a user
   * would sign in at servers, and allow clients access, in the name of that person.
   * @param {Request} request @param {string} token @param {string | null} next
   */
  #authenticate(request, token, next) {
    let name = '';
    try {
      const principal = this.auth.prove(token, request);
      name = principal.name;
      if (next === null ? !principal.admin : !mayOpen(principal, plainPath(next))) throw refusalOf(principal);
      this.auth.noteSignIn(request, 'login', name);
      return principal;
    } catch (error) {
      this.auth.noteSignIn(request, 'login', name, error);
      throw error;
    }
  }

  /**
   * Answer a request of a sign-in at the provider, or of the provider. Browsers see an error on the login page.
   * @param {Request} request @param {Response} response @param {string} path
   */
  async #atProvider(request, response, path) {
    if (!this.signIn) throw new FrontError('NOT_FOUND', 'Users of this hub do not sign in at a provider.');
    const method = path === '/logout/backchannel' ? 'POST' : 'GET';
    if (request.method !== method) throw wrongMethod(response, method);
    const signIn = await this.signIn();
    if (path === '/logout/backchannel') return signIn.endByProvider(request, response);
    try {
      await (path === '/login/oidc' ? signIn.begin(request, response) : signIn.finish(request, response));
    } catch (failure) {
      if (!wantsPage(request) || describeError(failure).code === 'HUB_INTERNAL') throw failure;
      await this.#show(response, { next: signIn.nextOf(request), failure });
    }
  }

  /**
   * Show the login page.
   * @param {Response} response
   * @param {{next: string, failure?: unknown, status?: number}} shown  `failure`: why the user is not logged in
   */
  async #show(response, { next, failure = null, status }) {
    const error = failure === null ? null : describeError(failure);
    const signIn = await this.signIn?.();
    const select = OTHER_ACCOUNT.has(error?.code ?? '');
    const provider = signIn ? { name: signIn.name, select, trouble: await signIn.trouble() } : null;
    const headers = { ...(failure !== null && headersOf(failure)), 'Content-Security-Policy': POLICY };
    sendPage(response, status ?? error?.status ?? 200, loginPage({ next, error, provider }), headers);
  }

  /** @param {Request} request @param {Response} response */
  async #logOut(request, response) {
    if (request.method !== 'POST') throw wrongMethod(response, 'POST');
    request.resume();
    const isOfUser = isUser(this.auth.who(request)?.principal.id ?? '');
    const signIn = isOfUser ? await this.signIn?.() : null;
    const { header, url } = signIn ? await signIn.logOut(request) : { header: [this.auth.logOut(request)], url: null };
    response.setHeader('Set-Cookie', header);
    if (wantsJson(request)) sendJson(response, 200, { next: url ?? '/login' });
    else if (!url) redirect(response, 303, '/login');
    else
      sendPage(response, 200, loggedOutPage({ name: signIn?.name ?? '', url }), { 'Content-Security-Policy': POLICY });
  }
}

/** @param {Response} response @param {string} method */
function wrongMethod(response, method) {
  response.setHeader('Allow', method);
  return new FrontError('METHOD_NOT_ALLOWED');
}
