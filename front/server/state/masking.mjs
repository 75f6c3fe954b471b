/**
 * Secret values out of what pages are shown, and back into what they send (pure).
 *
 * Masked are: every value of `env` and `headers`; what a `url` has before its `@`, in a query parameter with a telling
 * name, or as a part of its path or query that looks like a token; the same in `args`, and what follows a flag with a
 * telling name there; and fields of other names that tell of a secret. A value that is a reference (`${NAME}`) alone is shown.
 */

import { isSecretField } from '../../../bridge/node/secret_names.mjs';
import { FrontError } from '../errors.mjs';
import { MASK, splitArguments, splitUrl } from './secret_parts.mjs';

/** @import {Part} from './secret_parts.mjs' */

export { MASK };

const WRAPPER = 'mcpServers';
const PARAMETERS = 'providerParameters';
const LAUNCH_FIELDS = ['namespace', 'type', PARAMETERS, 'command', 'args', 'env', 'cwd', 'url', 'headers'];
const REFERENCE = /^\$\{[A-Za-z_][A-Za-z0-9_]*\}$/;

/** @typedef {Record<string, any>} Entry one server in YAMCP's form, or in that of other clients */

/**
 * The entry as pages may see it: with each secret value masked.
 *
 * @template T
 * @param {T} entry
 * @returns {T}
 */
export function mask(entry) {
  return /** @type {T} */ (maskEntry(entry));
}

/**
 * The entry with each masked value replaced by the stored one at the same place.
 *
 * @template T
 * @param {T} entry as a page sent it
 * @param {unknown} stored what is in the file under the entry's (old) key; undefined: nothing
 * @returns {T}
 * @throws {FrontError} MASKED_VALUE: nothing is stored for a value that is masked; its message names the place
 */
export function unmask(entry, stored) {
  return /** @type {T} */ (unmaskEntry(entry, stored, ''));
}

/**
 * providers.json's content with each entry masked, inside `mcpServers` too.
 *
 * @param {Entry} content
 * @returns {Entry}
 */
export function maskConfig(content) {
  return mapEntries(content, (key, value) =>
    isWrapper(key, value) ? mapEntries(value, (_, inner) => mask(inner)) : mask(value),
  );
}

/**
 * providers.json's content with each masked value replaced by the stored one of the same key.
 *
 * @param {Entry} content as a page sent it
 * @param {Entry | null} stored the file's content
 * @returns {Entry}
 * @throws {FrontError} MASKED_VALUE
 */
export function unmaskConfig(content, stored) {
  const find = storedEntries(stored);
  return mapEntries(content, (key, value) => {
    if (!isWrapper(key, value)) return unmaskEntry(value, find(key), key);
    return mapEntries(value, (inner, entry) => unmaskEntry(entry, find(inner, true), inner));
  });
}

/**
 * The body of YAMCP-UI's `POST /api/servers` or `PUT /api/servers/:id` with its masked values put back.
 *
 * @template T
 * @param {T} body `{name, namespace, type, command, args, env, url}`
 * @param {unknown} stored the entry that it is to replace; undefined: none
 * @returns {T}
 * @throws {FrontError} MASKED_VALUE
 */
export function unmaskServer(body, stored) {
  return unmask(body, stored);
}

/**
 * Finds the entry of a key, at the top level or inside `mcpServers`; where it is in both, at the asked place.
 *
 * @param {Entry | null} content
 * @returns {(key: string, wrapped?: boolean) => unknown}
 */
export function storedEntries(content) {
  const inner = own(content, WRAPPER);
  const inside = isWrapper(WRAPPER, inner) ? inner : {};
  return (key, wrapped = false) => {
    const outside = key === WRAPPER && inner === inside ? undefined : own(content, key);
    const [first, second] = wrapped ? [own(inside, key), outside] : [outside, own(inside, key)];
    return first === undefined ? second : first;
  };
}

/**
 * The same object with the values of `env` or `headers` masked.
 *
 * @param {unknown} value
 * @returns {any}
 */
export function maskValues(value) {
  if (Array.isArray(value)) return value.map(maskValues);
  if (isObject(value)) return mapEntries(value, (_, item) => maskValues(item));
  if (value === null || value === undefined) return value;
  return typeof value === 'string' && REFERENCE.test(value) ? value : MASK;
}

/**
 * The address with what is secret in it masked: the password (or a lone user name), tokens of its path, telling parameters.
 *
 * @param {string} url
 * @returns {string}
 */
export function maskUrl(url) {
  return maskParts(splitUrl(url));
}

/** @param {unknown} entry */
function maskEntry(entry) {
  if (typeof entry === 'string') return maskUrl(entry);
  if (!isObject(entry)) return entry;
  return mapEntries(entry, (name, value) =>
    name === PARAMETERS && isObject(value) ? mapEntries(value, maskField) : maskField(name, value),
  );
}

/** @type {(name: string, value: unknown) => unknown} */
function maskField(name, value) {
  if (name === 'env' || name === 'headers' || isTelling(name)) return maskValues(value);
  if (name === 'args' && Array.isArray(value)) return splitArguments(value).map(maskParts);
  return name === 'url' && typeof value === 'string' ? maskUrl(value) : value;
}

/** @type {(entry: unknown, stored: unknown, place: string) => unknown} */
function unmaskEntry(entry, stored, place) {
  if (typeof entry === 'string') return unmaskUrl(entry, stored, place);
  if (!isObject(entry)) return entry;
  const outer = isObject(stored) ? stored : {};
  const inner = isObject(outer[PARAMETERS]) ? outer[PARAMETERS] : outer;
  return mapEntries(entry, (name, value) => {
    if (name !== PARAMETERS || !isObject(value))
      return unmaskField(name, value, own(outer, name) ?? own(inner, name), join(place, name));
    return mapEntries(value, (field, item) =>
      unmaskField(field, item, own(inner, field) ?? own(outer, field), join(place, field)),
    );
  });
}

/** @type {(name: string, value: unknown, stored: unknown, place: string) => unknown} */
function unmaskField(name, value, stored, place) {
  if (name === 'env' || name === 'headers' || isTelling(name)) return unmaskValues(value, stored, place);
  if (name === 'args' && Array.isArray(value)) return unmaskArguments(value, stored, place);
  return name === 'url' && typeof value === 'string' ? unmaskUrl(value, stored, place) : value;
}

/** @type {(value: unknown, stored: unknown, place: string) => unknown} */
function unmaskValues(value, stored, place) {
  if (Array.isArray(value))
    return value.map((item, at) => unmaskValues(item, own(stored, String(at)), join(place, String(at))));
  if (isObject(value))
    return mapEntries(value, (name, item) => unmaskValues(item, own(stored, name), join(place, name)));
  if (value !== MASK) return value;
  if (stored === undefined || stored === null || typeof stored === 'object') throw nothingStored(place);
  return stored;
}

/** @type {(url: string, stored: unknown, place: string) => string} */
function unmaskUrl(url, stored, place) {
  return putBack(typeof stored === 'string' ? splitUrl(stored) : [], place)(splitUrl(url));
}

/** @type {(args: unknown[], stored: unknown, place: string) => unknown[]} */
function unmaskArguments(args, stored, place) {
  return splitArguments(args).map(putBack(Array.isArray(stored) ? splitArguments(stored).flat() : [], place));
}

/** The parts with each secret masked, but for references. @type {(parts: Part[]) => any} */
function maskParts(parts) {
  return joinParts(parts.map((part) => (part.secret && !REFERENCE.test(part.text) ? { ...part, text: MASK } : part)));
}

/** Puts back, into parts that were shown, the stored ones of the same name, each once. @type {(stored: Part[], place: string) => (parts: Part[]) => any} */
function putBack(stored, place) {
  const known = stored.filter((part) => part.secret);
  return (parts) =>
    joinParts(
      parts.map((part) => {
        const same = part.secret ? known.findIndex((other) => other.secret === part.secret) : -1;
        const [there] = same < 0 ? [] : known.splice(same, 1);
        if (!part.secret || part.text !== MASK) return part;
        if (!there) throw nothingStored(place);
        return there;
      }),
    );
}

/** One part is given back as it is: an argument may be a number. @type {(parts: Part[]) => any} */
function joinParts(parts) {
  return parts.length === 1 ? parts[0].text : parts.map((part) => part.text).join('');
}

/** @type {(place: string) => FrontError} */
function nothingStored(place) {
  return new FrontError(
    'MASKED_VALUE',
    `The value of ${place} is ${MASK}, which stands for a stored one, but there is none.`,
  );
}

/** @type {(name: string) => boolean} */
function isTelling(name) {
  return !LAUNCH_FIELDS.includes(name) && isSecretField(name);
}

/** @type {(key: string, value: unknown) => value is Entry} */
function isWrapper(key, value) {
  return key === WRAPPER && isObject(value) && !LAUNCH_FIELDS.some((field) => Object.hasOwn(value, field));
}

/** @type {(value: unknown) => value is Entry} */
function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @type {(value: unknown, name: string) => any} */
function own(value, name) {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined;
}

/** @type {(value: Entry, change: (name: string, value: any) => unknown) => Entry} */
function mapEntries(value, change) {
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, change(name, item)]));
}

/** @type {(place: string, name: string) => string} */
function join(place, name) {
  return place ? `${place} › ${name}` : name;
}
