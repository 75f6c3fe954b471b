/** The tool explorer: shows all tools of a workspace as its clients see them. */

import { grouped, serverOf } from '../data/tool_list.mjs';
import { api, state } from '../hub/store.mjs';
import { html } from '../ui.mjs';
import { Explorer, ExplorerPage, useItems } from './parts/explorer.mjs';
import { ToolDetail } from './tool.mjs';

/** @typedef {import('../types.mjs').Workspace} Workspace @typedef {import('../data/tool_list.mjs').Tool} Tool */

const MANY = 40; // tools from which on the hub searches; fewer are filtered here
const MOST_FOUND = 50;
const LEAD = 'The tools of a workspace as its clients see them. Choose one to see its schemas and to call it.';

/** @param {{ query: Record<string, string> }} props  `workspace`, `tool`, and `call`: a recorded call to make again */
export default function Tools({ query }) {
  const show = (/** @type {Workspace} */ workspace) =>
    html`<${OfWorkspace} key=${workspace.name} workspace=${workspace} picked=${query.tool} again=${query.call} />`;
  return html`<${ExplorerPage} kind="tools" lead=${LEAD} name=${query.workspace} show=${show} />`;
}

/** @param {{ workspace: Workspace, picked: string|undefined, again: string|undefined }} props */
function OfWorkspace({ workspace, picked, again }) {
  const found = useItems(workspace, workspace.tools, read);
  const group = (/** @type {Tool[]} */ tools, /** @type {string} */ search) =>
    grouped(tools, search, workspace, servers()).map(({ server, tools: items }) => ({ server, items }));
  const find =
    (found.items?.length ?? 0) >= MANY ? (/** @type {string} */ text) => ranked(workspace.name, text) : undefined;
  const detail = (/** @type {Tool} */ tool) =>
    html`<${ToolDetail} key=${JSON.stringify([tool.name, again])} workspace=${workspace} tool=${tool} again=${again} server=${serverOf(tool.name, workspace, servers())} />`;
  return html`<${Explorer} kind="tools" workspace=${workspace} found=${found} group=${group} entry=${entry} find=${find} picked=${picked} detail=${detail} />`;
}

const servers = () => state.value?.servers ?? [];

/** @param {string} workspace @returns {Promise<Tool[]>} */
const read = async (workspace) => (await api.get('/api/hub/tools', { workspace })).tools;

/**
 * Return the names of the tools that fit a text best, the best first, as agents find them.
 * @param {string} workspace @param {string} text
 * @returns {Promise<string[]>}
 */
const ranked = async (workspace, text) => {
  const { tools } = await api.get('/api/hub/tools/search', { workspace, text, limit: MOST_FOUND });
  return tools.map((/** @type {{ tool: string }} */ { tool }) => tool);
};

/** @param {Tool} tool */
function entry({ name, title, description, annotations }) {
  return { id: name, name, title: title ?? annotations?.title, description };
}
