/**
 * Declarations of a request's fields, their validation, and their description in docs/api.md. Pure.
 *
 * A declaration is an object of fields by name; each defines what its value must be.
 */

const MAX_NAME = 1024;
const MAX_NAMES = 10_000;
const MAX_DEPTH = 64;

/**
 * @typedef {object} Field what a value must be
 * @property {string} is in words, for docs and messages
 * @property {boolean} [optional]
 * @property {(value: unknown) => string | null} problem what is wrong with it, in words that follow the field's name
 * @property {(text: string) => unknown} [read] makes a value of a query parameter's text
 *
 * @typedef {Record<string, Field>} Fields
 */

/** Text that names something: any string of up to 1,024 characters. */
export const name = field('text', (value) =>
  typeof value !== 'string'
    ? 'must be text'
    : value.length > MAX_NAME
      ? `is longer than ${MAX_NAME} characters`
      : half(value),
);

/** One of these words. @param {...string} words */
export const oneOf = (...words) => {
  const is = words.join(' or ');
  return field(is, (value) => (words.includes(/** @type {string} */ (value)) ? null : `must be ${is}`));
};

/** A name in URLs, or null. */
export const slugOrNone = field('text of at most 64 letters, digits, `_` and `-`', (value) =>
  typeof value === 'string' && /^[A-Za-z0-9_-]{0,64}$/.test(value)
    ? null
    : 'must be text of at most 64 letters (a-z, A-Z), digits, _ and -',
);

/** A list of names. */
export const names = field('list of text', (value) => {
  if (!Array.isArray(value)) return 'must be a list of text';
  if (value.length > MAX_NAMES) return `has more than ${MAX_NAMES} items`;
  const place = value.findIndex((item) => name.problem(item));
  return place < 0 ? null : `has an item ${place + 1} that ${name.problem(value[place])}`;
});

/** Text; only the limit of the body applies. */
export const text = field('text', (value) => (typeof value !== 'string' ? 'must be text' : half(value)));

/** True or false. */
export const flag = field('true or false', (value) => (typeof value === 'boolean' ? null : 'must be true or false'));

/** A JSON object of limited depth. */
export const object = field('object', (value) => {
  if (!isObject(value)) return 'must be an object';
  return tooDeep(value, MAX_DEPTH) ? `is nested deeper than ${MAX_DEPTH} levels` : null;
});

/** An object whose values are text, numbers or booleans. */
export const values = field('object of text', (value) => {
  if (!isObject(value)) return 'must be an object';
  const odd = Object.entries(value).find(([, item]) => !['string', 'number', 'boolean'].includes(typeof item));
  return odd ? `has a value of ${JSON.stringify(odd[0])} that is neither text nor a number` : null;
});

/**
 * A number within bounds.
 *
 * @param {string} is
 * @param {{min?: number, above?: number, max: number, whole?: boolean}} bounds
 * @returns {Field}
 */
export function number(is, { min = Number.NEGATIVE_INFINITY, above = Number.NEGATIVE_INFINITY, max, whole = false }) {
  const fits = (/** @type {unknown} */ value) =>
    typeof value === 'number' && value >= min && value > above && value <= max && (!whole || Number.isInteger(value));
  return {
    ...field(is, (value) => (fits(value) ? null : `must be a ${is}`)),
    read: (given) => (given.trim() ? Number(given) : Number.NaN),
  };
}

/**
 * A field that may be left out.
 *
 * @param {Field} of
 * @returns {Field}
 */
export function optional(of) {
  return { ...of, optional: true };
}

/**
 * Return the first problem of an object of fields; null if there is none.
 *
 * @param {Fields} fields
 * @param {unknown} given
 * @param {{ignoreUnknown?: boolean}} [options]
 * @returns {string | null} a sentence that names the field
 */
export function problemOf(fields, given, { ignoreUnknown = false } = {}) {
  if (!isObject(given)) return 'it must be an object.';
  const unknown = Object.keys(given).find((key) => !Object.hasOwn(fields, key));
  if (unknown !== undefined && !ignoreUnknown) {
    return `it has a field ${quoted(unknown)} that is not known; known are: ${Object.keys(fields).join(', ') || 'none'}.`;
  }
  for (const [key, wanted] of Object.entries(fields)) {
    const missing = !Object.hasOwn(given, key);
    if (missing && !wanted.optional) return `its field "${key}" is missing (${wanted.is}).`;
    const problem = missing ? null : wanted.problem(given[key]);
    if (problem) return `its field "${key}" ${problem}.`;
  }
  return null;
}

/**
 * Parse the values of query parameters; a value that cannot be parsed is kept, for `problemOf` to report.
 *
 * @param {Fields} fields
 * @param {Record<string, unknown>} query each value as text; a list where the parameter came more than once
 * @returns {Record<string, unknown>}
 */
export function readQuery(fields, query) {
  return Object.fromEntries(
    Object.entries(query).map(([key, value]) => {
      const read = Object.hasOwn(fields, key) ? fields[key].read : undefined;
      return [key, read && typeof value === 'string' ? read(value) : value];
    }),
  );
}

/** @type {(is: string, problem: Field['problem']) => Field} */
function field(is, problem) {
  return { is, problem };
}

/** @type {(value: string) => string | null} */
function half(value) {
  return !/\p{Surrogate}|\0/u.test(value) ? null : 'holds a NUL or half a character';
}

/** @type {(value: unknown, levels: number) => boolean} */
function tooDeep(value, levels) {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((item) => tooDeep(item, levels - 1));
}

/** @type {(key: string) => string} */
function quoted(key) {
  return JSON.stringify(key.length > 80 ? `${key.slice(0, 80)}…` : key);
}

/** @type {(value: unknown) => value is Record<string, unknown>} */
function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
