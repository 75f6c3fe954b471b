// Which principals may open which pages and parts of the API. Pure.

import { FrontError } from '../errors.mjs';
import { isUser } from './principals.mjs';

/**
 * @import {Principal} from './principals.mjs'
 */

/**
 * Paths that every signed-in principal may open: its own account, consent to clients, its own sign-ins at servers, and
 * secrets for what its own agents add.
 */
const OPEN_TO_ALL = /^\/(?:account|oauth\/authorize|oauth\/consent|connect|secrets|api\/account)(?:\/|$)/;

/** Paths that owners may open too; of the API each route checks what it is asked for (api/access/rights.mjs). */
const OPEN_TO_OWNERS = /^\/(?:$|hub(?:\/|$)|api\/hub(?:\/|$))/;

/** The page of a principal's own affairs. */
export const ACCOUNT_PATH = '/account';

/**
 * Return whether a principal may open a path. Everything that is not named here is for admins.
 * @param {Principal} principal @param {string} path  without query
 */
export function mayOpen({ admin, role }, path) {
  return admin || OPEN_TO_ALL.test(path) || (role === 'owner' && OPEN_TO_OWNERS.test(path));
}

/**
 * Return the error for a path that a principal may not open.
 * @param {Principal} principal
 */
export function refusalOf(principal) {
  return isUser(principal.id) ? roleRequired(principal) : new FrontError('KEY_FORBIDDEN');
}

/** @param {Principal} principal */
function roleRequired({ id, name, claims = {}, role }) {
  const who = claims.email && claims.email !== name ? `${name} (${claims.email})` : name;
  const has = role ? `the role ${role}` : 'no role';
  return new FrontError('ROLE_REQUIRED', `You are signed in as ${who}, with ${has} in this hub.`, {
    data: { user: id, role },
  });
}
