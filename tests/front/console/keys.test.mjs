import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessText, freeName, nameFault } from '../../../front/console/data/keys.mjs';

test('a new key gets a unique name within the length limit', () => {
  assert.equal(freeName('cursor work', []), 'cursor work');
  assert.equal(freeName('cursor work', ['cursor work', 'cursor work 2']), 'cursor work 3');
  const long = 'x'.repeat(70);
  assert.equal(freeName(long, []).length, 64);
  assert.equal(freeName(long, ['x'.repeat(64)]), `${'x'.repeat(62)} 2`);
});

test('the access of a key, as text', () => {
  assert.match(accessText({ workspaces: null, admin: true }), /^Everything/);
  assert.equal(accessText({ workspaces: null, admin: false }), 'All workspaces');
  assert.equal(accessText({ workspaces: ['a', ''], admin: false }), 'a, (no name)');
  assert.equal(accessText({ workspaces: [], admin: false }), 'Nothing');
});

test('invalid key names are reported before they are sent', () => {
  assert.equal(nameFault('laptop', ['desk']), '');
  assert.match(nameFault('', []), /Enter a name/);
  assert.match(nameFault(' laptop', []), /space/);
  assert.match(nameFault('é'.repeat(65), []), /64/);
  assert.match(nameFault('desk', ['desk']), /Another key/);
});
