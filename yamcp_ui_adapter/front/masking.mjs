/**
 * Secret values out of what pages are shown, and back into what they send (pure).
 *
 * Masked are: every value of `env` and `headers`, what a `url` has before its `@`, in a query parameter with a telling
 * name or as a part of its path that looks like a token, and fields of other names that tell of a secret. A value that is
 * a reference (`${NAME}`) alone is shown.
 */

import { FrontError } from './errors.mjs';

/** What stands for a value that is not shown. */
export const MASK = '********';

const WRAPPER = 'mcpServers';
const PARAMETERS = 'providerParameters';
const LAUNCH_FIELDS = ['namespace', 'type', PARAMETERS, 'command', 'args', 'env', 'cwd', 'url', 'headers'];
const REFERENCE = /^\$\{[A-Za-z_][A-Za-z0-9_]*\}$/;
/** A part of a path that no person would choose: long, of one piece, with letters and digits. */
const TOKEN = /^(?=.*\d)(?=.*[a-z])[\w.~%+=-]{20,}$/i;
const TELLING = /token|secret|passw|api[-_]?key|auth|credential|cookie/i;

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
  return joinUrl(
    splitUrl(url).map((part) => (part.secret && !REFERENCE.test(part.text) ? { ...part, text: MASK } : part)),
  );
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
  const known = typeof stored === 'string' ? splitUrl(stored).filter((part) => part.secret) : [];
  return joinUrl(
    splitUrl(url).map((part) => {
      const same = part.secret ? known.findIndex((other) => other.secret === part.secret) : -1;
      const [there] = same < 0 ? [] : known.splice(same, 1);
      if (!part.secret || part.text !== MASK) return part;
      if (!there) throw nothingStored(place);
      return there;
    }),
  );
}

/**
 * @typedef {{text: string, secret?: string}} Part a piece of an address; `secret` names what it is: `@`, `/`, or a parameter
 * @type {(url: string) => Part[]}
 */
function splitUrl(url) {
  const [from, to] = userinfo(url);
  const [path, ...queries] = url.slice(to).split(/(?=[?&#])/);
  return [
    { text: url.slice(0, from) },
    { text: url.slice(from, to), ...(to > from && { secret: '@' }) },
    ...splitPath(path),
    ...queries.flatMap(splitParameter),
  ];
}

/** @type {(text: string) => Part[]} host and path */
function splitPath(text) {
  return text
    .split(/(?=\/)/)
    .flatMap((part) =>
      part.startsWith('/') && (TOKEN.test(part.slice(1)) || part.slice(1) === MASK)
        ? [{ text: '/' }, { text: part.slice(1), secret: '/' }]
        : [{ text: part }],
    );
}

/** @type {(text: string) => Part[]} */
function splitParameter(text) {
  const [, name, value] = /^([?&][^=]*=)(.*)$/s.exec(text) ?? [];
  return name && value && TELLING.test(name) ? [{ text: name }, { text: value, secret: name.slice(1) }] : [{ text }];
}

/** @type {(parts: Part[]) => string} */
function joinUrl(parts) {
  return parts.map((part) => part.text).join('');
}

/**
 * Where the secret part before an address's `@` begins and ends: the password, or all where there is no colon.
 *
 * Also of an address that no program would take: it is shown all the same.
 *
 * @type {(url: string) => [number, number]}
 */
function userinfo(url) {
  const start = /^\s*(?:[A-Za-z][\w+.-]*:)?[\\/]*/.exec(url)?.[0].length ?? 0;
  const authority = /^[^\\/?#]*/.exec(url.slice(start))?.[0] ?? '';
  const oddPort = /:(?!\d*$)/.test(authority.replace(/^\[[^\]]*\]/, ''));
  const at = (authority.includes('@') || !oddPort ? authority : url.slice(start)).lastIndexOf('@');
  if (at < 0) return [start, start];
  const colon = url.slice(start, start + at).indexOf(':');
  return [start + colon + 1, start + at];
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
  return !LAUNCH_FIELDS.includes(name) && TELLING.test(name);
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
