// Log-in and log-out, by a form that needs no script, or by a link with a token. The only state is a cookie.

import { isLoginLink, pathOf, PUBLIC_PATHS, tokenIn } from './auth.mjs';
import { FrontError, headersOf, describeError } from '../errors.mjs';
import { mayOpen, refusalOf } from './areas.mjs';
import { loginPage, POLICY } from './login_page.mjs';
import { isOwnPage } from '../http/origin.mjs';
import { areaOf } from './guard.mjs';
import { formOf, redirect, safePath, sendPage, wantsPage, withoutToken, withSecret } from './page_answers.mjs';

export { safePath };

/**
 * @typedef {import('node:http').IncomingMessage} Request
 * @typedef {import('node:http').ServerResponse} Response
 * @typedef {(request: Request, response: Response, error: unknown) => void} Refuse
 */

const FORM_TYPE = /^application\/x-www-form-urlencoded\s*(?:;|$)/i;
/** Errors that the login page shows. */
const LOGIN_PAGE_ERRORS = new Set(['TOKEN_REQUIRED', 'TOKEN_INVALID', 'KEY_FORBIDDEN', 'TOO_MANY_ATTEMPTS']);

/** @param {string} path */
const isOidcPath = (path) => path !== '/healthz' && Object.hasOwn(PUBLIC_PATHS, path);

/** Serves the login and log-out requests of a protected hub. */
export class Login {
  /** @param {import('./auth.mjs').Auth} auth @param {import('../log.mjs').Log} log @param {Refuse} refuse */
  constructor(auth, log, refuse) {
    this.auth = auth;
    this.log = log;
    this.refuse = refuse;
  }

  /**
   * Answer a request if it is about login or log-out.
   * @param {Request} request @param {Response} response
   * @returns {boolean} whether it was
   */
  answers(request, response) {
    const path = pathOf(request.url ?? '');
    if (isLoginLink(request, areaOf(request.url ?? ''))) this.#byLink(request, response);
    else if (path === '/login' && request.method === 'POST') {
      this.#byForm(request, response).catch((error) => this.refuse(request, response, error));
    } else if (path === '/login') this.#page(request, response);
    else if (path === '/logout') this.#logOut(request, response);
    else if (isOidcPath(path)) throw new FrontError('NOT_FOUND', 'Users of this hub do not sign in at a provider.');
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
  #page(request, response) {
    const query = new URLSearchParams((request.url ?? '').split('?')[1] ?? '');
    const next = safePath(query.get('next'));
    const again = query.has('again'); // a page that lacks its secret wants a new login, whatever cookie there is
    const who = again ? null : this.auth.who(request);
    if (who && mayOpen(who.principal, pathOf(next))) return redirect(response, 303, next);
    const refused = query.get('refused') ?? '';
    const error = LOGIN_PAGE_ERRORS.has(refused) ? new FrontError(/** @type {any} */ (refused)) : null;
    sendPage(response, 200, loginPage({ next, error }), { 'Content-Security-Policy': POLICY });
  }

  /** @param {Request} request @param {Response} response */
  #byLink(request, response) {
    const { url = '/' } = request;
    try {
      const secret = this.#logIn(request, response, tokenIn(url) ?? '', url);
      redirect(response, 302, withSecret(withoutToken(url), secret));
    } catch (error) {
      this.refuse(request, response, error);
    }
  }

  /** @param {Request} request @param {Response} response */
  async #byForm(request, response) {
    if (!isOwnPage(request.headers, this.auth.guard.named, { required: false })) throw new FrontError('ORIGIN_REFUSED');
    if (!FORM_TYPE.test(request.headers['content-type'] ?? '')) {
      throw new FrontError('BODY_TYPE_REFUSED', 'The login is a form.', {
        hint: 'Send token=… as a form, or use the page.',
      });
    }
    const form = await formOf(request);
    const next = safePath(form.get('next'));
    const token = (form.get('token') ?? '').trim();
    try {
      if (!token) throw new FrontError('TOKEN_REQUIRED');
      const secret = this.#logIn(request, response, token, next);
      redirect(response, 303, withSecret(next, secret));
    } catch (error) {
      if (!(error instanceof FrontError && LOGIN_PAGE_ERRORS.has(error.code) && wantsPage(request))) throw error;
      const headers = { ...headersOf(error), 'Content-Security-Policy': POLICY };
      sendPage(response, error.status, loginPage({ next, error }), headers);
    }
  }

  /**
   * @param {Request} request @param {Response} response @param {string} token
   * @param {string} next  the URL to which it leads
   * @returns {string} the page's secret
   */
  #logIn(request, response, token, next) {
    const principal = this.#authenticate(request, token, next);
    this.log.info('logged in', { key: principal.id, address: this.auth.addressOf(request) });
    const { header, secret } = this.auth.logIn(principal, request);
    response.setHeader('Set-Cookie', header);
    return secret;
  }

  /**
   * Return who logs in; record it, or why it was refused.
   * @param {Request} request @param {string} token @param {string} next
   */
  #authenticate(request, token, next) {
    let name = '';
    try {
      const principal = this.auth.prove(token, request);
      name = principal.name;
      if (!mayOpen(principal, pathOf(next))) throw refusalOf(principal);
      this.auth.noteSignIn(request, 'login', name);
      return principal;
    } catch (error) {
      this.auth.noteSignIn(request, 'login', name, error);
      throw error;
    }
  }

  /** @param {Request} request @param {Response} response */
  #logOut(request, response) {
    if (request.method !== 'POST') {
      response.setHeader('Allow', 'POST');
      throw new FrontError('METHOD_NOT_ALLOWED');
    }
    request.resume();
    response.setHeader('Set-Cookie', this.auth.logOut(request));
    redirect(response, 303, '/login');
  }
}
