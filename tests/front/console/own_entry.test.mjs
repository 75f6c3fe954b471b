/** Own entries of the catalogue: the form, and what it becomes. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { draftOf, emptyDraft, entryOf, faultsOf, pastedEntry } from '../../../front/console/forms/own_entry.mjs';

/** @param {Partial<import('../../../front/console/forms/own_entry.mjs').Draft>} part */
const draft = (part) => ({
  ...emptyDraft(),
  name: 'com.example/notes',
  description: 'Our notes',
  identifier: '@example/notes@1.2.0',
  ...part,
});
const setting = (/** @type {string} */ name) => ({ name, description: '', secret: true, required: true });

test('a form becomes a server.json, and again the same form', () => {
  const package_ = draft({ arguments: '--verbose\n /srv/notes ', settings: [setting('TOKEN')] });
  const entry = entryOf(package_);
  assert.deepEqual(entry, {
    name: 'com.example/notes',
    description: 'Our notes',
    version: '1.0.0',
    packages: [
      {
        registryType: 'npm',
        identifier: '@example/notes',
        version: '1.2.0',
        transport: { type: 'stdio' },
        packageArguments: [
          { type: 'positional', value: '--verbose' },
          { type: 'positional', value: '/srv/notes' },
        ],
        environmentVariables: [{ name: 'TOKEN', isRequired: true, isSecret: true }],
      },
    ],
  });
  assert.deepEqual(draftOf(entry), { ...package_, arguments: '--verbose\n/srv/notes' });
  for (const [kind, identifier] of /** @type {const} */ ([
    ['pypi', 'notes==2.0'],
    ['npm', '/srv/notes-1.0.0.tgz'],
    ['oci', 'ghcr.example/notes:1.0'],
    ['streamable-http', 'http://notes.example/mcp'],
    ['sse', 'https://notes.example/sse'],
  ])) {
    const other = draft({ kind, identifier, title: 'Notes', settings: [setting('X')] });
    assert.deepEqual(draftOf(entryOf(other)), other, kind);
    assert.deepEqual(faultsOf(other), {}, kind);
  }
});

test('an entry with more than the form shows is changed as text', () => {
  const entry = entryOf(draft({}));
  for (const more of [{ repository: {} }, { remotes: [{ type: 'sse', url: 'http://x' }] }, { packages: undefined }])
    assert.equal(draftOf({ ...entry, ...more }), null, JSON.stringify(more));
  const [one] = entry.packages;
  const choice = [{ name: 'A', choices: ['x'] }];
  assert.equal(draftOf({ ...entry, packages: [{ ...one, environmentVariables: choice }] }), null);
});

test('each field says what is wrong with it', () => {
  const wrong = draft({
    name: 'notes',
    description: 'x'.repeat(101),
    version: ' ',
    identifier: 'notes@latest',
    settings: [setting('a b'), setting('X'), setting('X')],
  });
  const found = faultsOf(wrong);
  assert.deepEqual(Object.keys(found), [
    ...['name', 'description', 'version', 'identifier'],
    ...['settings.0', 'settings.1', 'settings.2'],
  ]);
  assert.match(found.identifier, /exact version: notes@latest@1\.2\.3/);
  assert.match(faultsOf(draft({ kind: 'sse', identifier: 'notes' })).identifier, /http/);
  assert.deepEqual(faultsOf(draft({ kind: 'sse', identifier: 'http://x', settings: [setting('X-Key')] })), {});
});

test('a pasted text is a server.json, or what a registry answers', () => {
  const entry = entryOf(draft({}));
  assert.deepEqual(pastedEntry(JSON.stringify(entry)).entry, entry);
  assert.deepEqual(pastedEntry(JSON.stringify({ server: entry, _meta: {} })).entry, entry);
  assert.match(pastedEntry('{').fault, /not JSON/);
  assert.match(pastedEntry('[]').fault, /object/);
});
