import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freeName, nameFault, opens } from '../../../front/console/data/keys.mjs';

test('a new key gets a name that no other has, within its length', () => {
  assert.equal(freeName('cursor work', []), 'cursor work');
  assert.equal(freeName('cursor work', ['cursor work', 'cursor work 2']), 'cursor work 3');
  const long = 'x'.repeat(70);
  assert.equal(freeName(long, []).length, 64);
  assert.equal(freeName(long, ['x'.repeat(64)]), `${'x'.repeat(62)} 2`);
});

test('what a key opens, in words', () => {
  assert.match(opens({ workspaces: null, admin: true }), /^Everything/);
  assert.equal(opens({ workspaces: null, admin: false }), 'All workspaces');
  assert.equal(opens({ workspaces: ['a', ''], admin: false }), 'a, (no name)');
  assert.equal(opens({ workspaces: [], admin: false }), 'Nothing');
});

test('names that the hub would refuse are told before', () => {
  assert.equal(nameFault('laptop', ['desk']), '');
  assert.match(nameFault('', []), /Give it a name/);
  assert.match(nameFault(' laptop', []), /space/);
  assert.match(nameFault('é'.repeat(65), []), /64/);
  assert.match(nameFault('desk', ['desk']), /Another key/);
});
