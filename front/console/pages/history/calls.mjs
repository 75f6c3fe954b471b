/** Recorded calls, newest first, live or of the past. */

import { useEffect, useState } from 'preact/hooks';
import { filtersOf, OUTCOME_OPTIONS, outcomeOf } from '../../data/recorded.mjs';
import { api, state } from '../../hub/store.mjs';
import { href } from '../../router.mjs';
import { Button, Checkbox, Empty, html, Notice, StateBadge, Table } from '../../ui.mjs';
import { displayName, took } from '../../words.mjs';
import {
  ChoiceFilter,
  Exports,
  HistoryPage,
  Moment,
  Pager,
  ReplicaFilter,
  setFilters,
  TextFilter,
  TimeFilter,
  useRecords,
  withReplica,
} from './frame.mjs';

/** @typedef {import('../../data/recorded.mjs').Call} Call */

const PATH = '/api/hub/calls';
const FILTERS = ['workspace', 'server', 'tool', 'principal', 'outcome', 'session', 'correlation', 'replica'];
const LEAD = 'Who called what, when, and with what outcome.';

/** @param {{ query: Record<string, string> }} props the filters, and `before`: the page */
export default function Calls({ query }) {
  const [live, setLive] = useState(true);
  const { before } = query;
  const filters = () => filtersOf(query, FILTERS, Date.now() / 1000);
  const key = JSON.stringify([query.last, query.since, query.until, ...FILTERS.map((name) => query[name])]);
  const found = useRecords(PATH, 'calls', filters, { key, before, live: live && query.until === undefined });
  const actions = html`${before === undefined && html`<${Checkbox} label="Live" checked=${live} onChange=${setLive} />`}
    <${Exports} path=${PATH} filters=${filters} />`;
  return html`<${HistoryPage} current="calls" lead=${LEAD} actions=${actions}>
    <${Filters} query=${query} />
    ${found.error && found.error.code !== 'HISTORY_UNAVAILABLE' && html`<${Notice} error=${found.error} />`}
    ${found.error && html`<${Button} icon="restart" onClick=${found.load}>Try again</${Button}>`}
    ${found.rows && html`<${List} calls=${found.rows} reading=${found.reading} filtered=${Object.keys(filters()).length > 0} />`}
    ${!found.error && html`<${Pager} page="calls" query=${query} found=${found} noun="call" />`}
  </${HistoryPage}>`;
}

/** @param {{ query: Record<string, string> }} props */
function Filters({ query }) {
  const set = (/** @type {Record<string, string | undefined>} */ changes) => setFilters('calls', query, changes);
  const named = (/** @type {string[]} */ names) => names.map((value) => ({ value, label: displayName(value) }));
  const { workspaces = [], servers = [] } = state.value ?? {};
  const principals = usePrincipals();
  const only = ['session', 'correlation'].filter((name) => query[name]);
  return html`<div class="filters history-filters" role="search" aria-label="Filters">
    <${TimeFilter} query=${query} onChange=${set} />
    <${ChoiceFilter} label="Workspace" all="All" value=${query.workspace} options=${named(workspaces.map(({ name }) => name))} onChange=${(/** @type {string} */ workspace) => set({ workspace })} />
    <${ChoiceFilter} label="Server" all="All" value=${query.server} options=${named(servers.map(({ key }) => key))} onChange=${(/** @type {string} */ server) => set({ server })} />
    <${TextFilter} label="Tool" value=${query.tool} onChange=${(/** @type {string} */ tool) => set({ tool })} />
    <${ChoiceFilter} label="Principal" all="All" value=${query.principal} options=${named(principals)} onChange=${(/** @type {string} */ principal) => set({ principal })} />
    <${ChoiceFilter} label="Outcome" all="All" value=${query.outcome} options=${OUTCOME_OPTIONS} onChange=${(/** @type {string} */ outcome) => set({ outcome })} />
    <${ReplicaFilter} page="calls" query=${query} />
    ${only.map((name) => html`<${Button} key=${name} icon="close" onClick=${() => set({ [name]: '' })}><span class="unseen">Remove the filter </span>${name} <code>${query[name]}</code></${Button}>`)}
  </div>`;
}

/** Return the names of principals that have called. @returns {string[]} */
function usePrincipals() {
  const [names, setNames] = useState(/** @type {string[]} */ ([]));
  useEffect(() => {
    const take = (/** @type {any} */ { principals }) => setNames(principals.map((/** @type {any} */ { name }) => name));
    api.get('/api/hub/principals').then(take, () => {}); // the list itself says what is wrong
  }, []);
  return names.filter(Boolean);
}

/** @param {{ calls: Call[], reading: boolean, filtered: boolean }} props */
function List({ calls, reading, filtered }) {
  if (calls.length === 0 && !reading) return html`<${NoCalls} filtered=${filtered} />`;
  return html`<${Table} label="Calls" columns=${withReplica(COLUMNS)} rows=${calls} rowKey=${(/** @type {Call} */ { id }) => String(id)} />`;
}

const COLUMNS = [
  {
    id: 'time',
    title: 'Time',
    bare: true,
    cell: (/** @type {Call} */ { id, at }) => html`<a href=${href('calls', [String(id)])}><${Moment} at=${at} /></a>`,
  },
  {
    id: 'outcome',
    title: 'Outcome',
    cell: (/** @type {Call} */ { outcome }) => {
      const { word, tone } = outcomeOf(outcome);
      return html`<${StateBadge} tone=${tone} word=${word} />`;
    },
  },
  { id: 'tool', title: 'Tool', cell: (/** @type {Call} */ call) => html`<code class="break">${callName(call)}</code>` },
  { id: 'server', title: 'Server', cell: (/** @type {Call} */ { server }) => (server ? displayName(server) : '–') },
  {
    id: 'workspace',
    title: 'Workspace',
    cell: (/** @type {Call} */ { workspace }) => (workspace ? displayName(workspace) : '–'),
  },
  { id: 'principal', title: 'Principal', cell: (/** @type {Call} */ { principal }) => principal || '–' },
  {
    id: 'duration',
    title: 'Duration',
    align: /** @type {const} */ ('end'),
    cell: (/** @type {Call} */ { seconds }) => took(seconds),
  },
];

/** Return what was called: the tool, or the method of another request. @param {Call} call */
export function callName({ method, tool }) {
  if (method === 'tools/call') return tool || method;
  return [method, tool].filter(Boolean).join(' ') || '–';
}

/** @param {{ filtered: boolean }} props */
function NoCalls({ filtered }) {
  if (filtered)
    return html`<${Empty} icon="search" title="No calls match these filters"><p>Remove a filter, or choose a longer time range.</p></${Empty}>`;
  const actions = html`<${Button} href=${href('tools')}>Try a tool</${Button}>`;
  return html`<${Empty} icon="history" title="No calls yet" actions=${actions}><p>The hub lists every request of a client here, also those from this console.</p></${Empty}>`;
}
