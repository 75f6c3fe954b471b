// Which principals may open which pages and parts of the API. Pure.

/** @import {Principal} from './keys.mjs' */

/** Paths that every signed-in principal may open: its own account, consent to clients, its own sign-ins at servers. */
const OPEN_TO_ALL = /^\/(?:account|oauth\/authorize|oauth\/consent|connect|api\/account|logout)(?:\/|$)/;

/**
 * Return whether a principal may open a path. Everything that is not named here is for admins.
 * @param {Principal} principal @param {string} path  without query
 */
export function mayOpen({ admin }, path) {
  return admin || OPEN_TO_ALL.test(path);
}
