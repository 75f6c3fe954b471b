/** Setting and removing one entry in a client's file: everything else is preserved, and the layout is followed. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { editJson } from '../../../front/cli/config_json.mjs';
import { editToml } from '../../../front/cli/config_toml.mjs';
import { Unusable } from '../../../front/cli/unusable.mjs';

const ENTRY = { url: 'http://h/mcp/x' };
const AT = 'mcpServers';

/** @type {[string, string | null, string][]} what it is, before, after */
const JSON_CASES = [
  ['no file', null, '{\n  "mcpServers": {\n    "x": {\n      "url": "http://h/mcp/x"\n    }\n  }\n}\n'],
  ['an empty object', '{}', '{\n  "mcpServers": {\n    "x": {\n      "url": "http://h/mcp/x"\n    }\n  }\n}'],
  [
    'no servers',
    '{\n  "a": 1 // one\n}\n',
    '{\n  "a": 1, // one\n  "mcpServers": {\n    "x": {\n      "url": "http://h/mcp/x"\n    }\n  }\n}\n',
  ],
  ['one line', '{"mcpServers":{"a":{}},"b":1}', '{"mcpServers":{"a":{}, "x": {"url":"http://h/mcp/x"}},"b":1}'],
  [
    'tabs, a trailing comma and comments behind it',
    '{\n\t"mcpServers": {\n\t\t"a": { "b": [1, 2] }, // a\n\t\t// last\n\t},\n}',
    '{\n\t"mcpServers": {\n\t\t"a": { "b": [1, 2] }, // a\n\t\t"x": {\n\t\t\t"url": "http://h/mcp/x"\n\t\t},\n\t\t// last\n\t},\n}',
  ],
  [
    'CRLF and a BOM',
    '\uFEFF{\r\n  "mcpServers": {\r\n    "a": {}\r\n  }\r\n}\r\n',
    '\uFEFF{\r\n  "mcpServers": {\r\n    "a": {},\r\n    "x": {\r\n      "url": "http://h/mcp/x"\r\n    }\r\n  }\r\n}\r\n',
  ],
  [
    'another entry of that name',
    '{\n  "mcpServers": {\n    "x": { "command": "y" }, /* ours */\n    "z": {}\n  }\n}',
    '{\n  "mcpServers": {\n    "x": {\n      "url": "http://h/mcp/x"\n    }, /* ours */\n    "z": {}\n  }\n}',
  ],
  [
    'an object with a comment alone',
    '{\n  "mcpServers": {\n    // none yet\n  }\n}',
    '{\n  "mcpServers": {\n    // none yet\n    "x": {\n      "url": "http://h/mcp/x"\n    }\n  }\n}',
  ],
];

for (const [what, before, after] of JSON_CASES) {
  test(`JSON, ${what}: the entry is added, everything else is preserved, and a second edit changes nothing`, () => {
    assert.equal(editJson(before, AT, 'x', ENTRY), after);
    assert.equal(editJson(after, AT, 'x', ENTRY), after);
  });
}

test('JSON: an entry is removed with its comma', () => {
  const source = '{\n  // all\n  "mcpServers": {\n    "a": {},\n    "x": { "y": 1 }\n  }\n}\n';
  assert.equal(editJson(source, AT, 'x'), '{\n  // all\n  "mcpServers": {\n    "a": {}\n  }\n}\n');
  assert.equal(editJson('{}', AT, 'x'), '{}');
});

for (const [text, why] of /** @type {[string, RegExp][]} */ ([
  ['{"mcpServers": ', /not valid JSON: \w+ in line 1/],
  ['[]', /not an object with an object mcpServers/],
  ['{"mcpServers": []}', /not an object with an object/],
  ['{"mcpServers": {"a": {}, "a": {}}}', /a name twice/],
  ['{"mcpServers": {}, "mcpServers": {}}', /a name twice/],
])) {
  test(`JSON that cannot be edited is refused: ${text}`, () => {
    assert.throws(
      () => editJson(text, AT, 'x', ENTRY),
      (error) => error instanceof Unusable && why.test(error.message),
    );
  });
}

const TABLE = '[servers.x]\nurl = "http://h/mcp/x"\n';

/** @type {[string, string | null, string][]} */
const TOML_CASES = [
  ['no file', null, TABLE],
  [
    'other tables',
    '# top\na = 1\n\n[servers.y]\nb = [\n  1, # one\n]\n\n',
    `# top\na = 1\n\n[servers.y]\nb = [\n  1, # one\n]\n\n${TABLE}`,
  ],
  ['CRLF', 'a = 1\r\n', `a = 1\r\n\r\n${TABLE.replaceAll('\n', '\r\n')}`],
  [
    'another table of that name, and tables below it',
    '[servers.x] # old\ncommand = "y"\n\n[servers.x.env]\nA = "[b]"\n\n# next\n[tui]\nc = 1\n',
    `${TABLE}\n# next\n[tui]\nc = 1\n`,
  ],
];

for (const [what, before, after] of TOML_CASES) {
  test(`TOML, ${what}: the table is added, everything else is preserved, and a second edit changes nothing`, () => {
    assert.equal(editToml(before, 'servers', 'x', ENTRY), after);
    assert.equal(editToml(after, 'servers', 'x', ENTRY), after);
  });
}

test('TOML: a table is removed with its subtables', () => {
  const source = 'a = 1\n\n[servers.x]\nb = 1\n\n[servers.x.env]\nc = 2\n\n[servers.xy]\nd = 3\n';
  assert.equal(editToml(source, 'servers', 'x'), 'a = 1\n\n\n[servers.xy]\nd = 3\n');
});

for (const text of [
  'a = ',
  'servers = { x = { command = "y" } }',
  '[servers]\nx.command = "y"\n',
  'a = """\n[servers.x]\n"""\n[servers]\nx = {}\n',
]) {
  test(`TOML that is invalid, or has the table in another form, is refused: ${JSON.stringify(text)}`, () => {
    assert.throws(() => editToml(text, 'servers', 'x', ENTRY), Unusable);
  });
}
