/** Keys in words, and names for new ones (pure). */

import { shown } from '../words.mjs';

/** @typedef {import('../../../bridge/node/types.mjs').Key} Key */

/** Characters of a key's name. */
export const LONGEST_NAME = 64;

/** What a key opens. @param {Pick<Key, 'workspaces' | 'admin'>} key */
export function opens({ workspaces, admin }) {
  if (admin) return 'Everything: all workspaces, pages and the API';
  if (workspaces === null) return 'All workspaces';
  return workspaces.map(shown).join(', ') || 'Nothing';
}

/**
 * A name that no key has: this one, or it with a number behind it.
 *
 * @param {string} wanted
 * @param {Iterable<string>} taken
 */
export function freeName(wanted, taken) {
  const names = new Set(taken);
  for (let number = 1; ; number += 1) {
    const end = number > 1 ? ` ${number}` : '';
    const name = wanted.slice(0, LONGEST_NAME - end.length) + end;
    if (!names.has(name)) return name;
  }
}

/**
 * Why a key cannot be called so; empty if it can.
 *
 * @param {string} name
 * @param {Iterable<string>} taken
 */
export function nameFault(name, taken) {
  if (name === '') return 'Give it a name.';
  if ([...name].length > LONGEST_NAME) return `It can have ${LONGEST_NAME} characters at most.`;
  if (name !== name.trim()) return 'It must not begin or end with a space.';
  return new Set(taken).has(name) ? 'Another key is called that.' : '';
}
