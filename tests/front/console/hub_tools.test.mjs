/** Which of the hub's own tools a workspace shows (pure). */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hubToolsOf } from '../../../front/console/pages/workspace/shown_tools.mjs';

const TOOLS = ['hub_call_many', 'hub_call_tool', 'hub_search_tools', 'hub_status', 'registry_add', 'registry_find'].map(
  (name) => ({ name, calls: 1, failures: 0, last_used: null, problem: null, what_to_do: null }),
);
const NONE = { hub_tools: false, tool_search: false, registry: /** @type {const} */ ('off') };

/** @param {object} more */
const names = (more) => hubToolsOf({ ...NONE, ...more }, TOOLS).map(({ name }) => name);

test('a workspace shows the tools that its settings name', () => {
  assert.deepEqual(names({}), []);
  assert.deepEqual(names({ tool_search: true }), ['hub_call_tool', 'hub_search_tools']);
  assert.deepEqual(names({ hub_tools: true, tool_search: true }).length, 4);
  assert.deepEqual(names({ registry: 'find' }), ['registry_find']);
  assert.deepEqual(names({ registry: 'ask' }), ['registry_add', 'registry_find']);
});
