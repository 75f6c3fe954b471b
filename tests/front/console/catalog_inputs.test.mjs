/** The settings of a catalogue entry, from a form to the API. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answersOf, asked, faultOf, initial } from '../../../front/console/forms/catalog_inputs.mjs';

/** @param {string} name @param {object} [more] @returns {any} */
const input = (name, more = {}) => ({
  ...{ name, kind: 'variable', label: name, description: '', required: false, secret: false, default: null },
  ...{ choices: [], format: 'string', repeated: false, fixed: null, placeholder: '' },
  ...more,
});

test('fixed settings are not asked for, and needed ones come first', () => {
  const inputs = [
    input('a'),
    input('b', { fixed: '1', required: true }),
    input('c', { required: true }),
    input('d', { required: true, default: '1' }),
  ];
  assert.deepEqual(
    asked(inputs).map(({ name }) => name),
    ['c', 'a', 'd'],
  );
});

test('a default is shown, but never that of a secret', () => {
  assert.equal(initial(input('a', { default: '3' })), '3');
  assert.equal(initial(input('a', { default: '3', secret: true })), '');
});

test('what is missing or no number is said', () => {
  assert.equal(faultOf(input('a'), ''), '');
  assert.equal(faultOf(input('a', { required: true }), ' '), 'Enter a value.');
  const number = input('a', { format: 'number', repeated: true });
  assert.equal(faultOf(number, '1\n-2.5\n'), '');
  assert.equal(faultOf(number, '1\nx'), 'x is not a number.');
});

test('secrets go apart, unless they are a variable; what is empty or the default is left out', () => {
  const secret = { secret: true };
  const inputs = [
    ...[input('a', secret), input('b', secret), input('c', { repeated: true })],
    ...[input('d', { default: '3' }), input('e'), input('f', { fixed: 'x' }), input('g')],
  ];
  const texts = { a: 's3cret', b: '${TOKEN}', c: 'x\n\n y ', d: '3', e: '', f: 'y', g: 'z' };
  assert.deepEqual(answersOf(inputs, texts), {
    values: { b: '${TOKEN}', c: ['x', 'y'], g: 'z' },
    secrets: { a: 's3cret' },
  });
});
