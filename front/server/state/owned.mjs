// What an owner may see of the State: the servers and workspaces that it owns. Pure.

/**
 * @import {Owned} from '../access/roles.mjs'
 * @import {ServerState, State} from './state.mjs'
 */

/**
 * Return whether a name fits one of the patterns, in which each `*` stands for any characters
 * (bridge/access/patterns.py; bridge/vectors/patterns.json tests both).
 * @param {readonly string[]} patterns @param {string} name
 */
export function owns(patterns, name) {
  return patterns.some((pattern) => matches(pattern, name));
}

/** @param {string} pattern @param {string} name */
function matches(pattern, name) {
  const [first, ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return pattern === name;
  const end = name.length - last.length;
  if (end < first.length || !name.startsWith(first) || !name.endsWith(last)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}

/**
 * Return the part of the State that an owner may see.
 * @param {State} state @param {Owned} owned
 * @returns {State}
 */
export function ownedState(state, owned) {
  const workspaces = state.workspaces.filter(({ name }) => owns(owned.workspaces, name));
  const servers = state.servers.flatMap((server) => ownedServer(server, owned) ?? []);
  const hub = {
    ...state.hub,
    role: /** @type {const} */ ('owner'),
    last_change: null,
    undoable: [],
    issues: [],
    sidecar_url: '',
    activations: 0,
    proposals: 0,
    trust: 0,
    hub_tools: [],
    sessions: workspaces.reduce((sum, { sessions }) => sum + sessions, 0),
  };
  return { ...state, hub, workspaces, servers };
}

/**
 * Return what an owner may see of a server; null if it does not own it.
 * @param {ServerState} server @param {Owned} owned
 * @returns {ServerState | null}
 */
export function ownedServer(server, owned) {
  if (!owns(owned.servers, server.key)) return null;
  return { ...server, workspaces: server.workspaces.filter((name) => owns(owned.workspaces, name)) };
}

/**
 * Return whether an owner may see a log record: it is about a server that it owns, and about no workspace of others.
 * @param {Record<string, unknown>} record @param {Owned} owned
 */
export function ownsRecord({ server, workspace }, owned) {
  if (typeof server !== 'string' || !owns(owned.servers, server)) return false;
  return workspace === undefined || (typeof workspace === 'string' && owns(owned.workspaces, workspace));
}

/**
 * Remove the workspaces of others from the data of an error; return the error.
 * @param {unknown} error @param {Owned} owned
 */
export function ownedError(error, owned) {
  const { data } = /** @type {{data?: Record<string, unknown>}} */ (error ?? {});
  if (!Array.isArray(data?.workspaces)) return error;
  const workspaces = data.workspaces.filter((name) => owns(owned.workspaces, String(name)));
  return Object.assign(/** @type {Error} */ (error), { data: { ...data, workspaces } });
}

/**
 * Return whether requests of the console to a workspace would be sent to a server with the account of whoever has the
 * hub's token: they are the hub's own, and with `sign_in: "user"` each user of a server has an account there.
 * @param {State} state @param {string} workspace
 */
export function usesAccounts({ workspaces, servers }, workspace) {
  const members = new Set(workspaces.find(({ name }) => name === workspace)?.servers);
  return servers.some(({ key, settings }) => members.has(key) && settings.sign_in === 'user');
}
