/** The settings of a workspace in hub.json that are fields like a server's (settings_spec.mjs). Pure. */

import { settingOf, valuesOf } from './settings_spec.mjs';
import { SCHEMA } from './workspace_settings.mjs';

/** @type {import('./settings_spec.mjs').SettingText[]} */
const TEXTS = [
  {
    name: 'record',
    label: 'In the history',
    help: 'What the history records of arguments and results. The setting of a server has precedence.',
    kind: 'pick',
    labels: {
      off: 'Nothing of them',
      sizes: 'Their sizes',
      redacted: 'Their text, secrets masked by name too',
      full: 'Their text',
    },
  },
  {
    name: 'cache_read_only',
    label: 'Keep results of read-only tools',
    help: 'Seconds for which the hub caches results of tools that declare to change nothing (readOnlyHint and idempotentHint). 0: not at all.',
    kind: 'seconds',
  },
  {
    name: 'tools',
    label: 'Clients see',
    help: 'With the search, clients see the tools hub_search_tools and hub_call_tool and the pinned tools only. All other tools stay callable.',
    kind: 'pick',
    labels: { all: 'All tools', search: 'A search for tools' },
  },
  {
    name: 'pinned_tools',
    label: 'Pinned tools',
    help: 'Tools that clients see beside the search: one name or pattern, such as files_*, on a line.',
    kind: 'lines',
    example: 'files_read_file\nclock_*',
  },
  {
    name: 'hub_tools',
    label: 'Tools of the hub',
    help: 'Adds hub_status, hub_search_tools, hub_call_tool and hub_call_many, which calls up to 50 tools at once.',
    kind: 'flag',
    labels: { false: 'Off', true: 'On' },
  },
  {
    name: 'registry',
    label: 'Agents and the catalogue',
    help: 'What agents may do with the catalogue in this workspace. Administrators decide on proposals on the page Approvals.',
    kind: 'pick',
    labels: { off: 'Nothing', find: 'Find servers', ask: 'Propose changes', add: 'Make changes (administrators only)' },
  },
];

/** @type {import('./settings_spec.mjs').Setting[]} */
export const WORKSPACE_SETTINGS = TEXTS.map((said) =>
  settingOf(said, SCHEMA.properties[said.name], SCHEMA.properties[said.name].default),
);

/**
 * The settings as the page shows them: groups that are closed at first.
 * @type {{ title: string, settings: import('./settings_spec.mjs').Setting[] }[]}
 */
export const WORKSPACE_GROUPS = [
  { title: 'Tool search and tools of the hub', names: ['tools', 'pinned_tools', 'hub_tools', 'registry'] },
  { title: 'History and kept results', names: ['record', 'cache_read_only'] },
].map(({ title, names }) => ({ title, settings: WORKSPACE_SETTINGS.filter(({ name }) => names.includes(name)) }));

/**
 * Return the settings of a workspace by name, defaults included. In the State, `tools` is their number.
 * @param {Partial<import('../types.mjs').Workspace>} [workspace]
 */
export function workspaceValues(workspace = {}) {
  const { tools: _number, tool_search: searched = false, ...rest } = workspace;
  return valuesOf(WORKSPACE_SETTINGS, { ...rest, tools: searched ? 'search' : 'all' });
}
