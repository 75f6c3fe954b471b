/** The section of a workspace's page with the hub's own tools: how often they were called, and what is wrong. */

import { hubToolsOf } from './shown_tools.mjs';
import { state } from '../../hub/store.mjs';
import { html, Notice, Section, StateBadge, Table, Time } from '../../ui.mjs';

/** @typedef {import('./shown_tools.mjs').HubTool} HubTool */

const NOTE =
  'Tools of the hub itself that this workspace shows. The figures are of all workspaces since its last start.';
const COLUMNS = [
  { id: 'name', title: 'Tool', bare: true, cell: (/** @type {HubTool} */ { name }) => html`<code>${name}</code>` },
  {
    id: 'state',
    title: 'State',
    cell: (/** @type {HubTool} */ { problem }) => html`<${StateBadge} ...${badgeOf(problem)} />`,
  },
  {
    id: 'calls',
    title: 'Calls',
    align: /** @type {const} */ ('end'),
    cell: (/** @type {HubTool} */ { calls }) => calls,
  },
  {
    id: 'failures',
    title: 'Failed',
    align: /** @type {const} */ ('end'),
    cell: (/** @type {HubTool} */ { failures }) => failures,
  },
  {
    id: 'used',
    title: 'Last used',
    cell: (/** @type {HubTool} */ { last_used: at }) => (at ? html`<${Time} at=${at} />` : '–'),
  },
];

/** Nothing for a workspace that shows none. @param {{ workspace: import('../../types.mjs').Workspace }} props */
export function HubToolsSection({ workspace }) {
  const tools = hubToolsOf(workspace, state.value?.hub.hub_tools ?? []);
  if (tools.length === 0) return null;
  const problems = new Map(tools.flatMap(({ problem, what_to_do: hint }) => (problem ? [[problem, hint ?? '']] : [])));
  return html`<${Section} title="Tools of the hub" note=${NOTE}>
    <div class="stack">
      ${[...problems].map(([message, hint]) => html`<${Notice} key=${message} tone="warn" quiet><p>${message} ${hint}</p></${Notice}>`)}
      <${Table} label="Tools of the hub" columns=${COLUMNS} rows=${tools} rowKey=${(/** @type {HubTool} */ { name }) => name} />
    </div>
  </${Section}>`;
}

/** @param {string|null} problem @returns {{ word: string, tone: import('../../types.mjs').Tone }} */
const badgeOf = (problem) => (problem ? { word: 'Does not work', tone: 'warn' } : { word: 'Works', tone: 'ok' });
