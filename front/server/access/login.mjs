// Logging in and out: by a form that needs no script, or by a link with a token. A cookie is all that is kept of it.

import { once } from 'node:events';
import { isEntry, pathOf, tokenIn } from './auth.mjs';
import { FrontError, headersOf, told } from '../errors.mjs';
import { loginPage, POLICY } from './login_page.mjs';
import { isOwnPage } from '../http/origin.mjs';
import { areaOf, tooLarge } from './guard.mjs';

/**
 * @typedef {import('node:http').IncomingMessage} Request
 * @typedef {import('node:http').ServerResponse} Response
 * @typedef {(request: Request, response: Response, error: unknown) => void} Refuse
 */

const FORM = /^application\/x-www-form-urlencoded\s*(?:;|$)/i;
const MOST_BYTES = 8 * 1024;
const LONGEST_PATH = 2048;
/** Errors that the login page itself tells of. */
const SHOWN = new Set(['TOKEN_REQUIRED', 'TOKEN_INVALID', 'KEY_FORBIDDEN', 'TOO_MANY_ATTEMPTS']);

/** What a protected hub answers about logging in. */
export class Login {
  /** @param {import('./auth.mjs').Auth} auth @param {import('../log.mjs').Log} log @param {Refuse} refuse */
  constructor(auth, log, refuse) {
    this.auth = auth;
    this.log = log;
    this.refuse = refuse;
  }

  /**
   * Answer a request, if it is about this.
   * @param {Request} request @param {Response} response
   * @returns {boolean} whether it was
   */
  answers(request, response) {
    const path = pathOf(request.url ?? '');
    if (isEntry(request, areaOf(request.url ?? ''))) this.#byLink(request, response);
    else if (path === '/login' && request.method === 'POST') {
      this.#byForm(request, response).catch((error) => this.refuse(request, response, error));
    } else if (path === '/login') this.#page(request, response);
    else if (path === '/logout') this.#leave(request, response);
    else return false;
    return true;
  }

  /**
   * Show the login page to a person who looks for another, if that is what the error is about.
   * @param {Request} request @param {Response} response @param {unknown} error
   * @returns {boolean}
   */
  takesOver(request, response, error) {
    const { code } = told(error);
    if (!SHOWN.has(code) || request.headers.authorization !== undefined) return false;
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
    if (!again && this.auth.who(request)?.principal.admin) return redirect(response, 303, next);
    const refused = query.get('refused') ?? '';
    const error = SHOWN.has(refused) ? new FrontError(/** @type {any} */ (refused)) : null;
    send(response, 200, loginPage({ next, error }));
  }

  /** @param {Request} request @param {Response} response */
  #byLink(request, response) {
    const { url = '/' } = request;
    try {
      const secret = this.#welcome(request, response, tokenIn(url) ?? '');
      redirect(response, 302, withSecret(withoutToken(url), secret));
    } catch (error) {
      this.refuse(request, response, error);
    }
  }

  /** @param {Request} request @param {Response} response */
  async #byForm(request, response) {
    if (!isOwnPage(request.headers, this.auth.guard.named, { said: false })) throw new FrontError('ORIGIN_REFUSED');
    if (!FORM.test(request.headers['content-type'] ?? '')) {
      throw new FrontError('BODY_TYPE_REFUSED', 'The login is a form.', {
        hint: 'Send token=… as a form, or use the page.',
      });
    }
    const form = new URLSearchParams(await bodyOf(request));
    const next = safePath(form.get('next'));
    const token = (form.get('token') ?? '').trim();
    try {
      if (!token) throw new FrontError('TOKEN_REQUIRED');
      const secret = this.#welcome(request, response, token);
      redirect(response, 303, withSecret(next, secret));
    } catch (error) {
      if (!(error instanceof FrontError && SHOWN.has(error.code) && wantsPage(request))) throw error;
      send(response, error.status, loginPage({ next, error }), headersOf(error));
    }
  }

  /** @param {Request} request @param {Response} response @param {string} token @returns {string} the page's secret */
  #welcome(request, response, token) {
    const principal = this.auth.prove(token, request);
    if (!principal.admin) throw new FrontError('KEY_FORBIDDEN');
    this.log.info('logged in', { key: principal.id, address: this.auth.addressOf(request) });
    const { header, secret } = this.auth.welcome(principal, request);
    response.setHeader('Set-Cookie', header);
    return secret;
  }

  /** @param {Request} request @param {Response} response */
  #leave(request, response) {
    if (request.method !== 'POST') {
      response.setHeader('Allow', 'POST');
      throw new FrontError('METHOD_NOT_ALLOWED');
    }
    request.resume();
    response.setHeader('Set-Cookie', this.auth.farewell(request));
    redirect(response, 303, '/login');
  }
}

/**
 * A path of this hub, whatever was asked for: nobody is led elsewhere, nor round in circles.
 * @param {string | null} path
 */
export function safePath(path) {
  if (!path || path.length > LONGEST_PATH || !/^\/(?![/\\])[\x21-\x5b\x5d-\x7e]*$/.test(path)) return '/';
  const base = 'http://hub.invalid';
  const url = URL.canParse(path, base) ? new URL(path, base) : null;
  if (url?.origin !== base || url.pathname.startsWith('//') || /^\/log(in|out)$/.test(url.pathname)) return '/';
  return withoutToken(url.pathname + url.search) + url.hash;
}

/**
 * A way that hands a page its secret: what follows # is sent to nobody, and the page takes it away at once (hub/assets/secret.mjs).
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

/** @param {Request} request */
const wantsPage = ({ headers }) => (headers.accept ?? '').includes('text/html');

/** @param {Request} request */
async function bodyOf(request) {
  /** @type {Buffer[]} */
  const chunks = [];
  let bytes = 0;
  request.on('data', (chunk) => {
    bytes += chunk.length;
    if (bytes <= MOST_BYTES) chunks.push(chunk); // the rest is read too: else the answer would be lost
  });
  await once(request, 'end');
  if (bytes > MOST_BYTES) throw tooLarge(MOST_BYTES);
  return Buffer.concat(chunks).toString('utf8');
}

const HEADERS = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'same-origin', // with no-referrer, a browser would not say where its form comes from
};

/** @param {Response} response @param {number} status @param {string} location */
function redirect(response, status, location) {
  response.writeHead(status, { ...HEADERS, 'Referrer-Policy': 'no-referrer', Location: location, 'Content-Length': 0 });
  response.end();
}

/** @param {Response} response @param {number} status @param {string} html @param {Record<string, string>} [headers] */
function send(response, status, html, headers = {}) {
  const type = { 'Content-Type': 'text/html; charset=utf-8', 'Content-Length': Buffer.byteLength(html) };
  response.writeHead(status, { ...HEADERS, ...type, ...headers, 'Content-Security-Policy': POLICY });
  response.end(html);
}
