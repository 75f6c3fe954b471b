/** Recorded sessions of clients, also those that have ended. */

import { useEffect, useState } from 'preact/hooks';
import { api, state } from '../../hub/store.mjs';
import { href } from '../../router.mjs';
import { Button, Empty, html, ItemLink, Notice, Table } from '../../ui.mjs';
import { displayName } from '../../words.mjs';
import { ChoiceFilter, HistoryPage, Moment, ReplicaFilter, setFilters, withReplica } from './frame.mjs';

/** @typedef {import('../../../../bridge/node/types.mjs').RecordedSession} Session */

const LIMIT = 500;

/** @param {{ query: Record<string, string> }} props `workspace`, `replica`: only its sessions */
export default function PastSessions({ query }) {
  const [found, setFound] = useState(/** @type {{ sessions?: Session[], error?: any }} */ ({}));
  const { workspace, replica } = query;
  const load = () =>
    api.get('/api/hub/sessions/recorded', { workspace, replica, limit: LIMIT }).then(
      ({ sessions }) => setFound({ sessions }),
      (error) => setFound({ error }),
    );
  useEffect(() => {
    load();
  }, [workspace, replica]);
  const { sessions, error } = found;
  const names = (state.value?.workspaces ?? []).map(({ name }) => ({ value: name, label: displayName(name) }));
  return html`<${HistoryPage} current="past-sessions" lead="Recorded sessions of clients, with their principals and times.">
    <div class="filters history-filters" role="search" aria-label="Filters">
      <${ChoiceFilter} label="Workspace" all="All" value=${workspace} options=${names} onChange=${(/** @type {string} */ name) => setFilters('past-sessions', query, { workspace: name })} />
      <${ReplicaFilter} page="past-sessions" query=${query} />
    </div>
    ${error && error.code !== 'HISTORY_UNAVAILABLE' && html`<${Notice} error=${error} />`}
    ${error && html`<${Button} icon="restart" onClick=${load}>Try again</${Button}>`}
    ${!sessions && !error && html`<p class="muted" aria-busy="true">Loading…</p>`}
    ${sessions?.length === 0 && html`<${Empty} icon="activity" title="No recorded sessions"><p>Modern clients over Streamable HTTP have no session; their calls are under Calls.</p></${Empty}>`}
    ${sessions && sessions.length > 0 && html`<${Table} label="Past sessions" columns=${withReplica(COLUMNS)} rows=${sessions} rowKey=${(/** @type {Session} */ { id, began }) => `${id} ${began}`} />`}
    ${sessions?.length === LIMIT && html`<p class="muted after">This page shows only the newest ${LIMIT} sessions.</p>`}
  </${HistoryPage}>`;
}

const COLUMNS = [
  {
    id: 'client',
    title: 'Client',
    bare: true,
    cell: (/** @type {Session} */ { client, id }) =>
      html`<strong class="break">${client || 'Unnamed client'}</strong><div class="muted small"><code>${id}</code></div>`,
  },
  {
    id: 'workspace',
    title: 'Workspace',
    cell: (/** @type {Session} */ { workspace }) => html`<${ItemLink} page="workspaces" name=${workspace} />`,
  },
  { id: 'principal', title: 'Principal', cell: (/** @type {Session} */ { principal }) => principal || '–' },
  { id: 'transport', title: 'Connection', cell: (/** @type {Session} */ { transport }) => transport },
  { id: 'began', title: 'Began', cell: (/** @type {Session} */ { began }) => html`<${Moment} at=${began} />` },
  {
    id: 'ended',
    title: 'Ended',
    cell: (/** @type {Session} */ { ended }) => (ended ? html`<${Moment} at=${ended} />` : 'still open'),
  },
  {
    id: 'calls',
    title: 'Calls',
    align: /** @type {const} */ ('end'),
    cell: (/** @type {Session} */ { calls, id }) =>
      html`<a href=${href('calls', [], { session: id })}>${calls.toLocaleString('en')}<span class="unseen"> calls of session ${id}</span></a>`,
  },
];
