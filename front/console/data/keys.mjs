/** Descriptions of keys, and names for new ones. Pure. */

import { displayName } from '../words.mjs';

/** @typedef {import('../../../bridge/node/types.mjs').Key} Key */

/** Limit for the characters of a key's name. */
export const MAX_NAME_LENGTH = 64;

/** Describe what a key gives access to. @param {Pick<Key, 'workspaces' | 'admin'>} key */
export function accessText({ workspaces, admin }) {
  if (admin) return 'Everything: all workspaces, pages and the API';
  if (workspaces === null) return 'All workspaces';
  return workspaces.map(displayName).join(', ') || 'Nothing';
}

/**
 * Return a name that no key has: the given one, or it with a number appended.
 *
 * @param {string} wanted
 * @param {Iterable<string>} taken
 */
export function freeName(wanted, taken) {
  const names = new Set(taken);
  for (let number = 1; ; number += 1) {
    const end = number > 1 ? ` ${number}` : '';
    const name = wanted.slice(0, MAX_NAME_LENGTH - end.length) + end;
    if (!names.has(name)) return name;
  }
}

/**
 * Return why a name is invalid for a key; empty if it is valid.
 *
 * @param {string} name
 * @param {Iterable<string>} taken
 */
export function nameFault(name, taken) {
  if (name === '') return 'Enter a name.';
  if ([...name].length > MAX_NAME_LENGTH) return `A name can have at most ${MAX_NAME_LENGTH} characters.`;
  if (name !== name.trim()) return 'A name must not begin or end with a space.';
  return new Set(taken).has(name) ? 'Another key has this name.' : '';
}
