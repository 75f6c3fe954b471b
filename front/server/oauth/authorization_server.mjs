// The hub as the OAuth 2.1 authorization server of its own endpoints: dispatches requests by path. Loaded on demand.
// docs/oauth.md, docs/adr/0040-credentials-journal.md.

import { FrontError } from '../errors.mjs';
import { Authorize } from './authorize.mjs';
import { ClientEndpoints } from './client_endpoints.mjs';
import { Clients } from './clients/clients.mjs';
import { sendJson } from './answers.mjs';
import { resourceMetadata, serverMetadata } from './metadata.mjs';
import { baseOf, RESOURCE_METADATA, SERVER_METADATA } from './urls.mjs';

const ENDPOINT = /^\/mcp\/[^/]+(?:\/sse)?\/?$/;
/** Seconds that a client may keep metadata. */
const METADATA_HEADERS = { 'Cache-Control': 'public, max-age=300', Vary: 'Host, Origin' };

/**
 * Return the handler of the authorization server.
 * @param {{auth: import('../access/auth.mjs').Auth, hub: import('../state/hub.mjs').HubClient,
 *   settings: import('../settings.mjs').Settings, log: import('../log.mjs').Log}} parts
 * @returns {import('express').Handler}
 */
export function authorizationServer(parts) {
  const { settings, hub } = parts;
  const clients = new Clients(hub, { loopback: settings.oauthLoopbackClients });
  const authorize = new Authorize({ ...parts, clients });
  const endpoints = new ClientEndpoints(parts);
  /** @type {Record<string, [string, (request: import('express').Request, response: import('express').Response) => Promise<void>]>} */
  const routes = {
    '/oauth/register': ['POST', (request, response) => endpoints.register(request, response)],
    '/oauth/token': ['POST', (request, response) => endpoints.token(request, response)],
    '/oauth/revoke': ['POST', (request, response) => endpoints.revoke(request, response)],
    '/oauth/authorize': ['GET', (request, response) => authorize.authorize(request, response)],
    '/oauth/consent': ['POST', (request, response) => authorize.consent(request, response)],
  };
  return async (request, response) => {
    const ofResource = settings.jwtIssuer !== null && request.path.startsWith(RESOURCE_METADATA);
    if (!settings.oauth && !ofResource) throw nothingAt(request.path);
    const [method, handle] = Object.hasOwn(routes, request.path) ? routes[request.path] : [];
    const asked = request.method === 'HEAD' ? 'GET' : request.method;
    if (handle && asked === method) return handle(request, response);
    if (handle) {
      response.set('Allow', method === 'GET' ? 'GET, HEAD' : method);
      throw new FrontError('METHOD_NOT_ALLOWED');
    }
    const metadata = asked === 'GET' ? metadataAt(request.path, baseOf(request, settings), settings) : null;
    if (!metadata) throw nothingAt(request.path);
    sendJson(response, 200, metadata, METADATA_HEADERS);
  };
}

/** @param {string} path */
const nothingAt = (path) => new FrontError('NOT_FOUND', `There is nothing at ${path}.`);

/**
 * Return the metadata at a path; null if there is none. Clients look for that of the authorization server at paths with
 * the issuer's path or that of the endpoint appended, too; it is the same there.
 * @param {string} path @param {string} base @param {import('./metadata.mjs').External} external
 */
export function metadataAt(path, base, external) {
  if (path.startsWith(RESOURCE_METADATA)) {
    const endpoint = path.slice(RESOURCE_METADATA.length);
    const own = endpointPath(endpoint, base);
    return own === null ? null : resourceMetadata(base, `${RESOURCE_METADATA}${own}`, external);
  }
  const below = SERVER_METADATA.find((each) => path === each || path.startsWith(`${each}/`));
  const rest = below === undefined ? null : path.slice(below.length).replace(/\/$/, '');
  const known = rest !== null && (rest === '' || rest === new URL(base).pathname || endpointPath(rest, base) !== null);
  return known ? serverMetadata(base) : null;
}

/**
 * Return the path of an endpoint below the base; null if it is not one. A metadata URL made as RFC 9728 says contains
 * the path of the base, too.
 * @param {string} path @param {string} base
 */
function endpointPath(path, base) {
  const prefix = new URL(base).pathname.replace(/\/$/, '');
  const own = prefix !== '' && path.startsWith(`${prefix}/`) ? path.slice(prefix.length) : path;
  return ENDPOINT.test(own) ? own : null;
}
