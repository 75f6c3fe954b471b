import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contentOf, EXAMPLE, reasonText, roleText, ruleText, subjectsOf } from '../../../front/console/data/access.mjs';

test('what a rule is about, as text', () => {
  assert.equal(ruleText({}), 'everything');
  assert.equal(ruleText({ workspaces: ['dev*', 'x'] }), 'everything in dev*, x');
  assert.equal(ruleText({ servers: ['github'], tools: ['delete_*'] }), 'tools delete_* of github');
  assert.equal(ruleText({ resources: ['a'], prompts: ['b'] }), 'resources a; prompts b');
  const annotations = { readOnlyHint: true, openWorldHint: false };
  assert.equal(ruleText({ annotations }), 'tools with readOnlyHint true and openWorldHint false');
  assert.equal(ruleText({ annotations: { readOnlyHint: true }, tools: ['x'] }), 'tools x with readOnlyHint true');
});

test('what a role gives, as text', () => {
  assert.equal(roleText({ role: 'admin' }), 'admin');
  assert.equal(
    roleText({ role: 'owner', servers: ['git*'], workspaces: ['dev'] }),
    'owner of servers git*; workspaces dev',
  );
});

test('why an item is allowed or not', () => {
  assert.equal(reasonText({ reason: 'rule', rule: 0, why: 'rule 0 denies it to *' }), 'Rule 1 decides.');
  assert.equal(reasonText({ reason: 'none', rule: null, why: 'no rule allows it' }), 'No rule allows it.');
});

test('a text that cannot be shown as tables is shown as text only', () => {
  assert.equal(contentOf(EXAMPLE)?.rules.length, 2);
  assert.deepEqual(contentOf('{}'), { roles: [], rules: [] });
  for (const text of ['', '{', 'null', '{"rules": {}}', '{"rules": [null]}']) assert.equal(contentOf(text), null, text);
});

test('subjects of the file and keys are proposed, each once', () => {
  assert.deepEqual(subjectsOf(contentOf(EXAMPLE), [{ name: 'ci' }]), ['*', 'group:dev', 'group:platform', 'key:ci']);
  assert.deepEqual(subjectsOf(null, []), []);
});
