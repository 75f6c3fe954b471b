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
