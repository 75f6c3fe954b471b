/** Parsing of pasted JSON with comments and trailing commas, and errors with line and column. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsonProblem, parseConfig } from '../../../front/server/api/import.mjs';

test('comments, trailing commas and a byte order mark are allowed', () => {
  const text = '\uFEFF{ // of VS Code\n  "servers": { /* one */ "a": { "command": "x", "args": ["1", "2",], }, },\n}';
  assert.deepEqual(parseConfig(text), { servers: { a: { command: 'x', args: ['1', '2'] } } });
});

test('property names that JavaScript reserves are ordinary names', () => {
  const parsed = parseConfig('{"mcpServers": {"__proto__": {"command": "x"}, "constructor": {"command": "y"}}}');
  assert.deepEqual(Object.keys(parsed.mcpServers), ['__proto__', 'constructor']);
  assert.equal(Object.getPrototypeOf(parsed.mcpServers), Object.prototype);
});

test('an error has line and column, and does not quote the text', () => {
  for (const [text, line, column] of /** @type {[string, number, number][]} */ ([
    ['{\n  "a": SECRET\n}', 2, 8],
    ['{"a": 1\r\n "SECRET": 2}', 2, 2],
    ['{"a": "SECRET', 1, 7],
    ['{"a": 1}}', 1, 9],
    ['// only\n', 2, 1],
  ])) {
    assert.throws(
      () => parseConfig(text),
      (/** @type {any} */ error) => {
        assert.equal(error.code, 'BODY_INVALID');
        assert.deepEqual([error.data.line, error.data.column], [line, column], text);
        return !error.message.includes('SECRET');
      },
    );
  }
});

test('a text that is empty, not an object, or nested too deeply is refused', () => {
  for (const [text, told] of /** @type {[string, RegExp][]} */ ([
    ['', /empty/],
    [' \n', /empty/],
    ['[]', /not an object/],
    ['"x"', /not an object/],
    ['null', /not an object/],
    [`${'{"a":'.repeat(100)}1${'}'.repeat(100)}`, /deeper/],
    ['['.repeat(500_000), /deeper/],
  ])) {
    assert.throws(
      () => parseConfig(text),
      (/** @type {any} */ error) => error.code === 'BODY_INVALID' && told.test(error.message),
      text.slice(0, 20),
    );
  }
});

test('in plain JSON, comments and trailing commas are errors', () => {
  assert.equal(jsonProblem('{"a": 1}'), undefined);
  assert.deepEqual(jsonProblem('{"a": 1 /* x */}')?.line, 1);
  assert.deepEqual(jsonProblem('{"a": [1,\n]}'), { what: 'a missing value', line: 2, column: 1 });
});
