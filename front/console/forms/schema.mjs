/**
 * JSON Schema as tools use it, made plain: references followed, `allOf` merged, "or null" told apart. Pure.
 *
 * @typedef {Record<string, any>} Schema
 * @typedef {'string'|'number'|'integer'|'boolean'|'enum'|'array'|'object'|'choice'|'null'|'json'} Kind
 *   how a value is edited; `json` is for all that has no form of its own
 * @typedef {{value: unknown, label: string}} Option
 */

const MAX_STEPS = 200; // references and parts that are followed for one schema: a circle has no end

/**
 * Return the schema without `$ref` and `allOf`; `nullable` is set if null is allowed beside another type.
 *
 * @param {unknown} schema  `true`, `false` or an object
 * @param {Schema} root  where `#/...` begins
 * @returns {Schema}
 */
export function plain(schema, root) {
  let found = merged(schema, root, { left: MAX_STEPS });
  for (const word of ['anyOf', 'oneOf']) {
    if (!Array.isArray(found[word])) continue;
    const others = found[word].filter((each) => merged(each, root, { left: MAX_STEPS }).type !== 'null');
    if (others.length === found[word].length) continue;
    const { [word]: _, ...rest } = found;
    found = others.length === 1 ? merge(rest, plain(others[0], root)) : { ...rest, [word]: others };
    found.nullable = true;
  }
  if (!Array.isArray(found.type)) return found;
  const types = found.type.filter((each) => each !== 'null');
  const nullable = found.nullable || types.length < found.type.length;
  return {
    ...found,
    type: types.length === 1 ? types[0] : types.length ? types : 'null',
    ...(nullable && { nullable }),
  };
}

/** @param {unknown} schema @param {Schema} root @param {{left: number}} steps @returns {Schema} */
function merged(schema, root, steps) {
  if (!isObject(schema) || steps.left-- <= 0) return {};
  const { $ref, allOf, ...own } = schema;
  let found = own;
  if (typeof $ref === 'string') found = merge(merged(referred($ref, root), root, steps), own);
  for (const each of Array.isArray(allOf) ? allOf : []) found = merge(merged(each, root, steps), found);
  return found;
}

/** @param {Schema} base @param {Schema} over @returns {Schema} */
function merge(base, over) {
  const both = { ...base, ...over };
  if (isObject(base.properties) && isObject(over.properties)) {
    both.properties = { ...base.properties, ...over.properties };
  }
  if (Array.isArray(base.required) && Array.isArray(over.required)) {
    both.required = [...new Set([...base.required, ...over.required])];
  }
  return both;
}

/** @param {string} reference @param {Schema} root @returns {unknown} undefined when it leads out of the schema */
function referred(reference, root) {
  if (!reference.startsWith('#')) return undefined;
  const steps = reference.slice(1).split('/').slice(1);
  return steps.reduce((/** @type {any} */ at, step) => {
    const key = decoded(step);
    return isObject(at) || Array.isArray(at)
      ? Object.hasOwn(at, key)
        ? /** @type {any} */ (at)[key]
        : undefined
      : undefined;
  }, root);
}

/** @param {string} step  of a JSON pointer in a URI fragment */
function decoded(step) {
  try {
    return decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~');
  } catch {
    return step;
  }
}

/** Return how values of a plain schema are edited. @param {Schema} schema @param {Schema} root @returns {Kind} */
export function kindOf(schema, root) {
  if (options(schema, root)) return 'enum';
  if (variants(schema, root)) return 'choice';
  if (['string', 'number', 'integer', 'boolean', 'null'].includes(schema.type)) return schema.type;
  if (schema.type === 'array' && isObject(schema.items) && !schema.prefixItems) return 'array';
  if ((schema.type === 'object' || schema.type === undefined) && isObject(schema.properties)) return 'object';
  return 'json';
}

/**
 * Return the options of a schema with a list of values: `enum`, `const`, or alternatives of `const` with titles;
 * otherwise null.
 *
 * @param {Schema} schema  a plain one
 * @param {Schema} root
 * @returns {Option[]|null}
 */
export function options(schema, root) {
  if ('const' in schema) return [option(schema.const, schema.title)];
  if (Array.isArray(schema.enum)) return schema.enum.map((value) => option(value));
  const all = (schema.oneOf ?? schema.anyOf)?.map?.((/** @type {unknown} */ each) => plain(each, root));
  if (!all?.length || !all.every((/** @type {Schema} */ each) => 'const' in each)) return null;
  return all.map((/** @type {Schema} */ each) => option(each.const, each.title ?? each.description));
}

/** @param {unknown} value @param {unknown} [title] @returns {Option} */
function option(value, title) {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return { value, label: typeof title === 'string' && title !== text ? `${title} (${text})` : text };
}

/**
 * Return the alternatives of `oneOf`, `anyOf` or several types, each merged with its siblings; null if there are none.
 *
 * @param {Schema} schema  a plain one
 * @param {Schema} root
 * @returns {Schema[]|null}
 */
export function variants(schema, root) {
  if (Array.isArray(schema.type)) {
    const { title, description, default: _, nullable, ...beside } = schema;
    return schema.type.map((type) => ({ ...beside, type }));
  }
  const { oneOf, anyOf, title, description, default: _, nullable, ...beside } = schema;
  const all = oneOf ?? anyOf;
  return Array.isArray(all) && all.length > 0 ? all.map((each) => merge(beside, plain(each, root))) : null;
}

/** Return the name of one of several alternatives. @param {Schema} schema  a plain one @param {Schema} root */
export function variantText(schema, root) {
  if (typeof schema.title === 'string') return schema.title;
  const names = isObject(schema.properties) ? Object.keys(schema.properties) : [];
  if (names.length === 0 || kindOf(schema, root) !== 'object') return typeText(schema, root);
  return `object with ${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''}`;
}

/**
 * Describe a type in words: `list of objects`, `text or null`.
 * @param {unknown} given @param {Schema} root @returns {string}
 */
export function typeText(given, root, depth = 0) {
  const schema = plain(given, root);
  return schema.nullable ? `${bareType(schema, root, depth)} or null` : bareType(schema, root, depth);
}

/** @type {Record<string, string>} */
const WORDS = {
  string: 'text',
  number: 'number',
  integer: 'whole number',
  boolean: 'true or false',
  null: 'null',
  object: 'object',
  array: 'list',
};

/** @type {Record<string, string>} */
const PLURAL = { number: 'numbers', 'whole number': 'whole numbers', object: 'objects', list: 'lists' };

/** @param {Schema} schema @param {Schema} root @param {number} depth @returns {string} */
function bareType(schema, root, depth) {
  if ('const' in schema) return JSON.stringify(schema.const);
  if (Array.isArray(schema.enum)) return 'one of';
  if (options(schema, root)) return 'one of';
  if (depth > 3) return 'anything';
  const all = variants(schema, root);
  if (all) return [...new Set(all.map((each) => each.title ?? typeText(each, root, depth + 1)))].join(' or ');
  if (schema.type === 'array' && isObject(schema.items)) {
    const item = typeText(schema.items, root, depth + 1);
    return `list of ${PLURAL[item] ?? item}`;
  }
  if (schema.type === undefined && isObject(schema.properties)) return WORDS.object;
  return WORDS[schema.type] ?? 'anything';
}

/** Describe the other constraints of a value in words. @param {Schema} schema  a plain one @returns {string[]} */
export function rules(schema) {
  const texts = [];
  const say = (/** @type {string} */ key, /** @type {(value: any) => string} */ text) => {
    if (schema[key] !== undefined && schema[key] !== false) texts.push(text(schema[key]));
  };
  say('format', (value) => `format ${value}`);
  say('minimum', (value) => `at least ${value}`);
  say('exclusiveMinimum', (value) => `more than ${value}`);
  say('maximum', (value) => `at most ${value}`);
  say('exclusiveMaximum', (value) => `less than ${value}`);
  say('multipleOf', (value) => `a multiple of ${value}`);
  say('minLength', (value) => `at least ${counted(value, 'character')}`);
  say('maxLength', (value) => `at most ${counted(value, 'character')}`);
  say('pattern', (value) => `matches ${value}`);
  say('minItems', (value) => `at least ${counted(value, 'item')}`);
  say('maxItems', (value) => `at most ${counted(value, 'item')}`);
  say('uniqueItems', () => 'unique items');
  if (schema.type === 'object' && schema.additionalProperties === false) texts.push('nothing else');
  return texts;
}

/** Return a count with its noun: `1 item`, `2 items`. @param {number} count @param {string} noun */
export const counted = (count, noun) => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** @param {unknown} value @returns {value is Record<string, any>} */
export function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
