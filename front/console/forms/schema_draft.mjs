/**
 * What stands in a form while it is filled in, and the value that it means. Pure; drafts are never changed in place.
 *
 * A draft is `{kind}` and what that kind needs. `absent` in any kind: left out of the value. `json` holds text that is
 * parsed when the value is asked for; it also takes the place of any other kind whose form a given value does not fit.
 *
 * @typedef {import('./schema.mjs').Schema} Schema
 * @typedef {import('./schema.mjs').Kind} Kind
 * @typedef {import('./schema_check.mjs').Problem} Problem
 * @typedef {{kind: Kind, absent?: boolean, isNull?: boolean, text?: string, kept?: boolean, on?: boolean, index?: number,
 *            of?: Draft, items?: Draft[], fields?: Record<string, Draft>, other?: string}} Draft
 *   text: of string, number, integer and json; kept: an empty text is meant, not left out; on: of boolean;
 *   index: of enum and choice, -1 for none; of: of choice; items: of array; fields and other (JSON text of what the
 *   schema does not name): of object
 */

import { isObject, kindOf, options, plain, variants } from './schema.mjs';
import { check, pointer, same } from './schema_check.mjs';

const MAX_DEPTH = 6; // of objects that an untouched form shows: one that needs itself has no end

/**
 * Return the draft of a value; for `undefined`, that of an untouched form, which has the default if there is one.
 *
 * @param {unknown} given  the schema
 * @param {unknown} value
 * @param {Schema} root
 * @param {boolean} required
 * @returns {Draft}
 */
export function draftOf(given, value, root, required, depth = 0) {
  const schema = plain(given, root);
  const kind = kindOf(schema, root);
  if (value === undefined) return untouched(schema, kind, root, required, depth);
  if (value === null && schema.nullable)
    return { ...untouched(schema, kind, root, required, depth), isNull: true, absent: false };
  return fitted(schema, kind, value, root, depth) ?? { kind: 'json', text: JSON.stringify(value, null, 2) };
}

/** @param {Schema} schema @param {Kind} kind @param {Schema} root @param {boolean} required @param {number} depth @returns {Draft} */
function untouched(schema, kind, root, required, depth) {
  if (depth > MAX_DEPTH) return { kind: 'json', text: '' };
  const preset = schema.default;
  if (preset !== undefined && preset !== null) {
    const draft = fitted(schema, kind, preset, root, depth);
    if (draft) return draft;
  }
  const absent = !required;
  if (kind === 'enum') return { kind, index: required && options(schema, root)?.length === 1 ? 0 : -1 };
  if (kind === 'choice') return { kind, index: -1 };
  if (kind === 'array') return { kind, items: [], absent };
  if (kind === 'object') return absent ? { kind, absent, fields: {}, other: '' } : objectDraft(schema, {}, root, depth);
  if (kind === 'boolean') return { kind, on: false, absent };
  return kind === 'null' ? { kind, absent } : { kind, text: '', absent: false };
}

/** Return the draft of a value that the kind's form can show; null if it cannot. */
function fitted(
  /** @type {Schema} */ schema,
  /** @type {Kind} */ kind,
  /** @type {unknown} */ value,
  /** @type {Schema} */ root,
  /** @type {number} */ depth,
) {
  switch (kind) {
    case 'string':
      return typeof value === 'string' ? { kind, text: value, kept: true } : null;
    case 'number':
    case 'integer':
      return typeof value === 'number' ? { kind, text: String(value) } : null;
    case 'boolean':
      return typeof value === 'boolean' ? { kind, on: value } : null;
    case 'null':
      return value === null ? { kind } : null;
    case 'enum': {
      const index = options(schema, root)?.findIndex((each) => same(each.value, value)) ?? -1;
      return index < 0 ? null : { kind, index };
    }
    case 'choice': {
      const all = variants(schema, root) ?? [];
      const index = all.findIndex((each) => check(each, value, root).length === 0);
      return index < 0 ? null : { kind, index, of: draftOf(all[index], value, root, true) };
    }
    case 'array':
      return Array.isArray(value)
        ? { kind, items: value.map((each) => draftOf(schema.items, each, root, true)) }
        : null;
    case 'object':
      return isObject(value) ? objectDraft(schema, value, root, depth) : null;
    default:
      return { kind, text: JSON.stringify(value, null, 2) };
  }
}

/** @param {Schema} schema @param {Record<string, unknown>} value @param {Schema} root @returns {Draft} */
export function objectDraft(schema, value, root, depth = 0) {
  const required = requiredOf(schema);
  const fields = Object.entries(schema.properties).map(([name, each]) => {
    const own = Object.hasOwn(value, name) ? value[name] : undefined;
    return [name, draftOf(each, own, root, required.has(name), depth + 1)];
  });
  const others = Object.entries(value).filter(([name]) => !Object.hasOwn(schema.properties, name));
  const other = others.length > 0 ? JSON.stringify(Object.fromEntries(others), null, 2) : '';
  return { kind: 'object', fields: Object.fromEntries(fields), other };
}

/** @param {Schema} schema @returns {Set<string>} */
export const requiredOf = (schema) => new Set(Array.isArray(schema.required) ? schema.required : []);

/**
 * Return the value of a draft (undefined if left out), and the problems of its texts.
 *
 * @param {unknown} given  the schema
 * @param {Draft} draft
 * @param {Schema} root
 * @returns {{value: unknown, problems: Problem[]}}
 */
export function readDraft(given, draft, root, path = '') {
  if (draft.isNull) return { value: null, problems: [] };
  if (draft.absent) return { value: undefined, problems: [] };
  const schema = plain(given, root);
  switch (draft.kind) {
    case 'string':
      return fine(draft.text === '' && !draft.kept ? undefined : draft.text);
    case 'number':
    case 'integer':
      return numberOf(draft, path);
    case 'boolean':
      return fine(draft.on);
    case 'null':
      return fine(null);
    case 'enum':
      return fine(options(schema, root)?.[draft.index ?? -1]?.value);
    case 'choice': {
      const variant = variants(schema, root)?.[draft.index ?? -1];
      return variant && draft.of ? readDraft(variant, draft.of, root, path) : fine(undefined);
    }
    case 'array':
      return listOf(schema, draft, root, path);
    case 'object':
      return objectOf(schema, draft, root, path);
    default:
      return parsed(draft.text ?? '', path);
  }
}

const fine = (/** @type {unknown} */ value) => ({ value, problems: [] });

/** @param {Draft} draft @param {string} path */
function numberOf({ kind, text = '' }, path) {
  const trimmed = text.trim();
  if (trimmed === '') return fine(undefined);
  const number = /^[-+]?(\d+(?:\.\d*)?|\.\d+)(e[-+]?\d+)?$/i.test(trimmed) ? Number(trimmed) : Number.NaN;
  if (!Number.isFinite(number)) return wrong(path, `${quoted(trimmed)} is not a number.`);
  if (kind === 'integer' && !Number.isInteger(number)) return wrong(path, `${quoted(trimmed)} is not a whole number.`);
  if (Number.isInteger(number) && !Number.isSafeInteger(number)) return wrong(path, 'Too large to be sent exactly.');
  return fine(number);
}

/** @param {Schema} schema @param {Draft} draft @param {Schema} root @param {string} path */
function listOf(schema, draft, root, path) {
  const each = (draft.items ?? []).map((item, index) => readDraft(schema.items, item, root, pointer(path, index)));
  const problems = each.flatMap((item) => item.problems);
  each.forEach((item, index) => {
    if (item.value === undefined && item.problems.length === 0) {
      problems.push({ path: pointer(path, index), message: 'Fill in this item, or remove it.' });
    }
  });
  return { value: each.map((item) => item.value), problems };
}

/** @param {Schema} schema @param {Draft} draft @param {Schema} root @param {string} path */
function objectOf(schema, draft, root, path) {
  /** @type {[string, unknown][]} */
  const entries = [];
  const problems = [];
  for (const [name, field] of Object.entries(draft.fields ?? {})) {
    const found = readDraft(schema.properties?.[name], field, root, pointer(path, name));
    if (found.value !== undefined) entries.push([name, found.value]);
    problems.push(...found.problems);
  }
  const other = parsed(draft.other ?? '', path);
  problems.push(...other.problems);
  if (isObject(other.value)) entries.push(...Object.entries(other.value));
  else if (other.value !== undefined) problems.push({ path, message: 'The other properties must be an object.' });
  return { value: Object.fromEntries(entries), problems };
}

/** @param {string} text @param {string} path */
function parsed(text, path) {
  if (text.trim() === '') return fine(undefined);
  try {
    return fine(JSON.parse(text));
  } catch (error) {
    return wrong(path, `Not JSON: ${/** @type {Error} */ (error).message}`);
  }
}

/** @param {string} path @param {string} message @returns {{value: unknown, problems: Problem[]}} */
const wrong = (path, message) => ({ value: undefined, problems: [{ path, message }] });

const quoted = (/** @type {string} */ text) => `“${text.slice(0, 40)}”`;

/**
 * Return the value of a whole form, and all problems, each path once.
 *
 * @param {Schema} schema
 * @param {Draft} draft
 * @returns {{value: unknown, problems: Problem[]}}
 */
export function finished(schema, draft) {
  const { value, problems } = readDraft(schema, draft, schema);
  const seen = new Set(problems.map(({ path }) => path));
  const more = check(schema, value, schema).filter(({ path }) => !seen.has(path));
  return { value, problems: [...problems, ...more] };
}
