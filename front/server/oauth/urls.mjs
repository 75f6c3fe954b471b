// The URLs of the authorization server and of the endpoints, as a client sees them. Pure.

import { originOf } from '../http/client.mjs';

/**
 * @typedef {import('../settings.mjs').Settings} Settings
 * @typedef {import('../state/state.mjs').WorkspaceState} WorkspaceState
 */

/** The path of the metadata of a protected resource, which precedes the resource's own path (RFC 9728, 3.1). */
export const RESOURCE_METADATA = '/.well-known/oauth-protected-resource';
/** Paths of an authorization server's metadata (RFC 8414, 3; OpenID Connect Discovery, 4). */
export const SERVER_METADATA = ['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration'];
/** Paths of the authorization server. */
export const OAUTH_PATHS =
  /^\/(?:oauth\/|\.well-known\/(?:oauth-protected-resource|oauth-authorization-server|openid-configuration)(?:\/|$))/;
const ENDPOINT = /^\/mcp\/([^/]+?)(\/sse|\/messages)?\/?$/;

/**
 * Return the base of the hub's URLs for the client of a request, without a trailing slash: HUB_PUBLIC_URL, or the
 * address that the client used, whose Host the guard has accepted. It is the issuer, too.
 * @param {import('../http/client.mjs').RequestHead} request @param {Pick<Settings, "publicUrl" | "baseUrl" | "trustedProxies">} settings
 * @returns {string}
 */
export function baseOf(request, { publicUrl, baseUrl, trustedProxies }) {
  const used = originOf(request, trustedProxies); // of a key's holder, the guard accepts any Host
  const url = new URL(publicUrl ?? (URL.canParse(used) ? used : baseUrl));
  return url.origin + withoutSlash(url.pathname);
}

/**
 * Return the URL of an endpoint's metadata (RFC 9728) for the challenge in a 401; null if the path is no endpoint's.
 * @param {string} base @param {string} path  of the request, without the query
 */
export function resourceMetadataUrl(base, path) {
  const found = ENDPOINT.exec(path);
  if (!found) return null;
  return `${base}${RESOURCE_METADATA}/mcp/${found[1]}${found[2] ? '/sse' : ''}`; // messages are posted for an SSE stream
}

/**
 * Return the slug of the workspace whose endpoint a `resource` (RFC 8707) names; null if it is no endpoint of this hub.
 * A trailing slash, the default port and the case of the host are tolerated, nothing else.
 * @param {string} resource @param {string} base
 * @returns {string | null}
 */
export function slugOfResource(resource, base) {
  if (!/^https?:\/\/[\x21-\x7e]+$/i.test(resource) || /[#?\\@]/.test(resource) || !URL.canParse(resource)) return null;
  const [url, own] = [new URL(resource), new URL(base)];
  const prefix = withoutSlash(own.pathname);
  if (url.origin !== own.origin || !url.pathname.startsWith(prefix)) return null;
  const [, slug, rest] = ENDPOINT.exec(url.pathname.slice(prefix.length)) ?? [];
  if (slug === undefined || rest === '/messages') return null;
  try {
    return decodeURIComponent(slug);
  } catch {
    return null;
  }
}

/**
 * Return the workspace with that slug, or one that had it (docs/adr/0032-slugs.md).
 * @param {readonly WorkspaceState[]} workspaces @param {string} slug
 */
export const workspaceOfSlug = (workspaces, slug) =>
  workspaces.find((workspace) => workspace.slug === slug) ??
  workspaces.find((workspace) => workspace.aliases.includes(slug));

/** Return a path without the slashes at its end. @param {string} path */
function withoutSlash(path) {
  let end = path.length;
  while (path[end - 1] === '/') end -= 1;
  return path.slice(0, end);
}
