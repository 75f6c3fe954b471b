// The catalogue of the front's own errors; `node errors.mjs` prints it as JSON.

import { pathToFileURL } from 'node:url';
import { LATER } from '../../bridge/node/retries.mjs';
import { statusOf } from './remote_status.mjs';

/**
 * @typedef {{status: number, rpc?: number, cause: string, hint: string}} Entry  HTTP status, code of JSON-RPC at an
 *   endpoint (SERVER_ERROR if left out), what is wrong, what to do
 * @typedef {{error: string, code: string, hint: string, retryable?: true, data?: Record<string, unknown>}} ErrorAnswer
 *   of the API
 */

/** JSON-RPC error codes, as in sidecar/errors.py. */
const PARSE_ERROR = -32700;
const INVALID_REQUEST = -32600;
const SERVER_ERROR = -32010;

/** @satisfies {Record<string, Entry>} */
export const CATALOGUE = {
  SETTING_INVALID: {
    status: 500,
    cause: 'A setting (an environment variable or a line of the settings file) cannot be used.',
    hint: 'docs/configuration.md lists every setting with its form and default.',
  },
  PORT_TAKEN: {
    status: 500,
    cause: 'Another program listens on the port that a setting names.',
    hint: 'Stop that program, or choose another port with the setting named here.',
  },
  HUB_INTERNAL: {
    status: 500,
    cause: 'An unexpected internal error of the hub.',
    hint: "Look for this time in the hub's log (hubctl logs), which has the cause.",
  },
  HOST_REFUSED: {
    status: 403,
    rpc: INVALID_REQUEST,
    cause: 'A request carries a Host that the hub does not serve (protection against DNS rebinding).',
    hint: 'Use a loopback address, or name the host in HUB_ALLOWED_HOSTS.',
  },
  ORIGIN_REFUSED: {
    status: 403,
    rpc: INVALID_REQUEST,
    cause: "A page of another site, or of another program on this machine, tries to use the hub's API.",
    hint: "Use the hub's own pages, or name the page's host in HUB_ALLOWED_HOSTS.",
  },
  TOKEN_REQUIRED: {
    status: 401,
    rpc: INVALID_REQUEST,
    cause: 'A request to a protected hub has no token.',
    hint: "Send the header Authorization: Bearer <token>, or log in; the hub's operator gets one from: hubctl token.",
  },
  TOKEN_INVALID: {
    status: 401,
    rpc: INVALID_REQUEST,
    cause: 'The token is not valid: mistyped, revoked, or of another hub.',
    hint: 'Compare it with the output of hubctl token, or create a new key: hubctl keys add NAME.',
  },
  PAGE_SECRET_REQUIRED: {
    status: 401,
    rpc: INVALID_REQUEST,
    cause: "A request has the login cookie without the page secret, which the hub's pages store.",
    hint: 'Log in again at /login; a program sends the header Authorization: Bearer <token>.',
  },
  KEY_FORBIDDEN: {
    status: 403,
    rpc: INVALID_REQUEST,
    cause: 'The key is for MCP endpoints; pages and the API are for the token of the hub and keys with --admin.',
    hint: 'Use the token of the hub (hubctl token), or a key made with: hubctl keys add NAME --admin.',
  },
  ROLE_REQUIRED: {
    status: 403,
    cause: 'A user has signed in, and has no role that opens this page or part of the API.',
    hint: 'Your own page is /account. For more, ask an administrator of the hub for a role in its access.json.',
  },
  NOT_OWNER: {
    status: 403,
    cause: 'The request is for admins, or for the owners of the servers and workspaces that it names.',
    hint: 'An administrator of the hub can make you an owner of them, or an admin, in access.json.',
  },
  TOO_MANY_ATTEMPTS: {
    status: 429,
    cause: 'Too many wrong tokens came from this address.',
    hint: 'Wait a minute; the header Retry-After says how long.',
  },
  OIDC_PROVIDER_AWAY: {
    status: 503,
    cause: 'The OpenID provider at which users sign in does not answer.',
    hint: 'Try again in a few seconds. Until it is back, the token of the hub or an admin key opens the console.',
  },
  OIDC_PROVIDER_INVALID: {
    status: 502,
    cause: 'The metadata of the OpenID provider cannot be used.',
    hint: "Compare HUB_OIDC_ISSUER with the provider's documentation; the hub's log has the reason.",
  },
  OIDC_CLIENT_REFUSED: {
    status: 502,
    cause: 'The OpenID provider does not accept the id and secret of the hub.',
    hint: 'Compare HUB_OIDC_CLIENT_ID and HUB_OIDC_CLIENT_SECRET with what is registered there; secrets expire.',
  },
  OIDC_ANSWER_INVALID: {
    status: 502,
    cause: 'An answer of the OpenID provider failed a check: issuer, audience, nonce, signature or times.',
    hint: "Begin the sign-in anew. If it fails again, the hub's log has the reason.",
  },
  OIDC_CLAIMS_INVALID: {
    status: 502,
    cause: 'A claim of a user has a form that the hub cannot use, or the provider left out groups.',
    hint: 'Let the provider send fewer groups, for example those that are assigned to the hub (docs/sign-in.md).',
  },
  OIDC_STATE_UNKNOWN: {
    status: 400,
    cause: 'The sign-in was not begun in this browser, was finished before, or took longer than ten minutes.',
    hint: 'Begin it anew on the login page.',
  },
  OIDC_REFUSED: {
    status: 403,
    cause: 'The OpenID provider refused the sign-in, or the user cancelled it.',
    hint: 'Try again; who may sign in is decided at the provider.',
  },
  OIDC_DOMAIN_REFUSED: {
    status: 403,
    cause: 'The user belongs to none of the domains in HUB_OIDC_DOMAINS.',
    hint: 'Sign in with another account, or ask an administrator of the hub.',
  },
  LOGOUT_TOKEN_INVALID: {
    status: 400,
    cause: 'A log-out token, with which an OpenID provider ends logins, is not valid.',
    hint: "The hub's log has the reason; compare the clocks, and the provider with HUB_OIDC_ISSUER.",
  },
  HTTPS_REQUIRED: {
    status: 400,
    rpc: INVALID_REQUEST,
    cause: 'Plain HTTP came to a port that speaks HTTPS.',
    hint: 'Use https:// in place of http:// in the address.',
  },
  PATH_INVALID: {
    status: 404,
    rpc: INVALID_REQUEST,
    cause: 'The path of a request is not in canonical form: different case, dot segments, unusual encoding.',
    hint: 'Use the paths in docs/api.md; URL-encode names once in the path or query.',
  },
  NOT_FOUND: {
    status: 404,
    cause: 'There is nothing at this path.',
    hint: 'docs/api.md lists the paths; the console is at /hub/.',
  },
  METHOD_NOT_ALLOWED: {
    status: 405,
    cause: 'The path does not support this method.',
    hint: 'The header Allow lists the supported methods.',
  },
  LENGTH_REQUIRED: {
    status: 411,
    rpc: INVALID_REQUEST,
    cause: 'A request with a method other than POST, PUT or PATCH has a body of unknown length.',
    hint: 'Send it without a body.',
  },
  CONNECTIONS_LIMIT: {
    status: 503,
    cause:
      'The hub has as many connections as its limit of open files allows, or one address has as many as it may have.',
    hint: 'Close connections that are not used, or raise the limit of open files: ulimit -n, LimitNOFILE, --ulimit.',
  },
  REQUEST_TIMEOUT: {
    status: 408,
    rpc: INVALID_REQUEST,
    cause: 'A client did not send a complete request in time.',
    hint: 'Send the head of a request within 15 s, and its body within 30 s or at 16 KiB/s.',
  },
  BODIES_LIMIT: {
    status: 503,
    cause: 'The incomplete request bodies have reached their memory limit.',
    hint: 'Try again in a few seconds; the limit is 16 times HUB_MAX_BODY_BYTES.',
  },
  FRAMING_REFUSED: {
    status: 400,
    rpc: INVALID_REQUEST,
    cause: 'The end of a request is ambiguous (protection against request smuggling).',
    hint: 'Send either one Content-Length or Transfer-Encoding: chunked; list neither of them, nor Host, in Connection.',
  },
  HEADERS_TOO_MANY: {
    status: 431,
    rpc: INVALID_REQUEST,
    cause: 'A request has more than 1,000 headers.',
    hint: 'Send fewer headers; if a proxy adds them, look for a proxy loop.',
  },
  BODY_TOO_LARGE: {
    status: 413,
    rpc: INVALID_REQUEST,
    cause: 'A client sent a larger body than HUB_MAX_BODY_BYTES.',
    hint: 'Send less, or raise HUB_MAX_BODY_BYTES.',
  },
  BODY_TYPE_REFUSED: {
    status: 415,
    rpc: INVALID_REQUEST,
    cause: 'A client sent a body whose Content-Type is not JSON.',
    hint: 'Send JSON with the header Content-Type: application/json, not compressed.',
  },
  BODY_NOT_JSON: {
    status: 400,
    rpc: PARSE_ERROR,
    cause: 'A client sent a body that is not JSON.',
    hint: 'Check its brackets, commas and quotes.',
  },
  BODY_INVALID: {
    status: 400,
    cause: 'The body lacks a required field, or a field has the wrong type.',
    hint: 'docs/api.md describes each body.',
  },
  QUERY_INVALID: {
    status: 400,
    cause: 'A query parameter is missing or not valid.',
    hint: 'docs/api.md lists the parameters; URL-encode their values.',
  },
  HUB_AWAY: {
    status: 503,
    cause: "The hub's adapter or sidecar, which the page or the API needs, does not answer.",
    hint: 'The hub restarts it. If it does not come back, see hubctl doctor.',
  },
  HUB_STARTING: {
    status: 503,
    cause: 'The hub has just started: the sidecar has no configuration yet.',
    hint: 'Try again in a few seconds. If the error persists, hubctl doctor shows why there is no configuration.',
  },
  HUB_STOPPING: {
    status: 503,
    cause: 'The hub is stopping.',
    hint: 'If the hub is restarting, connect again in a few seconds.',
  },
  SIDECAR_AWAY: {
    status: 502,
    cause: 'The sidecar, which serves the endpoints, cannot be reached, or died while it answered.',
    hint: 'Connect again in a few seconds: the hub restarts it. If it does not come back, see hubctl doctor.',
  },
  HISTORY_OFF: {
    status: 409,
    cause: 'The history is switched off, so the hub does not record calls, changes and sign-ins.',
    hint: 'Remove HUB_HISTORY=off from the environment or the settings file, and restart the hub.',
  },
  HISTORY_UNAVAILABLE: {
    status: 503,
    cause: 'The recorder, which keeps the history, does not answer. Calls go on; their records wait on disk.',
    hint: 'The hub restarts it. If it does not come back, see hubctl doctor and recorder.log.',
  },
  YAMCP_UI_AWAY: {
    status: 503,
    cause: 'YAMCP-UI, whose pages are shown here, does not answer.',
    hint: "The hub restarts YAMCP-UI automatically; the hub's own console is at /hub/.",
  },
  YAMCP_UI_REFUSED: {
    status: 502,
    cause: 'YAMCP-UI, which saves the edits of its own pages, refused or failed to save one.',
    hint: 'See yamcp-ui.log in the logs directory; the console at /hub/ can edit without YAMCP-UI.',
  },
  WORKSPACE_NOT_READY: {
    status: 503,
    cause: 'A workspace is switched on, but none of its servers is ready.',
    hint: "The console shows each server's reason and its last lines on stderr.",
  },
  LIVE_MESSAGE_INVALID: {
    status: 400,
    cause: 'A page sent a message on its live connection that is not valid.',
    hint: 'Reload the page; docs/api.md lists the messages.',
  },
  LIVE_BUSY: {
    status: 429,
    cause: 'One page runs more tools, or more pages are connected, than the hub allows.',
    hint: 'Wait until one of them has ended.',
  },
};

/** Seconds for Retry-After where nothing more exact is known. */
const RETRY_AFTER_SECONDS = 5;

/** @typedef {keyof typeof CATALOGUE} Code */

/** An error that is reported to a user or client. `data` must not hold secrets; `status` is the HTTP status. */
export class FrontError extends Error {
  /**
   * @param {Code} code
   * @param {string} [message] what happened to what; the catalogue's words where it is left out
   * @param {{hint?: string, data?: Record<string, unknown>, status?: number}} [more]
   */
  constructor(code, message, more = {}) {
    super(message ?? CATALOGUE[code].cause);
    this.name = 'FrontError';
    /** @type {string} */
    this.code = code;
    this.hint = more.hint ?? CATALOGUE[code].hint;
    this.data = more.data ?? {};
    this.status = more.status ?? CATALOGUE[code].status;
    /** The JSON-RPC error code for MCP clients. */
    this.rpc = /** @type {Entry} */ (CATALOGUE[code]).rpc ?? SERVER_ERROR;
    /** Whether nothing was carried out, and the same request can succeed after some seconds. */
    this.retryable = LATER.has(code) || 'retry_after' in this.data;
  }
}

/**
 * Describe any thrown error for a client; of an unexpected one, only that it occurred.
 * @param {unknown} error
 * @returns {{status: number, code: string, message: string, hint: string, data: Record<string, unknown>}}
 */
export function describeError(error) {
  if (error instanceof FrontError) return pick(error, error.status);
  if (error instanceof Error && error.name === 'BridgeError') {
    const remote = /** @type {Error & {code: string, hint?: string, data?: Record<string, unknown>}} */ (error);
    return pick(remote, statusOf(remote.code));
  }
  const { status, cause, hint } = CATALOGUE.HUB_INTERNAL;
  return { status, code: 'HUB_INTERNAL', message: cause, hint, data: {} };
}

/**
 * @param {{code: string, message: string, hint?: string, data?: Record<string, unknown>}} error
 * @param {number} status
 */
function pick({ code, message, hint = '', data = {} }, status) {
  return { status, code, message, hint, data };
}

/** Parameters of WWW-Authenticate, by error code. @type {Record<string, string>} */
const CHALLENGES = { TOKEN_REQUIRED: '', PAGE_SECRET_REQUIRED: '', TOKEN_INVALID: ', error="invalid_token"' };

/**
 * Return the headers of a response with this error: how to authenticate, or when to try again (RFC 9110, 10.2.3).
 * @param {unknown} error
 * @returns {Record<string, string>}
 */
export function headersOf(error) {
  const { status, code, data } = describeError(error);
  if (code in CHALLENGES) return { 'WWW-Authenticate': `Bearer realm="yamcp-hub"${CHALLENGES[code]}` };
  const seconds = data.retry_after ?? (LATER.has(code) && [429, 503].includes(status) ? RETRY_AFTER_SECONDS : 0);
  return seconds ? { 'Retry-After': String(seconds) } : {};
}

/**
 * Return the body of an API response with this error.
 * @param {unknown} error
 * @returns {ErrorAnswer}
 */
export function answerOf(error) {
  const { code, message, hint, data } = describeError(error);
  const retryable = LATER.has(code) || 'retry_after' in data ? { retryable: /** @type {const} */ (true) } : {};
  return { error: message, code, hint, ...retryable, ...(Object.keys(data).length ? { data } : {}) };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.stdout.write(`${JSON.stringify(CATALOGUE, null, 2)}\n`);
}
