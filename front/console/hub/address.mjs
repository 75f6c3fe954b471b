/** The hub's addresses as this page's visitor needs them: those that the page itself was reached at (pure). */

/** @import {State, WorkspaceState} from '../../server/state/state.mjs' */

/**
 * Return the State with the endpoints' URLs below `origin`, if HUB_PUBLIC_URL is not set: behind `docker run -p
 * 9000:8765`, or under another host name, the hub does not know its own address, but the browser does.
 *
 * @param {State} state
 * @param {string} origin  `location.origin`; empty where it is not known
 * @returns {State} the same where nothing changes; so are its parts
 */
export function seenFrom(state, origin) {
  const { published, public_url } = state.hub;
  if (published || !origin || public_url === origin) return state;
  return { ...state, workspaces: state.workspaces.map((workspace) => movedTo(origin, workspace, public_url)) };
}

/** @param {string} origin @param {WorkspaceState} workspace @param {string} from @returns {WorkspaceState} */
function movedTo(origin, workspace, from) {
  const { sse_url, http_url } = workspace;
  if (!http_url.startsWith(`${from}/`)) return workspace;
  const [sse, http] = [sse_url, http_url].map((url) => origin + url.slice(from.length));
  return { ...workspace, sse_url: sse, http_url: http };
}
