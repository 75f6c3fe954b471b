/** Applies changes to the State, and describes them in words. Pure. */

import { serverState, workspaceState } from '../words.mjs';

/** @typedef {import('../types.mjs').State} State @typedef {import('../types.mjs').Change} Change */
/** @typedef {import('../types.mjs').HubEvent} HubEvent @typedef {import('../types.mjs').Workspace} Workspace */
/** @typedef {import('../types.mjs').Server} Server */

/**
 * Return the State after a change; null if an earlier change was missed, so that the whole State must be requested.
 *
 * @param {State|null} state
 * @param {Change} change
 * @returns {State|null}
 */
export function merge(state, change) {
  if (!state) return null;
  if (change.seq <= state.seq) return state;
  if (change.seq !== state.seq + 1) return null;
  const workspaces = mergeList(state.workspaces, change, 'workspaces', (item) => item.name);
  const servers = mergeList(state.servers, change, 'servers', (item) => item.key);
  if (!workspaces || !servers) return null;
  return { seq: change.seq, hub: change.hub ?? state.hub, workspaces, servers };
}

/**
 * @template T
 * @param {T[]} before
 * @param {Change} change
 * @param {'workspaces'|'servers'} list
 * @param {(item: T) => string} id
 * @returns {T[]|null}
 */
function mergeList(before, change, list, id) {
  const changed = /** @type {T[]} */ (change[list] ?? []);
  const gone = new Set(change.gone?.[list] ?? []);
  if (changed.length === 0 && gone.size === 0 && !change.order) return before;
  const items = new Map(before.filter((item) => !gone.has(id(item))).map((item) => [id(item), item]));
  for (const item of changed) items.set(id(item), item);
  if (!change.order) return [...items.values()];
  const ordered = change.order[list].map((key) => items.get(key));
  return ordered.every((item) => item !== undefined) ? /** @type {T[]} */ (ordered) : null;
}

/**
 * Return what happened between two States, one line each.
 *
 * @param {State|null} before
 * @param {State} after
 * @returns {HubEvent[]}
 */
export function eventsBetween(before, after) {
  if (!before) return [];
  const at = after.hub.at;
  return [
    ...hubEvents(before, after),
    ...listEvents(before.workspaces, after.workspaces, (item) => item.name, aboutWorkspace),
    ...listEvents(before.servers, after.servers, (item) => item.key, aboutServer),
  ].map((event) => ({ at, ...event }));
}

/** @typedef {Omit<HubEvent, 'at'>} UntimedEvent */

/**
 * @template T
 * @param {T[]} before
 * @param {T[]} after
 * @param {(item: T) => string} id
 * @param {(before: T|undefined, after: T|undefined) => UntimedEvent|null} about
 */
function listEvents(before, after, id, about) {
  if (before === after) return [];
  const old = new Map(before.map((item) => [id(item), item]));
  const now = new Map(after.map((item) => [id(item), item]));
  const gone = before.filter((item) => !now.has(id(item))).map((item) => about(item, undefined));
  const others = after.map((item) => (old.get(id(item)) === item ? null : about(old.get(id(item)), item)));
  return /** @type {UntimedEvent[]} */ ([...gone, ...others].filter(Boolean));
}

/** @param {Workspace|undefined} before @param {Workspace|undefined} after @returns {UntimedEvent|null} */
function aboutWorkspace(before, after) {
  const kind = /** @type {const} */ ('workspace');
  if (!after) return { kind, subject: before?.name ?? '', text: 'was removed', tone: 'off' };
  const { word, tone } = workspaceState(after);
  const now = { kind, subject: after.name, tone };
  if (!before) return { ...now, text: `was added: ${word.toLowerCase()}` };
  if (before.state !== after.state) return { ...now, text: word.toLowerCase(), loud: true };
  if (before.tools !== after.tools) return { ...now, text: `has ${after.tools} tools now (${before.tools} before)` };
  if (before.servers.join('\n') !== after.servers.join('\n')) return { ...now, text: 'has other servers now' };
  if (before.sessions !== after.sessions) return { ...now, text: sessions(before.sessions, after.sessions) };
  return null;
}

/** @param {number} before @param {number} after */
function sessions(before, after) {
  return `${after > before ? 'a client connected' : 'a client disconnected'}: ${after} now`;
}

/** @param {Server|undefined} before @param {Server|undefined} after @returns {UntimedEvent|null} */
function aboutServer(before, after) {
  const kind = /** @type {const} */ ('server');
  if (!after) return { kind, subject: before?.key ?? '', text: 'was removed', tone: 'off' };
  const { word, tone } = serverState(after);
  const now = { kind, subject: after.key, tone };
  if (!before) return { ...now, text: `was added: ${word.toLowerCase()}` };
  if (before.state !== after.state || before.enabled !== after.enabled)
    return { ...now, text: stateText(after), loud: tone === 'bad' };
  if (before.restarts !== after.restarts) return { ...now, text: 'reconnected' };
  if (before.tools !== after.tools) return { ...now, text: `has ${after.tools} tools now (${before.tools} before)` };
  if (before.hash !== after.hash) return { ...now, text: 'its definition was changed' };
  return null;
}

/** @param {Server} server */
function stateText(server) {
  const { word, tone } = serverState(server);
  const why = tone === 'bad' || tone === 'warn' ? (server.reason ?? server.troubles?.[0])?.message : '';
  return why ? `${word.toLowerCase()}: ${why}` : word.toLowerCase();
}

/** @param {State} before @param {State} after @returns {UntimedEvent[]} */
function hubEvents(before, after) {
  const parts = /** @type {const} */ (['adapter', 'sidecar', 'yamcp_ui']);
  const names = { adapter: 'the adapter', sidecar: 'the sidecar', yamcp_ui: 'YAMCP-UI' };
  return parts
    .filter((part) => before.hub[part] !== after.hub[part])
    .map((part) => {
      const there = after.hub[part] === 'ok';
      return {
        kind: 'hub',
        subject: names[part],
        text: there ? 'is available again' : 'is unavailable',
        tone: there ? 'ok' : 'bad',
        loud: true,
      };
    });
}
