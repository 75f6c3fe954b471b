// Redirect URIs of OAuth clients: which ones a client may register, and which registered one a request asks for.
// Pure. OAuth 2.1, 2.3; RFC 8252, 7 and 8.4; RFC 9700, 4.1.

/** Limit for the characters of one redirect URI. */
export const MAX_URI_LENGTH = 2048;

const LOOPBACK = new Set(['127.0.0.1', '[::1]', 'localhost']);
/** Visible ASCII without the characters that a URI cannot contain; browsers read a backslash as a slash. */
const URI_CHARACTERS = /^[\x21-\x7e]+$/;
const NO_URI_CHARACTER = /["<>\\^`{|}#]/;
const SCHEME = /^([a-z][a-z0-9+.-]{1,63}):/;
/** Schemes that a browser or the operating system handles itself; the application of a client has none of them. */
const FORBIDDEN_SCHEMES = new Set([
  ...['javascript', 'vbscript', 'data', 'blob', 'file', 'filesystem', 'about', 'view-source', 'jar', 'resource'],
  ...['chrome', 'chrome-extension', 'edge', 'moz-extension', 'ws', 'wss', 'ftp', 'ftps', 'sftp', 'ssh', 'telnet'],
  ...['mailto', 'tel', 'sms', 'urn', 'intent', 'android-app', 'content', 'shell', 'ldap', 'ldaps', 'smb', 'nfs'],
  ...['ms-msdt', 'search-ms', 'search', 'ms-officecmd', 'ms-settings', 'mhtml', 'hcp', 'x-apple.systempreferences'],
]);

/**
 * Return why a URI cannot be registered as a redirect URI; null if it can. Allowed are https, http on the loopback
 * interface (RFC 8252, 7.3), and private-use schemes such as `cursor:` (RFC 8252, 7.1).
 * @param {unknown} uri
 * @returns {string | null}
 */
export function redirectUriFault(uri) {
  if (typeof uri !== 'string' || uri.length > MAX_URI_LENGTH)
    return `is not text of at most ${MAX_URI_LENGTH} characters`;
  if (uri.includes('#')) return 'has a fragment';
  if (!URI_CHARACTERS.test(uri) || NO_URI_CHARACTER.test(uri)) return 'contains characters that must be encoded';
  const scheme = SCHEME.exec(uri)?.[1];
  if (!scheme || !URL.canParse(uri)) return 'is no absolute URI with a scheme in lower case';
  const url = new URL(uri);
  if (url.username || url.password) return 'contains a user name or password';
  if (scheme === 'https' || scheme === 'http') return webFault(uri, url);
  return FORBIDDEN_SCHEMES.has(scheme) ? `has the scheme ${scheme}, which no client application has` : null;
}

/** @param {string} uri @param {URL} url */
function webFault(uri, url) {
  // What a browser would make of another spelling is not left to chance: no `https:/x`, no encoded host, no `/../`.
  const authority = /^https?:\/\/([^/?]+)/.exec(uri)?.[1] ?? '';
  const written = url.port || !/:\d+$/.test(authority) ? url.host : authority; // the default port may be written out
  if (!authority || authority.includes('@') || authority.toLowerCase() !== written.toLowerCase())
    return 'has a host that is not in canonical form';
  if (url.protocol === 'https:' || LOOPBACK.has(url.hostname)) return null;
  return 'is http on a host other than 127.0.0.1, [::1] and localhost; use https';
}

/**
 * Return whether a requested redirect URI is one of the registered ones: it is identical, or differs only in the port
 * on the loopback interface, which a native application chooses when it starts (RFC 8252, 7.3).
 * @param {string} uri @param {readonly string[]} registered
 */
export function isRegistered(uri, registered) {
  if (redirectUriFault(uri) !== null) return false;
  return registered.some((known) => known === uri || sameButPort(known, uri));
}

/** @param {string} known @param {string} uri */
function sameButPort(known, uri) {
  const [one, other] = [known, uri].map(withoutLoopbackPort);
  return one !== null && one === other;
}

/** Return a URI of the loopback interface without its port; null for any other. @param {string} uri */
function withoutLoopbackPort(uri) {
  const found = /^http:\/\/(127\.0\.0\.1|\[::1\]|localhost)(?::\d{1,5})?((?:[/?].*)?)$/.exec(uri);
  return found && URL.canParse(uri) ? `${found[1]}${found[2]}` : null;
}

/**
 * Return where a redirect URI leads, for a person to read: the host, or the scheme of an application.
 * @param {string} uri
 */
export function redirectHost(uri) {
  const url = new URL(uri);
  return /^https?:$/.test(url.protocol) ? url.host : url.protocol;
}

/** Return whether a redirect URI leads to a program on the user's own machine. @param {string} uri */
export const isLocal = (uri) => !/^https:/.test(uri);

/**
 * Return a redirect URI with the parameters of an authorization response in its query (RFC 6749, 4.1.2).
 * @param {string} uri @param {Record<string, string | undefined>} parameters  those that are undefined are left out
 */
export function withParameters(uri, parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined);
  const query = new URLSearchParams(/** @type {[string, string][]} */ (given));
  return `${uri}${uri.includes('?') ? '&' : '?'}${query}`;
}
