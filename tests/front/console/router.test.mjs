/** The console's routes: any string can be a name. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { href, parseRoute } from '../../../front/console/router.mjs';

test('an empty route is the workspaces page', () => {
  for (const hash of ['', '#', '#/', '#/?x=1']) assert.equal(parseRoute(hash).page, 'workspaces');
});

test('every name survives encoding in a link, also empty ones and ones with URL characters', () => {
  for (const name of ['', '..', 'a/b', '?x=1', '#', '%', '%2F', 'Größe & <Maß>', '日本 語', ' ', '"', '+', '\n']) {
    assert.deepEqual(parseRoute(href('servers', [name])), { page: 'servers', args: [name], query: {} });
  }
});

test('a list and an item with an empty name have different routes', () => {
  assert.deepEqual(parseRoute('#/servers').args, []);
  assert.deepEqual(parseRoute('#/servers/').args, ['']);
});

test('a query is separate from the path, whatever its values', () => {
  const link = href('tools', [], { workspace: 'a?b&c=/d', tool: 'x' });
  assert.deepEqual(parseRoute(link), { page: 'tools', args: [], query: { workspace: 'a?b&c=/d', tool: 'x' } });
});

test('a lone surrogate in a name, or an invalid percent-encoding in a URL, causes no exception', () => {
  assert.equal(href('servers', ['a\uD800']), '#/servers/a%EF%BF%BD');
  assert.deepEqual(parseRoute('#/servers/%E0%A4%A').args, ['%E0%A4%A']);
});
