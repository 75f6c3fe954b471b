/** The console's routes: any string can be a name. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { href, parseRoute } from '../../../front/console/router.mjs';

test('a route without anything is that of the workspaces', () => {
  for (const hash of ['', '#', '#/', '#/?x=1']) assert.equal(parseRoute(hash).page, 'workspaces');
});

test('every name comes back from its link as it was, the empty one and those with marks of URLs too', () => {
  for (const name of ['', '..', 'a/b', '?x=1', '#', '%', '%2F', 'Größe & <Maß>', '日本 語', ' ', '"', '+', '\n']) {
    assert.deepEqual(parseRoute(href('servers', [name])), { page: 'servers', args: [name], query: {} });
  }
});

test('a list and an item without a name are not the same route', () => {
  assert.deepEqual(parseRoute('#/servers').args, []);
  assert.deepEqual(parseRoute('#/servers/').args, ['']);
});

test('a query is kept apart from the path, whatever its values', () => {
  const link = href('tools', [], { workspace: 'a?b&c=/d', tool: 'x' });
  assert.deepEqual(parseRoute(link), { page: 'tools', args: [], query: { workspace: 'a?b&c=/d', tool: 'x' } });
});

test('half a character in a name, and a wrong percent sign in an address, end no page', () => {
  assert.equal(href('servers', ['a\uD800']), '#/servers/a%EF%BF%BD');
  assert.deepEqual(parseRoute('#/servers/%E0%A4%A').args, ['%E0%A4%A']);
});
