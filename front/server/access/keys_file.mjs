// Parses keys.json, which only the adapter writes. If any part is invalid, no key in it is accepted. Pure.

const KEY = /^yh_(k[0-9a-f]{7})_[A-Za-z0-9_-]{43}$/;
const ID = /^k[0-9a-f]{7}$/;
const HASH = /^[0-9a-f]{64}$/;
const MAX_KEYS = 10_000;
const MAX_NAME_LENGTH = 64;
const FIELDS = ['id', 'name', 'hash', 'workspaces', 'admin', 'created'];

/** @typedef {import('./keys.mjs').Principal} Principal */

/**
 * Return the id of the named key that a token belongs to; null if it does not have the form of one.
 * @param {string} token
 */
export const keyId = (token) => KEY.exec(token)?.[1] ?? null;

/**
 * Return the named keys.
 * @param {Buffer} bytes  the content of keys.json
 * @returns {Principal[]}
 * @throws {Error} with a message that quotes no value
 */
export function parseKeys(bytes) {
  const file = parsed(bytes);
  if (!isObject(file)) throw new Error('it is not an object');
  const { version = 1, keys = [], ...more } = file;
  if (version !== 1 || Object.keys(more).length > 0) throw new Error('it is not of version 1');
  if (!Array.isArray(keys) || keys.length > MAX_KEYS) throw new Error('keys is not a list of at most 10,000');
  const found = keys.map(principalOf);
  for (const field of /** @type {const} */ (['id', 'name'])) {
    if (new Set(found.map((key) => key[field])).size < found.length) throw new Error(`two keys have the same ${field}`);
  }
  return found;
}

/** @param {Buffer} bytes @returns {unknown} */
function parsed(bytes) {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    throw new Error('it is not JSON'); // the parser's own words quote it
  }
}

/** @param {unknown} key @param {number} index @returns {Principal} */
function principalOf(key, index) {
  const wrong = isObject(key) ? wrongField(key) : 'it';
  if (wrong) throw new Error(`keys.${index}: ${wrong} is invalid`);
  const { id, name, hash, workspaces, admin } = /** @type {any} */ (key);
  return { id, name, workspaces, admin, mark: hash, subjects: [`key:${id}`, `key:${name}`] };
}

/** @param {Record<string, unknown>} key @returns {string | undefined} */
function wrongField(key) {
  const { id, name, hash, workspaces, admin, created } = key;
  const right = {
    id: typeof id === 'string' && ID.test(id),
    name: isText(name) && name !== '' && [...name].length <= MAX_NAME_LENGTH,
    hash: typeof hash === 'string' && HASH.test(hash),
    workspaces: workspaces === null || (isTexts(workspaces) && admin === false),
    admin: typeof admin === 'boolean',
    created: Number.isFinite(created),
  };
  const unknown = Object.keys(key).some((field) => !FIELDS.includes(field));
  return unknown ? 'a field' : Object.entries(right).find(([, fits]) => !fits)?.[0];
}

/** @param {unknown} value @returns {value is Record<string, unknown>} */
const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Return whether a value is text without lone surrogates. @param {unknown} value @returns {value is string} */
const isText = (value) => typeof value === 'string' && !/\p{Surrogate}/u.test(value);

/** @param {unknown} value */
const isTexts = (value) => Array.isArray(value) && value.every(isText);
