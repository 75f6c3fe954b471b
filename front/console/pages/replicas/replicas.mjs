/** Shows the replicas of a hub: how each is, what it does, and whether it serves the current configuration. */

import { useEffect, useState } from 'preact/hooks';
import { configurationText, replicaState, serversText, since, sums } from '../../hub/replicas.mjs';
import { api } from '../../hub/store.mjs';
import { html, Notice, Page, StateBadge, Table } from '../../ui.mjs';

/**
 * @typedef {import('../../../../bridge/node/types.mjs').ReplicasState} ReplicasState
 * @typedef {import('../../../../bridge/node/types.mjs').ReplicaStatus} Replica
 */

const REFRESH_MS = 2000;
const LEAD = 'The hubs that share the work behind one load balancer.';

const COLUMNS = [
  {
    id: 'name',
    title: 'Replica',
    bare: true,
    cell: (/** @type {Replica & { own: boolean }} */ { name, own }) =>
      html`<strong class="break">${name}</strong>${own && html`<div class="muted small">this one</div>`}`,
  },
  {
    id: 'state',
    title: 'State',
    cell: (/** @type {Replica} */ replica) =>
      html`<${StateBadge} ...${replicaState(replica)} /><div class="muted small">${since(replica)}</div>`,
  },
  {
    id: 'configuration',
    title: 'Configuration',
    cell: (/** @type {Replica} */ replica) => html`<span class="break">${configurationText(replica)}</span>`,
  },
  { id: 'version', title: 'Version', cell: (/** @type {Replica} */ { version }) => version },
  number('sessions', 'Sessions', ({ sessions }) => sessions.toLocaleString('en')),
  number('calls', 'Calls in progress', ({ calls_in_flight }) => calls_in_flight.toLocaleString('en')),
  number('servers', 'Servers', serversText),
  {
    id: 'troubles',
    title: 'Troubles',
    cell: (/** @type {Replica} */ { troubles }) =>
      troubles.length > 0 ? troubles.map((code) => html`<div><code>${code}</code></div>`) : '–',
  },
];

/** @param {string} id @param {string} title @param {(replica: Replica) => string} cell */
function number(id, title, cell) {
  return { id, title, align: /** @type {const} */ ('end'), cell };
}

/** The page. */
export default function Replicas() {
  const { found, error } = useReplicas();
  return html`<${Page} title="Replicas" lead=${LEAD}>
    ${error && html`<${Notice} error=${error} />`}
    ${!found && !error && html`<p class="muted" aria-busy="true">Loading…</p>`}
    ${found && html`<${Found} state=${found} />`}
  </${Page}>`;
}

/** @param {{ state: ReplicasState }} props */
function Found({ state }) {
  if (state.transport === 'off')
    return html`<${Notice} tone="warn"><p>This hub is a replica (<code>HUB_REPLICA</code>), but has no way to learn of the others: set <code>HUB_REDIS_URL</code> to the same Redis at all of them.</p></${Notice}>`;
  const rows = state.replicas.map((replica) => ({ ...replica, own: replica.name === state.own }));
  return html`<div class="stack">
    ${state.error ? html`<${Notice} error=${state.error} tone="warn" />` : html`<p>${sums(state)}.</p>`}
    <${Table} label="Replicas" columns=${COLUMNS} rows=${rows} rowKey=${(/** @type {Replica} */ { name }) => name} />
  </div>`;
}

/** Return the replicas, requested again every two seconds while the page is visible. */
function useReplicas() {
  const [answer, setAnswer] = useState(/** @type {{ found?: ReplicasState, error?: any }} */ ({}));
  useEffect(() => {
    const look = () => {
      if (document.hidden) return;
      api.get('/api/hub/replicas').then(
        (found) => setAnswer({ found }),
        (error) => setAnswer(({ found }) => ({ found, error })),
      );
    };
    look();
    const timer = setInterval(look, REFRESH_MS);
    return () => clearInterval(timer);
  }, []);
  return answer;
}
