// The entries of YAMCP's files as the front keeps them. Pure.

/**
 * @import {ConfigFile, Outline} from '../../../bridge/node/types.mjs'
 * @import {Entries, Shown} from './view.mjs'
 */

/**
 * Return the entries that are kept of one of YAMCP's files, without its text.
 * @param {ConfigFile} file
 * @returns {Entries}
 */
export function entriesOf({ entries, outlines }) {
  const shown = new Map(Object.entries(outlines).map(([key, outline]) => [key, outlineShown(outline)]));
  return new Map(Object.entries(entries).map(([key, hash]) => [key, { hash, shown: shown.get(key) ?? {} }]));
}

/** @param {Outline} outline @returns {Shown} */
function outlineShown({ namespace, type, command, url }) {
  return {
    type,
    ...(namespace !== null && { namespace }),
    ...(command !== null && { command }),
    ...(url !== null && { url }),
  };
}
