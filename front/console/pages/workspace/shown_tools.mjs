/** The hub's own tools, as a workspace shows them. Pure. */

/**
 * @typedef {import('../../../../bridge/node/types.mjs').HubToolStatus} HubTool
 * @typedef {Pick<import('../../types.mjs').Workspace, 'hub_tools' | 'tool_search' | 'registry'>} Shows
 */

const SEARCH = new Set(['hub_search_tools', 'hub_call_tool']);
const READING = new Set(['registry_find', 'registry_active', 'registry_status']);

/**
 * Return those of the hub's tools that a workspace shows (sidecar/workspaces/hub_tools_member.py).
 * @param {Shows} workspace
 * @param {readonly HubTool[]} tools
 */
export function hubToolsOf({ hub_tools: all, tool_search: search, registry }, tools) {
  return tools.filter(({ name }) =>
    name.startsWith('registry_')
      ? registry !== 'off' && (registry !== 'find' || READING.has(name))
      : all || (search && SEARCH.has(name)),
  );
}
