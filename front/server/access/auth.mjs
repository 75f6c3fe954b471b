// Authorizes every request and WebSocket: the guard's checks, and in a protected hub a token or login cookie.

import { mayOpen, refusalOf } from './areas.mjs';
import { Attempts } from './attempts.mjs';
import { clientAddress, isSecure } from '../http/client.mjs';
import { cookieIn, cookieKey, Cookies, LOGIN_SECONDS, newNonce, setCookie } from './cookie.mjs';
import { FrontError } from '../errors.mjs';
import { Guard } from './guard.mjs';
import { KeyUses } from './key_uses.mjs';
import { isNamedKey } from './keys.mjs';
import { Principals } from './principals.mjs';
import { isOwnPage } from '../http/origin.mjs';
import { baseOf } from '../oauth/urls.mjs';
import { SignIns } from './sign_ins.mjs';
import { SIDECAR_PAGES } from '../sidecar/sidecar_pages.mjs';

/**
 * @import {IncomingMessage} from 'node:http'
 * @import {Area} from './guard.mjs'
 * @import {Principal} from './principals.mjs'
 * @import {Login} from './cookie.mjs'
 * @typedef {{principal: Principal, login: Login | null, hasPageSecret: boolean}} Who  `login`: of the cookie; null: the
 *   request has a bearer token; `hasPageSecret`: the request has the secret of the page, or needs none
 */

const READ = ['GET', 'HEAD'];
/**
 * Paths that need no token, and their methods. A path that ends in a star stands for all that begin with the rest.
 * Those of the authorization server answer 404 where it is off (HUB_OAUTH).
 */
export const PUBLIC_PATHS = /** @type {Readonly<Record<string, readonly string[]>>} */ (
  Object.freeze({
    '/healthz': READ,
    '/login': [...READ, 'POST'],
    '/login/oidc': ['GET'],
    '/login/oidc/callback': ['GET'],
    '/logout/backchannel': ['POST'],
    '/.well-known/oauth-protected-resource': READ,
    '/.well-known/oauth-protected-resource/*': READ,
    '/.well-known/oauth-authorization-server': READ,
    '/.well-known/oauth-authorization-server/*': READ,
    '/.well-known/openid-configuration': READ,
    '/.well-known/openid-configuration/*': READ,
    '/oauth/register': ['POST'],
    '/oauth/authorize': READ,
    '/oauth/token': ['POST'],
    '/oauth/revoke': ['POST'],
    '/connect/client-metadata.json': READ,
    '/mcp/replicas/placed': ['POST'], // other replicas; the sidecar requires their signature, or else a token
    '/mcp/_replica/logs': ['POST'], // the same
  })
);
/**
 * Tokens that the sidecar checks: the hub's own OAuth access tokens, and JSON Web Tokens of an external authorization
 * server (RFC 7519).
 */
const CLIENT_TOKEN = /^(?:yha_.*|eyJ[\w-]*\.[\w-]+\.[\w-]*)$/;
/** The page's secret among the subprotocols of a WebSocket, to which a browser can add no other header. */
const SECRET_SUBPROTOCOL = /(?:^|,)\s*hub-page\.([\w-]{1,64})\s*(?:,|$)/;
/** Length from which a token cannot be guessed: a valid one is accepted even if its address has to wait. */
const MIN_STRONG_TOKEN_LENGTH = 32;
/**
 * Request headers that are removed, because they speak to the sidecar in the front's name, or are for the front only.
 */
const STRIPPED_HEADERS = /^(cookie|x-hub-.*|forwarded|x-forwarded-.*|x-real-ip)$/;

/** Decides who may do what. In an unprotected hub, everyone may do everything that the guard allows. */
export class Auth {
  /** @type {WeakMap<object, Who>} */
  #who = new WeakMap();

  /**
   * @param {import('../settings.mjs').Settings} settings @param {import('../log.mjs').Log} log
   * @param {{attempts?: Attempts}} [parts]
   * @throws {FrontError} SETTING_INVALID: the data directory cannot be used
   */
  constructor(settings, log, { attempts = new Attempts() } = {}) {
    this.settings = settings;
    this.log = log;
    this.attempts = attempts;
    this.guard = new Guard(settings);
    this.principals = settings.protected ? new Principals(settings, log) : null;
    this.keyUses = new KeyUses();
    this.signIns = new SignIns(settings, log);
    this.cookies = settings.protected ? new Cookies(cookieKey(settings.cookieKeyFile)) : null;
  }

  /**
   * Authorize a request; return the area of its path.
   * @param {IncomingMessage} request
   * @returns {Area}
   * @throws {FrontError} TOKEN_REQUIRED, TOKEN_INVALID, KEY_FORBIDDEN, ROLE_REQUIRED, TOO_MANY_ATTEMPTS, and the guard's
   */
  pass(request) {
    if (this.#hasClientToken(request)) return this.#passClient(request);
    const bearer = this.principals ? this.#bearer(request) : null;
    const area = this.guard.pass(request, { bearer: bearer !== null });
    if (this.principals) this.#admit(request, area, bearer);
    return area;
  }

  /** Return the principal of a request; null: none, or the hub is not protected. @param {object} request */
  who(request) {
    return this.#who.get(request) ?? null;
  }

  /** Return whether a request may access everything. @param {object} request */
  isAdmin(request) {
    const who = this.who(request);
    return !this.principals || Boolean(who?.principal.admin && who.hasPageSecret);
  }

  /**
   * Return a function that tells whether an authorized request would still be authorized.
   * @param {IncomingMessage} request
   * @returns {() => boolean}
   */
  isStillAuthorized(request) {
    const { principals, cookies } = this;
    const who = this.who(request);
    if (!principals || !who) return () => !principals;
    const path = pathOf(request.url ?? '');
    return () => {
      const now = principals.current(who.principal, who.login?.nonce);
      return now !== null && mayOpen(now, path) && (!who.login || Boolean(cookies?.lasts(who.login)));
    };
  }

  /**
   * Return a function that tells what an authorized request may see of the hub: null for everything, else what its
   * principal owns now.
   * @param {IncomingMessage} request
   * @returns {() => import('./roles.mjs').Owned | null}
   */
  ownedBy(request) {
    const { principals } = this;
    const who = this.who(request);
    if (!principals) return () => null;
    return () => {
      const now = who && principals.current(who.principal, who.login?.nonce);
      return now?.admin ? null : (now?.owns ?? { servers: [], workspaces: [] });
    };
  }

  /**
   * Return the principal of a token.
   * @param {string} token @param {IncomingMessage} request  that it came with
   * @returns {Principal}
   * @throws {FrontError} TOKEN_INVALID, TOO_MANY_ATTEMPTS
   */
  prove(token, request) {
    const address = this.addressOf(request);
    const wait = this.attempts.wait(address);
    const known = wait === 0 || token.length >= MIN_STRONG_TOKEN_LENGTH ? this.principals?.check(token) : null;
    if (known) return known;
    if (wait > 0) throw tooMany(wait);
    const last = this.attempts.failed(address);
    this.log.warning('a wrong token', { code: 'TOKEN_INVALID', address });
    if (last) this.log.warning('too many wrong tokens', { code: 'TOO_MANY_ATTEMPTS', address });
    throw new FrontError('TOKEN_INVALID');
  }

  /**
   * Record a sign-in, or the error with which it was refused.
   * @param {IncomingMessage} request @param {'login' | 'bearer' | 'oidc'} way @param {string} principal @param {unknown} [error]
   */
  noteSignIn(request, way, principal, error) {
    const outcome = error instanceof FrontError ? error.code : 'ok';
    this.signIns.note({ principal, address: this.addressOf(request), way, outcome });
  }

  /** Return the address that a request comes from. @param {IncomingMessage} request */
  addressOf(request) {
    return clientAddress(/** @type {any} */ (request), this.settings.trustedProxies);
  }

  // --- cookies -----------------------------------------------------------------------------------------------------

  /**
   * Log a browser in: return the cookie header, and the secret for its page.
   * @param {Principal} principal @param {IncomingMessage} request
   * @param {{nonce?: string, seconds?: number}} [login]  of a user: the id of its login in the journal, and its length
   */
  logIn(principal, request, { nonce = newNonce(), seconds = LOGIN_SECONDS } = {}) {
    const value = this.cookies?.make(principal, { nonce, seconds }) ?? '';
    return { header: this.#cookie(request, value, seconds), secret: this.cookies?.secret(value) ?? '' };
  }

  /**
   * Log a browser out: return the header that deletes its cookie. The login is invalid from now on.
   * @param {IncomingMessage} request
   */
  logOut(request) {
    const login = this.who(request)?.login;
    if (login) this.cookies?.end(login);
    return this.#cookie(request, '', 0);
  }

  /** @param {IncomingMessage} request @param {string} value @param {number} age */
  #cookie(request, value, age) {
    return this.setCookie(request, '', value, { age });
  }

  /**
   * Return a Set-Cookie header for one of the hub's cookies.
   * @param {IncomingMessage} request @param {string} purpose  empty: the login @param {string} value
   * @param {{age: number, path?: string}} options  `age` in seconds
   */
  setCookie(request, purpose, value, { age, path = '/' }) {
    const { trustedProxies, publicUrl } = this.settings;
    const published = publicUrl?.startsWith('https:') && request.headers.host === new URL(publicUrl).host;
    const secure = Boolean(published) || isSecure(/** @type {any} */ (request), trustedProxies);
    return setCookie(this.#cookieName(request, purpose), value, { secure, age, path });
  }

  /** Return the value of one of the hub's cookies. @param {IncomingMessage} request @param {string} purpose */
  cookieOf(request, purpose) {
    return cookieIn(request.headers.cookie, this.#cookieName(request, purpose));
  }

  /**
   * Return the cookie's name, which contains the port, because browsers share cookies between the ports of a host.
   * @param {IncomingMessage} request @param {string} purpose
   */
  #cookieName({ headers: { host = '' } }, purpose) {
    const port = /:(\d{1,5})$/.exec(host)?.[1] ?? this.settings.port;
    return purpose ? `yamcp_hub_${purpose}_${port}` : `yamcp_hub_${port}`;
  }

  /**
   * Return whether this is the page's secret of the login that a request has.
   * @param {IncomingMessage} request @param {string} secret
   */
  isPageSecret(request, secret) {
    const value = this.cookieOf(request, '');
    return Boolean(this.who(request)?.login && this.cookies?.isPageSecret(value, secret));
  }

  // --- who asks ----------------------------------------------------------------------------------------------------

  /** @param {IncomingMessage} request */
  #hasClientToken(request) {
    const token = bearerOf(request);
    return token !== null && CLIENT_TOKEN.test(token) && this.principals?.check(token) === null;
  }

  /**
   * Pass a request with a token that only the sidecar can check: to endpoints, and to nothing else.
   * @param {IncomingMessage} request @returns {Area}
   */
  #passClient(request) {
    const area = this.guard.pass(request);
    if (area === 'mcp' || isPublic(request)) return area;
    throw new FrontError('KEY_FORBIDDEN', 'The access token of an MCP client is for MCP endpoints only.');
  }

  /** @param {IncomingMessage} request @returns {Principal | null} */
  #bearer(request) {
    const token = bearerOf(request);
    if (token === null) return null;
    try {
      return this.prove(token, request);
    } catch (error) {
      this.noteSignIn(request, 'bearer', '', error);
      throw error;
    }
  }

  /** @param {IncomingMessage} request @returns {Who | null} */
  #byCookie(request) {
    const value = this.cookieOf(request, '');
    const found = this.cookies?.read(value, (id, login) => this.principals?.holder(id, login) ?? null);
    return found
      ? { ...found, hasPageSecret: Boolean(this.cookies?.isPageSecret(value, secretIn(request.headers))) }
      : null;
  }

  /** @param {IncomingMessage} request @param {Area} area @param {Principal | null} bearer */
  #admit(request, area, bearer) {
    const who = bearer
      ? { principal: bearer, login: null, hasPageSecret: true }
      : area === 'mcp'
        ? null
        : this.#byCookie(request);
    const foreign = Boolean(who?.login) && !this.#isOwn(request, area);
    if (who && !foreign) this.#who.set(request, who);
    if (isPublic(request) || isLoginLink(request, area)) return;
    if (!who) throw new FrontError('TOKEN_REQUIRED');
    const path = pathOf(request.url ?? '');
    const isLogOut = who.login !== null && path === '/logout';
    if (area !== 'mcp' && !isLogOut && !mayOpen(who.principal, path)) throw refusalOf(who.principal);
    if (foreign)
      throw new FrontError(
        'ORIGIN_REFUSED',
        'The headers of the request do not show that it comes from a page of the hub.',
      );
    if (!who.hasPageSecret && needsPageSecret(request, area)) throw new FrontError('PAGE_SECRET_REQUIRED');
    if (area !== 'mcp' && isNamedKey(who.principal.id)) this.keyUses.note(who.principal.id); // else the sidecar sees it
  }

  /**
   * Return whether a request with a cookie comes from one of the hub's own pages, or from a link to one that a user
   * follows.
   * A browser sends cookies with requests of any site's page.
   * @param {IncomingMessage} request @param {Area} area
   */
  #isOwn({ method, url = '', headers }, area) {
    const changes = isChange({ method, headers });
    if (isOwnPage(headers, this.guard.named, { required: changes })) return true;
    const isPage = (area === 'hub' || area === 'other') && !SIDECAR_PAGES.includes(pathOf(url));
    return !changes && isPage && headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document';
  }

  // --- to the sidecar ----------------------------------------------------------------------------------------------

  /**
   * Prepare a request for forwarding to the sidecar: add what the front knows of the client, remove `STRIPPED_HEADERS`.
   * @param {IncomingMessage} request
   * @returns {IncomingMessage} the same
   */
  forSidecar(request) {
    if (!this.principals) return request;
    const address = this.addressOf(request);
    const { headers } = request;
    for (const name of Object.keys(headers)) if (STRIPPED_HEADERS.test(name)) delete headers[name];
    headers['x-forwarded-for'] = address;
    const { oauth, jwtIssuer } = this.settings;
    if (oauth || jwtIssuer !== null) headers['x-hub-base'] = baseOf(request, this.settings);
    return request;
  }
}

/** @param {Pick<IncomingMessage, 'method' | 'headers'>} request */
const isChange = ({ method, headers }) => (method !== 'GET' && method !== 'HEAD') || headers.upgrade !== undefined;

/**
 * Return whether a request needs the page's secret beside the cookie, which programs on other ports of the host may
 * have:
 * requests for data, changes, and connections.
 * @param {IncomingMessage} request @param {Area} area
 */
function needsPageSecret(request, area) {
  const path = pathOf(request.url ?? '');
  if (path === '/oauth/consent') return false; // its form has the secret in a field
  if (path.startsWith('/secrets/')) return false; // its form works without a script, and has a ticket in its place
  return path !== '/logout' && (area === 'api' || isChange(request) || SIDECAR_PAGES.includes(path));
}

/** Return the page's secret of a request. @param {import('node:http').IncomingHttpHeaders} headers */
function secretIn(headers) {
  const { 'x-hub-page': header, 'sec-websocket-protocol': protocols = '' } = headers;
  return typeof header === 'string' ? header : (SECRET_SUBPROTOCOL.exec(protocols)?.[1] ?? '');
}

/** Return the token of a request with the scheme Bearer; null if it has none. @param {IncomingMessage} request */
const bearerOf = ({ headers: { authorization = '' } }) => /^bearer +(.*)$/i.exec(authorization)?.[1].trim() ?? null;

/** @param {IncomingMessage} request */
const isPublic = ({ method = '', url = '' }) => isPublicPath(method, pathOf(url));

/** Return whether a path needs no token, according to `PUBLIC_PATHS`. @param {string} method @param {string} path */
export function isPublicPath(method, path) {
  const entry = Object.entries(PUBLIC_PATHS).find(([each]) =>
    each.endsWith('*') ? path.startsWith(each.slice(0, -1)) : path === each,
  );
  return entry !== undefined && entry[1].includes(method);
}

/**
 * Return whether a request comes by a link with a token; the response sets a cookie and redirects to the link without
 * it.
 * @param {IncomingMessage} request @param {Area} area
 */
export function isLoginLink({ method, url = '', headers }, area) {
  if ((method !== 'GET' && method !== 'HEAD') || (area !== 'hub' && area !== 'other') || headers.upgrade) return false;
  if (/^\/oauth\//.test(url)) return false; // else a client's link could choose who consents
  const { accept = '*/*' } = headers;
  const page = accept.includes('text/html') || accept === '*/*';
  return (
    page && [undefined, 'document'].includes(/** @type {any} */ (headers['sec-fetch-dest'])) && tokenIn(url) !== null
  );
}

/** Return the token in a URL; null if there is none. @param {string} url */
export function tokenIn(url) {
  const at = url.indexOf('?');
  return at < 0 ? null : new URLSearchParams(url.slice(at + 1)).get('token');
}

/** @param {string} url */
export const pathOf = (url) => url.split('?')[0];

/** @param {number} wait */
function tooMany(wait) {
  return new FrontError('TOO_MANY_ATTEMPTS', `Too many wrong tokens came from this address; wait ${wait} s.`, {
    data: { retry_after: wait },
  });
}
