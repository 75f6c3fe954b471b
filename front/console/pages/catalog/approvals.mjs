/** What agents have proposed: exactly what would run, to be approved or refused. */

import { useEffect, useState } from 'preact/hooks';
import { api, state } from '../../hub/store.mjs';
import { style } from '../../style.mjs';
import { Button, Empty, Facts, Field, html, Notice, Page, Section, StateBadge, Time, toast } from '../../ui.mjs';
import { displayName } from '../../words.mjs';
import { CatalogNav } from './catalog_nav.mjs';

await style('styles/catalog.css');

/** @typedef {import('../../../../bridge/node/types.mjs').Proposal} Proposal */

const LEAD = 'Changes that agents ask for. Nothing happens before you approve one, and then exactly what is shown.';
const VERBS = { add: 'Add', remove: 'Remove', configure: 'Configure' };

/** @type {Record<Proposal['state'], { word: string, tone: string }>} */
const STATES = {
  pending: { word: 'Waiting', tone: 'warn' },
  approved: { word: 'Approved', tone: 'ok' },
  refused: { word: 'Refused', tone: 'off' },
  expired: { word: 'Expired', tone: 'off' },
  failed: { word: 'Failed', tone: 'bad' },
};

/** The page. */
export default function Approvals() {
  const [found, setFound] = useState(/** @type {{ proposals?: Proposal[], error?: any }} */ ({}));
  const look = () => api.get('/api/approvals').then(setFound, (error) => setFound({ error }));
  const { proposals: waiting, activations } = state.value?.hub ?? {};
  useEffect(() => {
    look();
  }, [waiting, activations]);
  const { proposals = [], error } = found;
  const open = proposals.filter((each) => each.state === 'pending');
  const decided = proposals.filter((each) => each.state !== 'pending');
  return html`<${Page} title="Approvals" lead=${LEAD}>
    <${CatalogNav} current="approvals" />
    ${error && html`<${Notice} error=${error} />`}
    ${!found.proposals && !error && html`<p class="muted" aria-busy="true">Loading…</p>`}
    ${found.proposals && open.length === 0 && html`<${Empty} icon="check" title="Nothing waits">Agents propose changes in workspaces that have the registry set to “ask” or “add”.</${Empty}>`}
    <div class="stack">${open.map((each) => html`<${Waiting} key=${each.id} proposal=${each} onDecided=${look} />`)}</div>
    ${decided.length > 0 && html`<${Decided} proposals=${decided} />`}
  </${Page}>`;
}

/** @param {Proposal} proposal */
const titleOf = ({ action, key, workspace }) => `${VERBS[action]} ${displayName(key)} in ${displayName(workspace)}`;

/** @param {{ proposal: Proposal, onDecided: () => Promise<void> }} props */
function Waiting({ proposal, onDecided }) {
  const { id, digest, shown, reason, created, expires } = proposal;
  const [secrets, setSecrets] = useState(/** @type {Record<string, string>} */ ({}));
  const [error, setError] = useState(/** @type {any} */ (null));
  const decide = async (/** @type {'approve' | 'refuse'} */ verb) => {
    setError(null);
    try {
      await api.post(`/api/approvals/${verb}`, { id }, verb === 'approve' ? { digest, secrets } : undefined);
      toast(`${titleOf(proposal)}: ${verb === 'approve' ? 'approved' : 'refused'}`);
    } catch (refused) {
      setError(refused);
    }
    await onDecided();
  };
  return html`<article class="card stack" aria-label=${titleOf(proposal)}>
    <h2>${titleOf(proposal)}</h2>
    <p class="muted">Asked for by ${proposal.principal_name || proposal.principal || 'an agent without credentials'} <${Time} at=${created} />; expires <${Time} at=${expires} />.</p>
    ${reason && html`<p>Its reason, in its own words: <q class="prose">${reason}</q></p>`}
    <${Shown} shown=${shown} />
    ${shown.secrets.map((name) => html`<${Field} key=${name} label=${name} kind="password" required value=${secrets[name] ?? ''} onInput=${(/** @type {string} */ value) => setSecrets({ ...secrets, [name]: value })} attrs=${{ autocomplete: 'new-password' }} help="A secret that the server needs. The agent does not see it." />`)}
    ${error && html`<${Notice} error=${error} />`}
    <div class="actions">
      <${Button} primary icon="check" label=${`Approve: ${titleOf(proposal)}`} onClick=${() => decide('approve')}>Approve</${Button}>
      <${Button} icon="close" label=${`Refuse: ${titleOf(proposal)}`} onClick=${() => decide('refuse')}>Refuse</${Button}>
    </div>
  </article>`;
}

/** Shows exactly what would run. @param {{ shown: Proposal['shown'] }} props */
function Shown({ shown: { name, version, source, package: what, command, variables, reach } }) {
  const given = Object.entries(variables);
  /** @type {[any, any][]} */
  const facts = [
    ['Entry', name && html`<code class="break">${name}</code> ${version} ${source && `(${source})`}`],
    ['Package', what && html`<code class="break">${what}</code>`],
    ['Command', command.length > 0 && html`<code class="catalog-command">${command.join(' ')}</code>`],
    [
      'Settings',
      given.length > 0 &&
        html`<ul class="plain">${given.map(([each, values]) => html`<li key=${each}><code class="break">${each} = ${values.join(', ')}</code></li>`)}</ul>`,
    ],
    [
      'May reach',
      reach.length > 0 && html`<ul class="plain">${reach.map((text) => html`<li key=${text}>${text}</li>`)}</ul>`,
    ],
  ];
  return html`<${Facts} facts=${facts} />`;
}

/** @param {{ proposals: Proposal[] }} props */
function Decided({ proposals }) {
  return html`<${Section} title="Decided">
    <ul class="plain stack">
      ${proposals.map(
        (each) => html`<li key=${each.id} class="card">
          <p><${StateBadge} ...${STATES[each.state]} /> <strong class="break">${titleOf(each)}</strong></p>
          <p class="muted small">${each.decided_by && `By ${each.decided_by} `}<${Time} at=${each.decided ?? each.expires} /></p>
          ${each.error && html`<${Notice} error=${each.error} quiet />`}
        </li>`,
      )}
    </ul>
  </${Section}>`;
}
