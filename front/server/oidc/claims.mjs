// What the hub takes from a provider's claims: who a user is, and which groups and roles the user has. Pure.

import { FrontError } from '../errors.mjs';

/**
 * @import {OidcClient} from '../../../bridge/node/types.mjs'
 * @typedef {Record<string, any>} Claims
 * @typedef {{issuer: string, sub: string, name: string, email: string, groups: string[], roles: string[]}} Identity
 *   `email`: verified, else empty
 */

/** Limits of the bridge (bridge/models/grants.py). */
const MAX_LENGTH = 256;
const MAX_NAMES = 1000;

/**
 * Return whether claims that the hub needs are missing, so that the userinfo endpoint has to be asked.
 * @param {Claims} claims @param {OidcClient} client
 */
export const isIncomplete = (claims, client) =>
  claimOf(claims, client.groupsClaim) === undefined ||
  claimOf(claims, client.rolesClaim) === undefined ||
  claims.email === undefined ||
  claims.name === undefined;

/**
 * Return who has signed in.
 * @param {Claims} claims  of the ID token, and what the userinfo endpoint has said beyond it
 * @param {OidcClient} client
 * @returns {Identity}
 * @throws {FrontError} OIDC_CLAIMS_INVALID: a claim has another form, or groups are missing; OIDC_DOMAIN_REFUSED
 */
export function identityOf(claims, client) {
  const { iss, sub, name, preferred_username: username } = claims;
  if (typeof iss !== 'string' || typeof sub !== 'string' || sub === '' || sub.length > MAX_LENGTH)
    throw invalid('sub', `is not text of 1 to ${MAX_LENGTH} characters`);
  checkDistributed(claims, client);
  const email = emailOf(claims, client);
  checkDomain(claims, email, client);
  return {
    ...{ issuer: iss, sub, email, name: plain(name) || plain(username) || email },
    groups: namesOf(claims, client.groupsClaim),
    roles: namesOf(claims, client.rolesClaim),
  };
}

/**
 * Return a claim by its name, or by the path to it: `realm_access.roles`. A name may itself have dots in it.
 * @param {Claims} claims @param {string} name
 * @returns {unknown} undefined: there is none
 */
export function claimOf(claims, name) {
  if (Object.hasOwn(claims, name)) return claims[name];
  /** @type {any} */
  let value = claims;
  for (const part of name.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = value[part];
  }
  return value;
}

/** @param {Claims} claims @param {string} claim @returns {string[]} without duplicates */
function namesOf(claims, claim) {
  const value = claimOf(claims, claim);
  if (value === undefined || value === null) return [];
  const names = Array.isArray(value) ? value : [value];
  if (names.some((name) => typeof name !== 'string' || name.length > MAX_LENGTH))
    throw invalid(claim, `is not a list of names of at most ${MAX_LENGTH} characters`);
  if (names.length > MAX_NAMES) throw invalid(claim, `has more than ${MAX_NAMES} entries`);
  return [...new Set(names)];
}

/**
 * Refuse a user of whom the provider leaves out the groups because they are too many (distributed claims; Microsoft
 * Entra's "overage"): a rule that denies something to a group would not apply.
 * @param {Claims} claims @param {OidcClient} client
 */
function checkDistributed({ _claim_names: elsewhere }, { groupsClaim, rolesClaim }) {
  for (const claim of [groupsClaim, rolesClaim])
    if (typeof elsewhere === 'object' && elsewhere !== null && Object.hasOwn(elsewhere, claim))
      throw invalid(claim, 'is left out by the provider, because it has too many entries');
}

/** @param {Claims} claims @param {OidcClient} client */
function emailOf(claims, { emailRule }) {
  const { email } = claims;
  if (typeof email !== 'string' || email.length > MAX_LENGTH || !/^[^\s@]+@[^\s@]+$/.test(email)) return '';
  return emailRule === 'always' || isTrue(claims[emailRule]) ? email.toLowerCase() : '';
}

/** Some providers write truth values as text or number. @param {unknown} value */
const isTrue = (value) => [true, 'true', 1, '1'].includes(/** @type {any} */ (value));

/**
 * Refuse a user of another domain: `hd` (Google) is the domain of the organisation that an account belongs to; users of
 * other providers are known by their verified address.
 * @param {Claims} claims @param {string} email @param {OidcClient} client
 */
function checkDomain({ hd }, email, { domains, issuer }) {
  if (domains.length === 0) return;
  const isGoogle = issuer.replace(/\/$/, '') === 'https://accounts.google.com';
  const domain = isGoogle ? hd : email.split('@')[1];
  if (typeof domain !== 'string' || !domains.includes(domain.toLowerCase()))
    throw new FrontError('OIDC_DOMAIN_REFUSED');
}

/** @param {unknown} value */
const plain = (value) => (typeof value === 'string' ? value.trim().slice(0, MAX_LENGTH) : '');

/** @param {string} claim @param {string} why */
const invalid = (claim, why) =>
  new FrontError('OIDC_CLAIMS_INVALID', `The provider's answer cannot be used: the claim ${claim} ${why}.`);
