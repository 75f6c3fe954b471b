// Checks that apply to every request before it is handled: Host, Origin, the form of the path, the size. Pure.

import { FrontError } from '../errors.mjs';
import { isOpenToPages } from '../http/cors.mjs';
import { checkFraming } from '../http/framing.mjs';
import { hostname, isLiteral, isNamed, isOwnPage, originHost } from '../http/origin.mjs';

export { hostname };

/**
 * @typedef {import('../settings.mjs').Settings} Settings
 * @typedef {'mcp' | 'api' | 'hub' | 'healthz' | 'other'} Area  the first segment of a path, as far as it is ours
 * @typedef {import('../http/framing.mjs').RequestHead & {url?: string}} RequestHead
 */

const LOOPBACK = ['localhost', '127.0.0.1', '::1'];
const AREAS = new Set(['mcp', 'api', 'hub', 'healthz']);
const NAMED_COLLECTIONS = new Set(['servers', 'workspaces', 'log-files']);
const API_SEGMENT = /^(?:[a-z-]*|openapi\.json)$/;
const PLAIN_PATH = /^(\/[A-Za-z0-9_-]+)*\/?$/;
/** Characters that must not appear unencoded in a path: controls, space, quotes, backslash and the like. */
const INVALID_PATH_CHARACTER = /[\x00-\x20"#<>\\^`{|}\x7f-\uffff]/;
const CONTROL_CHARACTER = /[\x00-\x1f\x7f]/;
const PARENT_SEGMENT = /(?:^|[/\\])\.\.(?:[/\\]|$)/;
const DOUBLE_ENCODED = /%(?:2[ef]|5c|00|25)/i;

/** The allow-list and limits of one front. */
export class Guard {
  /** @param {Settings} settings */
  constructor(settings) {
    this.hosts = new Set([...LOOPBACK, settings.host, ...settings.allowedHosts]);
    const published = settings.publicUrl ? [new URL(settings.publicUrl).origin] : [];
    /**
     * Hosts (any port) and origins whose pages count as the hub's own: those of HUB_ALLOWED_HOSTS, and the public URL.
     */
    this.named = new Set([...settings.allowedHosts, ...published]);
    if (settings.publicUrl) this.hosts.add(hostname(new URL(settings.publicUrl).host));
    this.protected = settings.protected;
    this.oauth = settings.oauth;
    this.mostBytes = settings.maxBodyBytes;
  }

  /**
   * Check a request; return the area of its path.
   * @param {RequestHead} request
   * @param {{bearer?: boolean}} [who]  `bearer`: it has a token that no page of another site has; its Host says nothing
   * @returns {Area}
   * @throws {FrontError} HOST_REFUSED, ORIGIN_REFUSED, PATH_INVALID, BODY_TOO_LARGE, BODY_TYPE_REFUSED,
   *   LENGTH_REQUIRED, FRAMING_REFUSED, HEADERS_TOO_MANY
   */
  pass(request, { bearer = false } = {}) {
    this.checkBody(request);
    if (!bearer) this.checkHost(request);
    const area = areaOf(request.url ?? '');
    if (area === 'api' && request.method !== 'GET' && request.method !== 'HEAD') {
      if (!bearer) this.checkPage(request);
      checkChange(request.headers);
    }
    if (area === 'mcp' && !this.protected) this.#checkClient(request);
    return area;
  }

  /**
   * Check the Host header, so that another site's page cannot reach the hub by DNS rebinding.
   * @param {RequestHead} request
   */
  checkHost({ url = '', headers }) {
    const { host = '', origin } = headers;
    if (!this.serves(host)) throw new FrontError('HOST_REFUSED');
    if (origin === undefined || (this.oauth && isOpenToPages(url))) return;
    const own = this.protected
      ? isOwnPage(headers, this.named, { required: true })
      : this.hosts.has(originHost(origin)) || isNamed(origin, this.named);
    if (!own) throw new FrontError('ORIGIN_REFUSED', "The Origin of the request is not one of the hub's.");
  }

  /** Return whether a Host is one of the hub's, or (in a protected hub) an address. @param {string} host */
  serves(host) {
    return this.hosts.has(hostname(host)) || (this.protected && isLiteral(host));
  }

  /**
   * Check that a request which changes something, or listens to events, comes from the hub's own pages. Other programs
   * on this machine may serve pages, too, on other ports.
   * @param {RequestHead} request
   */
  checkPage({ headers: { origin, host = '' } }) {
    if (origin === undefined || isNamed(origin, this.named)) return;
    const [page, hub] = [origin.replace(/^https?:\/\//i, ''), host].map((text) => ({
      name: hostname(text),
      port: portOf(text),
    }));
    const loopback = LOOPBACK.includes(page.name) && LOOPBACK.includes(hub.name);
    if (page.port !== hub.port || !(loopback || page.name === hub.name)) throw new FrontError('ORIGIN_REFUSED');
  }

  /**
   * Check Origin and Sec-Fetch-Site at endpoints that need no token: they distinguish a page of another program on this
   * machine, which may not use endpoints, from an MCP client, which sends neither.
   * @param {RequestHead} request
   */
  #checkClient(request) {
    const { origin, 'sec-fetch-site': site } = request.headers;
    this.checkPage(request);
    if ([undefined, 'same-origin', 'none'].includes(/** @type {any} */ (site)) || isNamed(origin, this.named)) return;
    throw new FrontError('ORIGIN_REFUSED');
  }

  /** Refuse a body that is too large, or whose length is ambiguous, before it is read. @param {RequestHead} request */
  checkBody(request) {
    checkFraming(request);
    if (Number(request.headers['content-length'] ?? 0) > this.mostBytes) throw tooLarge(this.mostBytes);
  }
}

/** @param {number} most */
export const tooLarge = (most) => new FrontError('BODY_TOO_LARGE', `The body is larger than ${most} bytes.`);

/**
 * Refuse a change that a form or script of another site could send without a preflight request.
 * @param {import('node:http').IncomingHttpHeaders} headers
 */
function checkChange(headers) {
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') throw new FrontError('ORIGIN_REFUSED');
  const type = headers['content-type'];
  const body = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  if (type === undefined ? body : !isJson(type)) throw new FrontError('BODY_TYPE_REFUSED');
}

/** @param {string} type */
export const isJson = (type) => /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(type);

/** @param {string} host */
const portOf = (host) => /:(\d+)$/.exec(host)?.[1] ?? '';

/**
 * Return the area of a request's URL.
 * @param {string} url
 * @returns {Area}
 * @throws {FrontError} PATH_INVALID
 */
export function areaOf(url) {
  const end = url.indexOf('?');
  const path = end < 0 ? url : url.slice(0, end);
  if (!path.startsWith('/')) throw new FrontError('PATH_INVALID', 'A path begins with a slash.');
  const segments = path.slice(1).split('/');
  if (!PLAIN_PATH.test(path)) checkSegments(path, segments);
  const first = segments[0];
  if (AREAS.has(first)) {
    if (first === 'api' && segments.length > 1 && !API_SEGMENT.test(segments[1])) throw variant();
    return /** @type {Area} */ (first);
  }
  if (AREAS.has(decoded(first).toLowerCase())) throw variant();
  return 'other';
}

const variant = () =>
  new FrontError('PATH_INVALID', 'The first parts of the path must be in lower case and not encoded.');

/** @param {string} path @param {string[]} segments */
function checkSegments(path, segments) {
  if (INVALID_PATH_CHARACTER.test(path))
    throw new FrontError('PATH_INVALID', 'The path contains characters that must be encoded.');
  segments.forEach((segment, index) => {
    const text = decoded(segment);
    if (text.includes('\0') || text === '.' || text === '..') throw new FrontError('PATH_INVALID');
    if (segments[1] === 'log-files' && PARENT_SEGMENT.test(text)) throw new FrontError('PATH_INVALID');
    if (isName(segments, index)) return;
    if (CONTROL_CHARACTER.test(text) || /[/\\]/.test(text)) throw new FrontError('PATH_INVALID');
    if (DOUBLE_ENCODED.test(text)) throw new FrontError('PATH_INVALID', 'The path is encoded twice.');
    if (!segment && index < segments.length - 1) throw new FrontError('PATH_INVALID', 'The path has a double slash.');
  });
}

/**
 * Return whether a segment is a name, below /api/servers, /api/workspaces, /api/log-files,
 * /connect or /mcp. A name may be any
 * text, because these paths only look it up.
 * @param {string[]} segments @param {number} index
 */
function isName(segments, index) {
  if (segments[0] === 'mcp' || segments[0] === 'connect') return index === 1 && segments[1] !== '';
  return index === 2 && segments[0] === 'api' && NAMED_COLLECTIONS.has(segments[1]);
}

/** @param {string} segment */
function decoded(segment) {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new FrontError('PATH_INVALID', 'The path is not encoded as UTF-8.');
  }
}
