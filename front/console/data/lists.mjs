/** The filter and the sort orders of the lists of servers and workspaces. Pure. */

import { serverState, workspaceState } from '../words.mjs';

/** @typedef {import('../types.mjs').Server} Server @typedef {import('../types.mjs').Workspace} Workspace */

const TONES = ['bad', 'warn', 'busy', 'ok', 'off'];
const byName = new Intl.Collator('en', { numeric: true, sensitivity: 'base' }).compare;

/** @type {Record<string, { label: string, compare?: (a: Server, b: Server) => number }>} */
export const SERVER_ORDERS = {
  file: { label: 'As in the file' },
  name: { label: 'By name', compare: (a, b) => byName(a.key, b.key) },
  state: { label: 'Problems first', compare: (a, b) => tone(serverState(a)) - tone(serverState(b)) },
  tools: { label: 'Most tools first', compare: (a, b) => b.tools - a.tools },
  memory: { label: 'Most memory first', compare: (a, b) => b.memory_bytes - a.memory_bytes },
  restarts: { label: 'Most restarts first', compare: (a, b) => b.restarts - a.restarts },
};

/** @type {Record<string, { label: string, compare?: (a: Workspace, b: Workspace) => number }>} */
export const WORKSPACE_ORDERS = {
  file: { label: 'As in the file' },
  name: { label: 'By name', compare: (a, b) => byName(a.name, b.name) },
  state: { label: 'Problems first', compare: (a, b) => tone(workspaceState(a)) - tone(workspaceState(b)) },
  tools: { label: 'Most tools first', compare: (a, b) => b.tools - a.tools },
  sessions: { label: 'Most sessions first', compare: (a, b) => b.sessions - a.sessions },
};

/** @param {{ tone: import('../types.mjs').Tone }} said */
const tone = ({ tone: found }) => TONES.indexOf(found);

/**
 * Return a list in that order; equal items stay in the file's order.
 *
 * @template T
 * @param {T[]} items
 * @param {Record<string, { compare?: (a: T, b: T) => number }>} orders
 * @param {string} order
 */
export function sorted(items, orders, order) {
  const compare = orders[order]?.compare;
  return compare ? [...items].sort(compare) : items;
}

/** Return the options of a select. @param {Record<string, { label: string }>} orders */
export const orderOptions = (orders) => Object.entries(orders).map(([value, { label }]) => ({ value, label }));

/**
 * Return whether each of the wanted words is in one of the texts, ignoring case.
 * @param {string} wanted @param {(string|undefined)[]} texts
 */
export function matches(wanted, texts) {
  const all = texts.join('\n').toLowerCase();
  return wanted
    .toLowerCase()
    .split(/\s+/)
    .every((word) => all.includes(word));
}
