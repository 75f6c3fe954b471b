/**
 * Declarations of a request's fields as zod schemas, from which requests are validated and the API's documents are made
 * (openapi.mjs, docs/api.md). Pure.
 *
 * A declaration is an object of fields by name; each says what its value must be.
 */

import { z } from 'zod/mini';

const MAX_NAME = 1024;
const MAX_NAMES = 10_000;
const MAX_DEPTH = 64;

/**
 * @typedef {import('zod/mini').ZodMiniType} Field what a value must be; its description says so in words
 * @typedef {Record<string, Field>} Fields
 */

const whole = z.refine(
  (/** @type {string} */ value) => !/\p{Surrogate}|\0/u.test(value),
  'contains NUL or a lone surrogate',
);

/** Text; only the limit of the body applies. */
export const text = described('text', z.string('must be text').check(whole));

/** Text that names something: any string of up to 1,024 characters. */
export const name = described(
  'text',
  z.string('must be text').check(z.maxLength(MAX_NAME, `is longer than ${MAX_NAME} characters`), whole),
);

/** One of these words. @param {...string} words */
export const oneOf = (...words) => {
  const is = words.join(' or ');
  return described(is, z.enum(words, `must be ${is}`));
};

const NO_SLUG = 'must be text of at most 64 letters (a-z, A-Z), digits, _ and -';

/** A name in URLs, or the empty text. */
export const slugOrNone = described(
  'text of at most 64 letters, digits, `_` and `-`',
  z.string(NO_SLUG).check(z.regex(/^[A-Za-z0-9_-]{0,64}$/, NO_SLUG)),
);

/** A list of names. */
export const names = described(
  'list of text',
  z.array(name, 'must be a list of text').check(z.maxLength(MAX_NAMES, `has more than ${MAX_NAMES} items`)),
);

/** True or false. */
export const flag = described('true or false', z.boolean('must be true or false'));

/** A JSON object of limited depth. */
export const object = described(
  'object',
  z
    .looseObject({}, 'must be an object')
    .check(z.refine((value) => !tooDeep(value, MAX_DEPTH), `is nested deeper than ${MAX_DEPTH} levels`)),
);

/** An object whose values are text, numbers or booleans. */
export const values = described(
  'object of text',
  z.record(
    z.string(),
    z.union([z.string(), z.number(), z.boolean()], 'is neither text nor a number'),
    'must be an object',
  ),
);

/** An object whose values are text. */
export const texts = described(
  'object of text',
  z.record(z.string().check(whole), z.string('is not text').check(whole), 'must be an object'),
);

/** An object whose values are text or lists of text. */
export const settings = described(
  'object of text or lists of text',
  z.record(
    z.string().check(whole),
    z.union([z.string().check(whole), z.array(z.string().check(whole))], 'is neither text nor a list of text'),
    'must be an object',
  ),
);

/**
 * A number within bounds.
 *
 * @param {string} is
 * @param {{min?: number, above?: number, max: number, whole?: boolean}} bounds
 * @returns {Field}
 */
export function number(is, { min, above, max, whole: isWhole = false }) {
  const problem = `must be a ${is}`;
  return described(
    is,
    z
      .number(problem)
      .check(
        z.lte(max, problem),
        ...(min === undefined ? [] : [z.gte(min, problem)]),
        ...(above === undefined ? [] : [z.gt(above, problem)]),
        ...(isWhole ? [z.multipleOf(1, problem)] : []),
      ),
  );
}

/**
 * A field that may be left out.
 *
 * @param {Field} of
 * @returns {Field}
 */
export function optional(of) {
  return described(descriptionOf(of), z.optional(of));
}

/** Return what a field must be, in words. @param {Field} field */
export const descriptionOf = (field) => z.globalRegistry.get(field)?.description ?? '';

/** Return whether a field may be left out. @param {Field} field */
export const isOptional = (field) => field instanceof z.ZodMiniOptional;

/** Return the schema of an object of fields. @param {Fields} fields @param {{ignoreUnknown?: boolean}} [options] */
export function schemaOf(fields, { ignoreUnknown = false } = {}) {
  return ignoreUnknown ? z.looseObject(fields) : z.strictObject(fields);
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
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return 'it must be an object.';
  const unknown = Object.keys(given).find((key) => !Object.hasOwn(fields, key)); // zod skips __proto__
  if (unknown !== undefined && !ignoreUnknown) {
    return `it has a field ${quoted(unknown)} that is not known; known are: ${Object.keys(fields).join(', ') || 'none'}.`;
  }
  const { error } = schemaOf(fields, { ignoreUnknown: true }).safeParse(given);
  if (!error) return null;
  const [{ path, message }] = error.issues;
  const [key, ...inside] = /** @type {[string, ...(string | number)[]]} */ (path);
  if (!Object.hasOwn(given, key)) return `its field "${key}" is missing (${descriptionOf(fields[key])}).`;
  return `its field "${key}" ${placed(inside, message)}.`;
}

/**
 * Return the problem of an item or a member of a field's value.
 *
 * @param {(string | number)[]} inside
 * @param {string} message
 */
function placed(inside, message) {
  if (inside.length === 0) return message;
  const [at] = inside;
  return typeof at === 'number'
    ? `has an item ${at + 1} that ${message}`
    : `has a value of ${quoted(at)} that ${message}`;
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
      const field = Object.hasOwn(fields, key) ? innerOf(fields[key]) : null;
      return [key, typeof value === 'string' ? readText(field, value) : value];
    }),
  );
}

/** @param {unknown} field the schema of its value @param {string} text */
function readText(field, text) {
  if (field instanceof z.ZodMiniNumber) return text.trim() ? Number(text) : Number.NaN;
  if (field instanceof z.ZodMiniBoolean) return { true: true, false: false }[text] ?? text;
  return text;
}

/** Return the schema of a field's value, if it is there. @param {Field} field */
const innerOf = (field) => (field instanceof z.ZodMiniOptional ? field.def.innerType : field);

/**
 * @template {Field} T
 * @param {string} is
 * @param {T} schema
 * @returns {T}
 */
function described(is, schema) {
  z.globalRegistry.add(schema, { description: is });
  return schema;
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
