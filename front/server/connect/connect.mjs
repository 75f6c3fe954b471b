// Signing in at remote servers in the browser: /connect/<server> begins, /connect/callback finishes. The sidecar is the
// OAuth client; the front proves who is at the browser (docs/upstream-sign-in.md).

import { randomBytes } from 'node:crypto';
import { cookieIn, setCookie } from '../access/cookie.mjs';
import { describeError, FrontError } from '../errors.mjs';
import { isSecure } from '../http/client.mjs';
import { sendJson, sendPage } from '../oauth/answers.mjs';
import { baseOf } from '../oauth/urls.mjs';
import { usableWorkspaces } from '../oauth/usable_workspaces.mjs';
import { askPage, donePage, failurePage } from './connect_page.mjs';

/**
 * @typedef {import('express').Request} Request
 * @typedef {import('express').Response} Response
 * @typedef {import('../access/keys.mjs').Principal} Principal
 * @typedef {{auth: import('../access/auth.mjs').Auth, hub: import('../state/hub.mjs').HubClient,
 *   settings: import('../settings.mjs').Settings}} Parts
 */

/** The path of the hub's client metadata document, by which authorization servers know it. */
export const CLIENT_METADATA = '/connect/client-metadata.json';
const CALLBACK = '/connect/callback';
/** Seconds that a browser has to finish a sign-in, as in sidecar/upstream_auth/pending.py. */
const COOKIE_SECONDS = 600;
const BROWSER_SECRET = /^[\w-]{43}$/;
/** Who is at the browser in a hub that needs no login. */
const EVERYBODY = { id: '', name: '', admin: true };

/**
 * Return the handler of the paths.
 * @param {Parts} parts @returns {import('express').Handler}
 */
export function connect(parts) {
  return async (request, response) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.set('Allow', 'GET, HEAD');
      throw new FrontError('METHOD_NOT_ALLOWED');
    }
    if (request.path === CLIENT_METADATA)
      return sendJson(response, 200, clientMetadata(baseOf(request, parts.settings)));
    checkNavigation(request);
    try {
      if (request.path === CALLBACK && request.query.state !== undefined) await finish(parts, request, response);
      else await begin(parts, request, response);
    } catch (error) {
      const known = describeError(error);
      if (known.code === 'HUB_INTERNAL') throw error;
      sendPage(response, known.status, failurePage(known));
    }
  };
}

/**
 * Return the hub's client metadata document (draft-ietf-oauth-client-id-metadata-document).
 * @param {string} base
 */
export function clientMetadata(base) {
  return {
    client_id: `${base}${CLIENT_METADATA}`,
    client_name: 'yamcp-hub',
    client_uri: base,
    redirect_uris: [`${base}${CALLBACK}`],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
    application_type: 'web',
  };
}

/** @param {Parts} parts @param {Request} request @param {Response} response */
async function begin({ auth, hub, settings }, request, response) {
  const server = decodeURIComponent(request.path.slice('/connect/'.length));
  const principal = auth.who(request)?.principal ?? null;
  if (principal && !principal.admin) await checkUsable(hub, principal, server);
  const browser = browserSecret(request, settings) || randomBytes(32).toString('base64url');
  const base = baseOf(request, settings);
  const { id, admin, name } = principal ?? EVERYBODY;
  const { for: wanted } = request.query;
  const begun = await hub.askSidecar('begin_upstream_sign_in', {
    server,
    principal: id,
    admin,
    browser,
    redirect_uri: `${base}${CALLBACK}`,
    client_metadata: base.startsWith('https:') && settings.publicUrl ? `${base}${CLIENT_METADATA}` : '',
    for_principal: typeof wanted === 'string' ? wanted : null,
  });
  const secure = base.startsWith('https:') || isSecure(/** @type {any} */ (request), settings.trustedProxies);
  const cookie = setCookie(cookieName(request, settings), browser, { secure, age: COOKIE_SECONDS, path: '/connect' });
  response.setHeader('Set-Cookie', cookie);
  sendPage(response, 200, askPage({ ...begun, who: name }));
}

/** @param {Parts} parts @param {Request} request @param {Response} response */
async function finish({ auth, hub, settings }, request, response) {
  const { state, code, iss, error, error_description: description } = request.query;
  if (!/^[\w-]{43}$/.test(text(state))) throw unknownState();
  const principal = auth.who(request)?.principal ?? EVERYBODY;
  const done = await hub.askSidecar('finish_upstream_sign_in', {
    state: text(state),
    principal: principal.id,
    browser: browserSecret(request, settings) || 'none',
    code: text(code),
    iss: iss === undefined ? null : text(iss),
    error: text(error).slice(0, 256),
    error_description: text(description).slice(0, 2048),
  });
  sendPage(
    response,
    200,
    donePage({ server: done.server, mode: done.mode, admin: principal.admin, known: principal.id !== '' }),
  );
}

/**
 * Refuse a sign-in at a server of which the principal may use nothing; it is as if there were none.
 * @param {Parts['hub']} hub @param {Principal} principal @param {string} server
 */
async function checkUsable(hub, principal, server) {
  const workspaces = await usableWorkspaces(hub, principal);
  if (workspaces.some(({ servers }) => servers.includes(server))) return;
  throw new FrontError('NOT_FOUND', `You may use no server “${server}”.`);
}

/**
 * Refuse what is not a page that a browser loads: a page of another site could otherwise send requests unseen.
 * @param {Request} request
 */
function checkNavigation({ headers }) {
  const { 'sec-fetch-mode': mode = 'navigate', 'sec-fetch-dest': target = 'document' } = headers;
  if (mode !== 'navigate' || target !== 'document') throw new FrontError('ORIGIN_REFUSED');
}

const unknownState = () =>
  new FrontError('NOT_FOUND', 'The address is not one that an authorization server returns to.');

/** @param {Request} request @param {Parts['settings']} settings */
function browserSecret(request, settings) {
  const found = cookieIn(request.headers.cookie, cookieName(request, settings));
  return BROWSER_SECRET.test(found) ? found : '';
}

/** Browsers share cookies between the ports of a host. @param {Request} request @param {Parts['settings']} settings */
const cookieName = ({ headers: { host = '' } }, settings) =>
  `yamcp_connect_${/:(\d{1,5})$/.exec(host)?.[1] ?? settings.port}`;

/** @param {unknown} value  of a parameter, which may be repeated */
const text = (value) => (typeof value === 'string' ? value : '');
