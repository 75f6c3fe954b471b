/**
 * Checks a value against a tool's schema before it is sent. Pure. What it does not know is left to the server.
 *
 * @typedef {import('./schema.mjs').Schema} Schema
 * @typedef {{path: string, message: string}} Problem  `path` is a JSON pointer, '' for the whole
 */

import { counted, isObject, options, plain, typeText, variants } from './schema.mjs';

const MAX_DEPTH = 30;
const ALTERNATIVE_DEPTH = 6; // how much deeper alternatives count: those that lead to themselves multiply
const MAX_MATCHED_LENGTH = 1000; // characters that a server's pattern is tried on

/** @type {Record<string, RegExp>} */
const FORMATS = {
  date: /^\d{4}-\d\d-\d\d$/,
  time: /^\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?$/i,
  'date-time': /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/i,
  email: /^[^\s@]+@[^\s@]+$/,
  uuid: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i,
  ipv4: /^\d{1,3}(\.\d{1,3}){3}$/,
};

/** @type {Record<string, string>} */
const EXAMPLES = {
  date: '2026-01-31',
  time: '14:30:00',
  'date-time': '2026-01-31T14:30:00Z',
  uri: 'https://host/path',
};

/**
 * Return the problems of a value; empty if it is valid.
 *
 * @param {unknown} schema
 * @param {unknown} value
 * @param {Schema} root
 * @returns {Problem[]}
 */
export function check(schema, value, root, path = '', depth = 0) {
  const found = plain(schema, root);
  if (depth > MAX_DEPTH || (value === null && (found.nullable || found.type === 'null'))) return [];
  const say = (/** @type {string} */ message) => [{ path, message }];
  const allowed = options(found, root);
  if (allowed && !allowed.some((each) => same(each.value, value))) return say(`Choose ${listed(allowed)}.`);
  if (allowed) return [];
  const all = variants(found, root);
  if (all) return checkVariants(all, value, root, path, depth);
  if (!isOfType(found.type, value)) return say(`Must be ${article(typeText(found, root))}.`);
  if (typeof value === 'string') return checkText(found, value).flatMap(say);
  if (typeof value === 'number') return checkNumber(found, value).flatMap(say);
  if (Array.isArray(value))
    return [...checkList(found, value).flatMap(say), ...checkItems(found, value, root, path, depth)];
  return isObject(value) ? checkObject(found, value, root, path, depth) : [];
}

/** @param {Schema[]} all @param {unknown} value @param {Schema} root @param {string} path @param {number} depth */
function checkVariants(all, value, root, path, depth) {
  const tried = all.map((each) => check(each, value, root, path, depth + ALTERNATIVE_DEPTH));
  return tried.reduce((best, each) => (each.length < best.length ? each : best));
}

/** @param {unknown} type @param {unknown} value */
function isOfType(type, value) {
  if (type === 'integer') return Number.isInteger(value);
  if (type === 'array') return Array.isArray(value);
  if (type === 'object') return isObject(value);
  if (type === 'null') return value === null;
  return typeof type !== 'string' || typeof value === type;
}

/** @param {Schema} schema @param {string} value @returns {string[]} */
function checkText(schema, value) {
  const errors = [];
  const length = [...value].length;
  if (length < schema.minLength)
    errors.push(length ? `At least ${counted(schema.minLength, 'character')}.` : 'Must not be empty.');
  if (length > schema.maxLength) errors.push(`At most ${counted(schema.maxLength, 'character')}; these are ${length}.`);
  if (!hasFormat(schema.format, value)) errors.push(`Not ${article(schema.format)}${example(schema.format)}.`);
  if (typeof schema.pattern === 'string' && !matches(schema.pattern, value))
    errors.push(`Must match ${schema.pattern}`);
  return errors;
}

/** @param {unknown} format @param {string} value */
function hasFormat(format, value) {
  if (format === 'uri' || format === 'url') return URL.canParse(value);
  return typeof format !== 'string' || !Object.hasOwn(FORMATS, format) || FORMATS[format].test(value);
}

const example = (/** @type {string} */ format) => (EXAMPLES[format] ? `, such as ${EXAMPLES[format]}` : '');

/**
 * Return whether a value matches a pattern of a server, which is not trusted. A pattern with a repeated group could
 * take forever; such a pattern, an invalid one, and a long text count as a match.
 *
 * @param {string} pattern
 * @param {string} value
 */
function matches(pattern, value) {
  if (/\)[*+{?]|\\\d/.test(pattern) || value.length > MAX_MATCHED_LENGTH) return true;
  try {
    return new RegExp(pattern, 'u').test(value);
  } catch {
    return true;
  }
}

/** @param {Schema} schema @param {number} value @returns {string[]} */
function checkNumber(schema, value) {
  const errors = [];
  if (value < schema.minimum) errors.push(`Must be at least ${schema.minimum}.`);
  if (value <= schema.exclusiveMinimum) errors.push(`Must be more than ${schema.exclusiveMinimum}.`);
  if (value > schema.maximum) errors.push(`Must be at most ${schema.maximum}.`);
  if (value >= schema.exclusiveMaximum) errors.push(`Must be less than ${schema.exclusiveMaximum}.`);
  const times = value / schema.multipleOf;
  if (schema.multipleOf > 0 && Math.abs(times - Math.round(times)) > 1e-9) {
    errors.push(`Must be a multiple of ${schema.multipleOf}.`);
  }
  return errors;
}

/** @param {Schema} schema @param {unknown[]} value @returns {string[]} */
function checkList(schema, value) {
  const errors = [];
  if (value.length < schema.minItems) errors.push(`At least ${counted(schema.minItems, 'item')}.`);
  if (value.length > schema.maxItems) errors.push(`At most ${counted(schema.maxItems, 'item')}.`);
  const texts = value.map((each) => JSON.stringify(each));
  if (schema.uniqueItems && new Set(texts).size < texts.length) errors.push('Items must be unique.');
  return errors;
}

/** @param {Schema} schema @param {unknown[]} value @param {Schema} root @param {string} path @param {number} depth */
function checkItems(schema, value, root, path, depth) {
  if (!isObject(schema.items)) return [];
  return value.flatMap((each, index) => check(schema.items, each, root, `${path}/${index}`, depth + 1));
}

/** @param {Schema} schema @param {Record<string, unknown>} value @param {Schema} root @param {string} path @param {number} depth */
function checkObject(schema, value, root, path, depth) {
  const properties = isObject(schema.properties) ? schema.properties : {};
  const problems = [];
  for (const name of Array.isArray(schema.required) ? schema.required : []) {
    if (value[name] === undefined) problems.push({ path: pointer(path, name), message: 'Required.' });
  }
  for (const [name, each] of Object.entries(value)) {
    const known = Object.hasOwn(properties, name) ? properties[name] : schema.additionalProperties;
    if (known === false) problems.push({ path, message: `There is no ${JSON.stringify(name)} here.` });
    else if (each !== undefined) problems.push(...check(known, each, root, pointer(path, name), depth + 1));
  }
  return problems;
}

/** @param {string} path @param {string|number} name @returns {string} */
export function pointer(path, name) {
  return `${path}/${String(name).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/** @param {import('./schema.mjs').Option[]} allowed */
function listed(allowed) {
  const labels = allowed.slice(0, 8).map((each) => each.label);
  return labels.length > 1 ? `one of ${labels.join(', ')}${allowed.length > 8 ? ', …' : ''}` : labels[0];
}

/** @param {string} noun */
const article = (noun) =>
  /^(text|true|anything|null)/.test(noun) ? noun : `${/^[aeio]/.test(noun) ? 'an' : 'a'} ${noun}`;

/** Return whether two JSON values are equal. @param {unknown} one @param {unknown} other @returns {boolean} */
export function same(one, other) {
  if (Array.isArray(one)) {
    return Array.isArray(other) && one.length === other.length && one.every((each, index) => same(each, other[index]));
  }
  if (!isObject(one) || !isObject(other)) return one === other;
  const keys = Object.keys(one);
  return keys.length === Object.keys(other).length && keys.every((key) => key in other && same(one[key], other[key]));
}
