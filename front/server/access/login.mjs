// Log-in and log-out, by a form that needs no script, or by a link with a token. The only state is a cookie.

import { mayOpen } from './areas.mjs';
import { isLoginLink, pathOf, tokenIn } from './auth.mjs';
import { FrontError, headersOf, describeError } from '../errors.mjs';
import { loginPage, POLICY } from './login_page.mjs';
import { readForm } from '../http/form.mjs';
import { isOwnPage } from '../http/origin.mjs';
import { areaOf } from './guard.mjs';

/**
 * @typedef {import('node:http').IncomingMessage} Request
 * @typedef {import('node:http').ServerResponse} Response
 * @typedef {(request: Request, response: Response, error: unknown) => void} Refuse
 */

/** Long enough for an authorization request with all of its parameters. */
const MAX_PATH_LENGTH = 8 * 1024;
/** Errors that the login page shows. */
const LOGIN_PAGE_ERRORS = new Set(['TOKEN_REQUIRED', 'TOKEN_INVALID', 'KEY_FORBIDDEN', 'TOO_MANY_ATTEMPTS']);

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
    const principal = this.auth.who(request)?.principal;
    if (!again && principal && mayOpen(principal, plainPath(next))) return redirect(response, 303, next);
    const refused = query.get('refused') ?? '';
    const error = LOGIN_PAGE_ERRORS.has(refused) ? new FrontError(/** @type {any} */ (refused)) : null;
    send(response, 200, loginPage({ next, error }));
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
    const form = await readForm(request, 'Send token=… as a form, or use the page.');
    const next = safePath(form.get('next'));
    const token = (form.get('token') ?? '').trim();
    try {
      if (!token) throw new FrontError('TOKEN_REQUIRED');
      const secret = this.#logIn(request, response, token, next);
      redirect(response, 303, withSecret(next, secret));
    } catch (error) {
      if (!(error instanceof FrontError && LOGIN_PAGE_ERRORS.has(error.code) && wantsPage(request))) throw error;
      send(response, error.status, loginPage({ next, error }), headersOf(error));
    }
  }

  /**
   * Return the page's secret of the new login.
   * @param {Request} request @param {Response} response @param {string} token @param {string} next  path to go on to
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
      if (!mayOpen(principal, plainPath(next))) throw new FrontError('KEY_FORBIDDEN');
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

/**
 * Return a path of this hub for any requested path, so that a login redirects to no other site, and not in circles.
 * @param {string | null} path
 */
export function safePath(path) {
  if (!path || path.length > MAX_PATH_LENGTH || !/^\/(?![/\\])[\x21-\x5b\x5d-\x7e]*$/.test(path)) return '/';
  const base = 'http://hub.invalid';
  const url = URL.canParse(path, base) ? new URL(path, base) : null;
  if (url?.origin !== base || url.pathname.startsWith('//') || /^\/log(in|out)$/.test(url.pathname)) return '/';
  return withoutToken(url.pathname + url.search) + url.hash;
}

/**
 * Return a path with the page's secret in its fragment. A browser sends the fragment to no server, and the page removes
 * it at once (hub/assets/secret.mjs).
 * @param {string} path @param {string} secret
 */
const withSecret = (path, secret) => `${path}${path.includes('#') ? '&' : '#'}hub_page=${secret}`;

/** @param {string} url  path and query */
function withoutToken(url) {
  const [path, ...rest] = url.split('?');
  const kept = rest
    .join('?')
    .split('&')
    .filter((part) => part && !new URLSearchParams(part).has('token'));
  return kept.length > 0 ? `${path}?${kept.join('&')}` : path;
}

/** Return a path without query and fragment. @param {string} url */
const plainPath = (url) => url.split(/[?#]/)[0];

/** @param {Request} request */
const wantsPage = ({ headers }) => (headers.accept ?? '').includes('text/html');

const PAGE_HEADERS = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'same-origin', // with no-referrer, a browser would not say where its form comes from
};

/** @param {Response} response @param {number} status @param {string} location */
function redirect(response, status, location) {
  response.writeHead(status, {
    ...PAGE_HEADERS,
    'Referrer-Policy': 'no-referrer',
    Location: location,
    'Content-Length': 0,
  });
  response.end();
}

/** @param {Response} response @param {number} status @param {string} html @param {Record<string, string>} [headers] */
function send(response, status, html, headers = {}) {
  const type = { 'Content-Type': 'text/html; charset=utf-8', 'Content-Length': Buffer.byteLength(html) };
  response.writeHead(status, { ...PAGE_HEADERS, ...type, ...headers, 'Content-Security-Policy': POLICY });
  response.end(html);
}
