import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { kindOf, options, plain, rules, typeText, variants } from '../../../front/console/forms/schema.mjs';
import { check } from '../../../front/console/forms/schema_check.mjs';
import { draftOf, finished, readDraft } from '../../../front/console/forms/schema_draft.mjs';

/** @typedef {import('../../../front/console/forms/schema.mjs').Schema} Schema */

const TREE = {
  type: 'object',
  properties: { name: { type: 'string' }, children: { type: 'array', items: { $ref: '#/$defs/node' } } },
  required: ['name'],
  $defs: { node: { type: 'object', properties: { value: { type: 'integer' }, next: { $ref: '#/$defs/node' } } } },
};

/** @param {unknown} schema @param {unknown} value */
const messages = (schema, value) =>
  check(schema, value, /** @type {Schema} */ (schema)).map(({ path, message }) => `${path}: ${message}`);

/** The value of an untouched form. @param {Schema} schema */
const blank = (schema) => finished(schema, draftOf(schema, undefined, schema, true));

/** @param {Schema} schema @param {unknown} value */
const round = (schema, value) => readDraft(schema, draftOf(schema, value, schema, true), schema);

describe('simplified schemas', () => {
  test('a reference is resolved and merged with the keywords beside it', () => {
    const root = { $defs: { 'a/b': { type: 'string', title: 'A' } } };
    const found = plain({ $ref: '#/$defs/a~1b', description: 'mine' }, root);
    assert.deepEqual(found, { type: 'string', title: 'A', description: 'mine' });
  });

  test('references that are circular, external or dangling accept any value', () => {
    const root = {
      $defs: {
        a: { $ref: '#/$defs/b' },
        b: { $ref: '#/$defs/a' },
        c: { allOf: [{ $ref: '#/$defs/c' }, { $ref: '#/$defs/c' }] },
      },
    };
    for (const $ref of ['#/$defs/a', '#/$defs/c', '#/nowhere', 'https://host/schema', '#/%zz']) {
      assert.equal(typeText({ $ref }, root), 'anything');
    }
  });

  test('"or null" is recognized in all its forms', () => {
    for (const schema of [
      { type: ['string', 'null'] },
      { anyOf: [{ type: 'string' }, { type: 'null' }] },
      { oneOf: [{ type: 'null' }, { type: 'string' }] },
    ]) {
      const found = plain(schema, schema);
      assert.equal(found.type, 'string');
      assert.equal(found.nullable, true);
    }
  });

  test('allOf is merged: properties and required are united', () => {
    const schema = {
      allOf: [
        { properties: { a: { type: 'string' } }, required: ['a'] },
        { properties: { b: { type: 'number' } }, required: ['b'] },
      ],
    };
    const found = plain(schema, schema);
    assert.deepEqual(Object.keys(found.properties), ['b', 'a']);
    assert.deepEqual(new Set(found.required), new Set(['a', 'b']));
  });

  test('each kind of schema has a control; any other is edited as JSON', () => {
    const kinds = [
      [{ type: 'string' }, 'string'],
      [{ type: 'integer' }, 'integer'],
      [{ type: 'boolean' }, 'boolean'],
      [{ enum: ['a', 1] }, 'enum'],
      [{ const: 5 }, 'enum'],
      [{ oneOf: [{ const: 1, title: 'One' }, { const: 2 }] }, 'enum'],
      [{ anyOf: [{ type: 'string' }, { type: 'number' }] }, 'choice'],
      [{ type: ['string', 'number'] }, 'choice'],
      [{ type: 'array', items: { type: 'string' } }, 'array'],
      [{ type: 'array' }, 'json'],
      [{ type: 'array', prefixItems: [{}], items: {} }, 'json'],
      [{ type: 'object', properties: {} }, 'object'],
      [{ properties: {} }, 'object'],
      [{ type: 'object' }, 'json'],
      [{ not: {} }, 'json'],
      [true, 'json'],
      ['text', 'json'],
      [null, 'json'],
    ];
    for (const [schema, kind] of kinds) assert.equal(kindOf(plain(schema, {}), {}), kind, JSON.stringify(schema));
  });

  test('types and constraints as text', () => {
    assert.equal(typeText({ type: 'array', items: { type: ['integer', 'null'] } }, {}), 'list of whole number or null');
    assert.equal(typeText({ type: 'array', items: { type: 'object' } }, {}), 'list of objects');
    assert.deepEqual(rules({ type: 'array', uniqueItems: true }), ['unique items']);
    assert.equal(typeText({ anyOf: [{ type: 'string' }, { title: 'Point', type: 'object' }] }, {}), 'text or Point');
    assert.deepEqual(rules({ type: 'string', minLength: 1, maxLength: 80, format: 'email' }), [
      'format email',
      'at least 1 character',
      'at most 80 characters',
    ]);
  });

  test('options have labels, and alternatives keep the keywords beside them', () => {
    const titled = { oneOf: [{ const: 'r', title: 'Red' }, { const: 'g' }] };
    assert.deepEqual(
      options(titled, titled)?.map(({ label }) => label),
      ['Red (r)', 'g'],
    );
    const beside = {
      type: 'object',
      properties: { a: {} },
      oneOf: [{ properties: { b: {} } }, { properties: { c: {} } }],
    };
    assert.deepEqual(
      variants(beside, beside)?.map((each) => Object.keys(each.properties)),
      [
        ['a', 'b'],
        ['a', 'c'],
      ],
    );
  });
});

describe('validation before a call', () => {
  test('missing, unknown and wrongly typed values are reported with their path', () => {
    const schema = {
      type: 'object',
      properties: { a: { type: 'string' }, b: { type: 'object', properties: { c: { type: 'integer' } } } },
      required: ['a'],
      additionalProperties: false,
    };
    assert.deepEqual(messages(schema, { b: { c: 1.5 }, d: 1 }), [
      '/a: Required.',
      '/b/c: Must be a whole number.',
      ': There is no "d" here.',
    ]);
  });

  test('constraints of numbers, strings and arrays', () => {
    assert.deepEqual(messages({ type: 'integer', minimum: 1, maximum: 5 }, 9), [': Must be at most 5.']);
    assert.deepEqual(messages({ type: 'number', multipleOf: 0.1 }, 0.3), []);
    assert.deepEqual(messages({ type: 'string', minLength: 1 }, ''), [': Must not be empty.']);
    assert.deepEqual(messages({ type: 'string', maxLength: 2 }, '😀😀😀'), [': At most 2 characters; these are 3.']);
    assert.deepEqual(messages({ type: 'array', items: {}, minItems: 1 }, []), [': At least 1 item.']);
    assert.deepEqual(messages({ type: 'array', items: {}, uniqueItems: true }, [1, 1]), [': Items must be unique.']);
    assert.deepEqual(messages({ enum: ['a', 'b'] }, 'c'), [': Choose one of a, b.']);
    assert.deepEqual(messages({ type: 'string', format: 'date' }, 'today'), [': Not a date, such as 2026-01-31.']);
  });

  test('a pattern is tested, but never one with catastrophic backtracking', () => {
    assert.deepEqual(messages({ type: 'string', pattern: '^a+$' }, 'b'), [': Must match ^a+$']);
    assert.deepEqual(messages({ type: 'string', pattern: '^(a+)+$' }, `${'a'.repeat(40)}b`), []);
    assert.deepEqual(messages({ type: 'string', pattern: '(' }, 'b'), []);
  });

  test('one matching alternative is enough; otherwise the closest one reports its errors', () => {
    const schema = {
      anyOf: [{ type: 'integer' }, { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] }],
    };
    assert.deepEqual(messages(schema, 3), []);
    assert.deepEqual(messages(schema, { a: 3 }), [': Must be a whole number.']);
  });

  test('unusual schemas of servers cause no exception', () => {
    for (const schema of [
      { enum: 5 },
      { required: 'a', properties: 7 },
      { anyOf: {} },
      { items: 3, type: 'array' },
      { type: 12 },
      { pattern: {} },
      { minimum: 'x' },
      { $ref: 5 },
    ]) {
      check(schema, { a: [1] }, schema);
      check(schema, [1], schema);
      finished(schema, draftOf(schema, undefined, schema, true));
    }
  });
});

describe('form drafts', () => {
  test('an untouched form has the defaults, omits optional fields and asks for required ones', () => {
    const schema = {
      type: 'object',
      properties: {
        q: { type: 'string' },
        n: { type: 'integer', default: 5 },
        deep: { type: 'object', properties: {} },
        mode: { const: 'x' },
        tags: { type: 'array', items: {} },
      },
      required: ['q', 'mode'],
    };
    assert.deepEqual(blank(schema), { value: { n: 5, mode: 'x' }, problems: [{ path: '/q', message: 'Required.' }] });
  });

  test('a value survives conversion to a draft and back', () => {
    assert.deepEqual(round(TREE, { name: '', children: [{ value: 1, next: { value: 2 } }, {}] }).value, {
      name: '',
      children: [{ value: 1, next: { value: 2 } }, {}],
    });
  });

  test('values without a field are edited as JSON: additional properties, and values of another type', () => {
    const given = { name: 5, more: { a: [1] }, __proto__x: 1 };
    const draft = draftOf(TREE, given, TREE, true);
    assert.equal(draft.fields?.name.kind, 'json');
    assert.deepEqual(readDraft(TREE, draft, TREE).value, given);
  });

  test('null, choices and lists of choices survive conversion', () => {
    const schema = {
      type: 'object',
      properties: {
        a: { type: ['string', 'null'] },
        b: { anyOf: [{ type: 'integer' }, { type: 'array', items: { enum: ['x', 'y'] } }] },
      },
    };
    for (const value of [{ a: null, b: 3 }, { a: 'x', b: ['y', 'x'] }, {}])
      assert.deepEqual(round(schema, value).value, value);
  });

  test('an invalid number or invalid JSON is reported once, at its path', () => {
    const schema = { type: 'object', properties: { n: { type: 'integer' }, j: {} }, required: ['n'] };
    const draft = draftOf(schema, {}, schema, true);
    draft.fields = { n: { kind: 'integer', text: '1.5' }, j: { kind: 'json', text: '{' } };
    const { problems } = finished(schema, draft);
    assert.deepEqual(
      problems.map(({ path }) => path),
      ['/n', '/j'],
    );
    assert.match(problems[0].message, /“1.5” is not a whole number/);
  });

  test('an infinitely recursive schema does not cause infinite recursion', () => {
    const endless = { type: 'object', properties: { me: { $ref: '#' } }, required: ['me'] };
    assert.ok(draftOf(endless, undefined, endless, true));
  });
});
