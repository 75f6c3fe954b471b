/** Parsing of every format in which users paste servers, and errors with line and column. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readConfig } from '../../../front/server/api/import_text.mjs';

const X = { command: 'c', args: ['-y', 'p'] };

/** @type {[string, string, Record<string, any>][]} */
const FORMS = [
  ['JSON', '{"mcpServers": {"x": {"command": "c", "args": ["-y", "p"]}}}', { mcpServers: { x: X } }],
  ['JSON after a comment', '// mine\n{"x": {"command": "c", "args": ["-y", "p"]}}', { x: X }],
  ['members without braces', '"x": {"command": "c", "args": ["-y", "p"]},', { x: X }],
  [
    'a section without braces',
    '  "mcpServers": {\n    "x": {"command": "c", "args": ["-y", "p"]}\n  }\n',
    { mcpServers: { x: X } },
  ],
  ['a list', '[{"name": "x", "command": "c"}]', { mcpServers: [{ name: 'x', command: 'c' }] }],
  [
    'a code block of Markdown',
    'Add this to your file:\n\n```json\n{"x": {"command": "c", "args": ["-y", "p"]}}\n```\n\nand restart.\n',
    { x: X },
  ],
  ['a code block without an end', '```\n"x": {"command": "c", "args": ["-y", "p"]}', { x: X }],
  [
    'TOML of Codex',
    '# mine\nmodel = "o"\n[mcp_servers.x]\ncommand = "c"\nargs = ["-y", "p"]\n',
    { model: 'o', mcp_servers: { x: X } },
  ],
  ['TOML that begins with a table', '[mcp_servers."x"]\ncommand = "c"\nargs = ["-y", "p"]', { mcp_servers: { x: X } }],
  [
    'YAML of Goose',
    'extensions:\n  x:\n    type: stdio\n    cmd: c\n    args: [-y, p]\n',
    { extensions: { x: { type: 'stdio', cmd: 'c', args: ['-y', 'p'] } } },
  ],
  [
    'YAML of Continue',
    'name: mine\nmcpServers:\n  - name: x\n    command: c\n    args:\n      - "-y"\n      - p\n',
    { name: 'mine', mcpServers: [{ name: 'x', ...X }] },
  ],
  ['a list of YAML', '- name: x\n  command: c\n', { mcpServers: [{ name: 'x', command: 'c' }] }],
];

for (const [form, text, expected] of FORMS) {
  test(`${form} is parsed`, async () => {
    assert.deepEqual(await readConfig(text), expected);
    assert.deepEqual(await readConfig(`\uFEFF${text.replaceAll('\n', '\r\n')}`), expected);
  });
}

test('an error has the position in the whole text, and does not quote it', async () => {
  for (const [text, line, column] of /** @type {[string, number, number][]} */ ([
    ['"a": {"b": SECRET}', 1, 12],
    ['text\n```json\n{\n  "a": SECRET\n}\n```', 4, 8],
    ['[mcp_servers.x]\ncommand = SECRET', 2, 11],
    ['text\n```toml\n[x]\ny = \n```', 4, 5],
    ['a:\n  - b\n c: "SECRET', 3, 1],
    ['[{"a": SECRET}]', 1, 8],
  ])) {
    await assert.rejects(readConfig(text), (/** @type {any} */ error) => {
      assert.equal(error.code, 'BODY_INVALID');
      assert.equal(error.data.line, line, text);
      if (!text.startsWith('a:')) assert.equal(error.data.column, column, text);
      return !error.message.includes('SECRET');
    });
  }
});

test('texts that cannot be a configuration are refused with a message', async () => {
  const bomb = [
    'a: &a [1]',
    ...Array.from({ length: 9 }, (_, n) => `b${n}: &b${n} [${`*${n ? `b${n - 1}` : 'a'},`.repeat(9)}]`),
  ];
  for (const [text, told] of /** @type {[string, RegExp][]} */ ([
    ['', /empty/],
    ['```json\n```', /empty/],
    [bomb.join('\n'), /YAML/],
    [`a: ${'['.repeat(100_000)}`, /YAML|deeper/],
    [`a = ${'['.repeat(100)}${']'.repeat(100)}`, /deeper/],
    ['5', /not an object/],
  ])) {
    await assert.rejects(
      readConfig(text),
      (/** @type {any} */ error) => error.code === 'BODY_INVALID' && told.test(error.message),
      text.slice(0, 30),
    );
  }
});
