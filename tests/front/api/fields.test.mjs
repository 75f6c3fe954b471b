/** Validation of the fields of a request. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  flag,
  name,
  names,
  number,
  object,
  optional,
  problemOf,
  readQuery,
  values,
} from '../../../front/server/api/fields.mjs';

const fields = { name, servers: optional(names), on: optional(flag), entry: optional(object), env: optional(values) };
const nest = (/** @type {number} */ levels) => JSON.parse(`${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`);

test('valid values are accepted, also unusual names', () => {
  for (const odd of ['', '..', 'a/b?c#d%', 'ü ✓ 🙂', '__proto__', 'x'.repeat(1024)]) {
    assert.equal(problemOf(fields, { name: odd, servers: [odd], on: false, entry: { a: [odd] }, env: { a: 1 } }), null);
  }
});

test('an error of an invalid value names its field', () => {
  for (const [given, told] of /** @type {[unknown, RegExp][]} */ ([
    [null, /must be an object/],
    [[], /must be an object/],
    ['text', /must be an object/],
    [{}, /"name" is missing/],
    [{ name: 1 }, /"name" must be text/],
    [{ name: null }, /"name" must be text/],
    [{ name: 'x'.repeat(1025) }, /"name" is longer than 1024/],
    [{ name: 'a\0' }, /"name" contains NUL/],
    [{ name: '\ud800' }, /"name" contains NUL or a lone surrogate/],
    [{ name: 'a', servers: 'b' }, /"servers" must be a list/],
    [{ name: 'a', servers: ['b', 2] }, /"servers" has an item 2 that must be text/],
    [{ name: 'a', servers: Array(10_001).fill('x') }, /"servers" has more than/],
    [{ name: 'a', on: 'yes' }, /"on" must be true or false/],
    [{ name: 'a', entry: [] }, /"entry" must be an object/],
    [{ name: 'a', entry: nest(70) }, /"entry" is nested deeper/],
    [{ name: 'a', env: { A: null } }, /"env" has a value of "A"/],
    [{ name: 'a', nmae: 'b' }, /a field "nmae" that is not known; known are: name, servers/],
    [JSON.parse('{"name": "a", "__proto__": {}}'), /a field "__proto__"/],
  ])) {
    assert.match(problemOf(fields, given) ?? 'nothing', told);
  }
});

test('unknown fields are accepted with ignoreUnknown', () => {
  assert.equal(problemOf({ name }, { name: 'a', more: 1 }, { ignoreUnknown: true }), null);
});

test('numbers in a query are parsed, and refused if they are invalid or out of bounds', () => {
  const limit = number('whole number from 1 to 9', { min: 1, max: 9, whole: true });
  const problem = (/** @type {unknown} */ given) => problemOf({ limit }, readQuery({ limit }, { limit: given }));
  assert.equal(problem('9'), null);
  for (const odd of ['0', '10', '1.5', '', ' ', 'x', '1e400', 'NaN', ['1', '2']])
    assert.match(problem(odd) ?? '', /"limit" must be a whole/);
});
