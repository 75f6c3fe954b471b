// All principals of a protected hub: the holders of its token and keys, and the users who have signed in at an OpenID
// provider; each with the role that access.json gives it.

import { Journal } from './journal.mjs';
import { Keyring } from './keys.mjs';
import { Roles } from './roles.mjs';
import { owns as fits } from '../state/owned.mjs';

/**
 * @import {Principal as KeyPrincipal} from './keys.mjs'
 * @import {User} from './journal.mjs'
 * @import {Owned, Role} from './roles.mjs'
 * @typedef {KeyPrincipal & {role: Role | null, owns: Owned}} Principal  `admin` is true for the role admin, too
 */

const USER = /^u[0-9a-f]{15}$/;

/** Return whether a principal's id is that of a user. @param {string} id */
export const isUser = (id) => USER.test(id);

/** Finds principals by their credentials. */
export class Principals {
  /**
   * @param {import('../settings.mjs').Settings} settings @param {import('../log.mjs').Log} log
   * @param {{keyring?: Keyring, journal?: Journal, roles?: Roles}} [parts]
   */
  constructor(settings, log, parts = {}) {
    this.keyring = parts.keyring ?? new Keyring(settings, log);
    this.journal = parts.journal ?? new Journal(settings.journalFile, log);
    this.roles = parts.roles ?? new Roles(settings.rolesFile, log);
  }

  /** Return the principal of a token; null if there is none. @param {string} token */
  check(token) {
    return this.#withRole(this.keyring.check(token));
  }

  /**
   * Return the present principal of a browser login; null if there is none. A user's login has to be in the journal.
   * @param {string} id  of the principal @param {string} login  the nonce in the cookie
   */
  holder(id, login) {
    if (!isUser(id)) return this.#withRole(this.keyring.holder(id));
    return this.journal.login(login)?.principal === id ? this.user(id) : null;
  }

  /** Return a user who has signed in; null if there is none. @param {string} id */
  user(id) {
    const found = this.journal.user(id);
    return found ? this.#withRole(principalOf(found)) : null;
  }

  /**
   * Return the present principal for an earlier one; null if its credential is no longer valid.
   * @param {Principal} principal @param {string} [login]  the nonce in its cookie, if it came with one
   */
  current(principal, login = '') {
    return isUser(principal.id) ? this.holder(principal.id, login) : this.#withRole(this.keyring.current(principal));
  }

  /** @param {KeyPrincipal | null} found @returns {Principal | null} */
  #withRole(found) {
    if (!found) return null;
    const { role, owns } = this.roles.of(found.subjects ?? subjectsOfKey(found));
    const admin = found.admin || role === 'admin';
    const bounds = isUser(found.id) ? null : found.workspaces;
    return { ...found, admin, role: admin ? 'admin' : role, owns: bounds === null ? owns : within(owns, bounds) };
  }
}

/**
 * Return what a key owns of the workspaces that keys.json allows it: no role reaches beyond (bridge/access/policy.py).
 * @param {Owned} owned @param {readonly string[]} bounds  names; one with a star would count as a pattern
 * @returns {Owned}
 */
const within = (owned, bounds) => ({
  ...owned,
  workspaces: bounds.filter((name) => !name.includes('*') && fits(owned.workspaces, name)),
});

/** @param {KeyPrincipal} key */
const subjectsOfKey = ({ id, name }) => [`key:${id}`, `key:${name}`];

/**
 * Return the principal of a user. It names no workspaces: the sidecar knows which a user may use.
 * @param {User} user
 * @returns {KeyPrincipal}
 */
export function principalOf({ id, issuer, sub, name, email, groups, roles }) {
  const address = email.toLowerCase();
  const subjects = [
    `user:${id}`,
    ...(address ? [`email:${address}`] : []),
    ...groups.map((group) => `group:${group}`),
    ...roles.map((role) => `role:${role}`),
  ];
  const claims = { sub, name, email: address, issuer };
  return { id, name: name || address || sub, workspaces: [], admin: false, mark: '', subjects, claims };
}
