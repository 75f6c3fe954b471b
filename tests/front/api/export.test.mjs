/** Exported configurations: no secret in them unless it was asked for, and a variable for each. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exported } from '../../../front/server/api/export.mjs';

const ENTRIES = new Map([
  [
    'files',
    {
      namespace: 'f',
      type: 'stdio',
      providerParameters: {
        command: 'npx',
        args: ['-y', 'pkg', '--api-key', 'hush1'],
        env: { TOKEN: 'hush2', x: 'hush3' },
      },
    },
  ],
  [
    'web one',
    {
      namespace: 'w',
      type: 'http',
      providerParameters: { url: 'https://u:hush4@h.example/mcp', headers: { 'X-Key': 'hush5' } },
    },
  ],
  ['flat', { command: 'run', env: { TOKEN: 'hush6', REF: ['$', '{REF}'].join('') } }],
]);

test('each secret becomes a variable of its own, and all else stays', () => {
  for (const form of /** @type {const} */ (['client', 'providers'])) {
    const { config, variables } = exported(ENTRIES, { form, secrets: false });
    const text = JSON.stringify(config);
    assert.doesNotMatch(text, /hush|\*\*\*/);
    assert.deepEqual(variables, ['FILES_SECRET', 'TOKEN', 'FILES_X', 'WEB_ONE_SECRET', 'WEB_ONE_X_KEY', 'FLAT_TOKEN']);
    for (const name of [...variables, 'REF']) assert.ok(text.includes(`\${${name}}`), name);
  }
});

test('with secrets, the entries are as they are stored', () => {
  assert.deepEqual(exported(ENTRIES, { form: 'providers', secrets: true }), {
    config: Object.fromEntries(ENTRIES),
    variables: [],
  });
});

test("a client's form has no fields of YAMCP's own", () => {
  const { config } = exported(ENTRIES, { form: 'client', secrets: true });
  assert.deepEqual(config.mcpServers['web one'], {
    type: 'http',
    url: 'https://u:hush4@h.example/mcp',
    headers: { 'X-Key': 'hush5' },
  });
  assert.deepEqual(Object.keys(config.mcpServers.files), ['command', 'args', 'env']);
  assert.deepEqual(config.mcpServers.flat, ENTRIES.get('flat'));
});
