// Who a principal is, and by what it has signed in: what pages show to its user. Pure.

import { isUser } from '../../access/principals.mjs';

/**
 * @typedef {import('../../access/principals.mjs').Principal} Principal
 * @typedef {{id: string, name: string, email: string, role: Principal['role'], by: string}} Identity  `email`: empty
 *   for tokens and keys; `by`: the name of the provider, or what kind of token it was
 */

/**
 * Return what pages show of a principal.
 * @param {Principal} principal @param {{name: string} | null} provider  at which users sign in
 * @returns {Identity}
 */
export const identityOf = ({ id, name, claims, role }, provider) => ({
  ...{ id, name, email: claims?.email ?? '', role },
  by: isUser(id) ? (provider?.name ?? 'a provider') : id === 'admin' ? "the hub's token" : 'a key',
});
