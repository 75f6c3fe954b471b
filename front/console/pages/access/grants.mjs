/** What users have allowed MCP clients (OAuth): who, where, when it was last used; end it. */

import { useEffect, useState } from 'preact/hooks';
import { api, state } from '../../hub/store.mjs';
import { Button, Confirm, Empty, html, Notice, now, Page, Table, Time, toast } from '../../ui.mjs';
import { displayName } from '../../words.mjs';
import { AccessNav } from './access_nav.mjs';

/** @typedef {import('../../../../bridge/node/types.mjs').Grant} Grant */

const REFRESH_MS = 10_000; // ms between looks at when grants were used
const LEAD = 'Applications to which users have given access to a workspace, by signing in.';

/** The page. */
export default function Grants() {
  const { grants, error, look } = useGrants();
  const guarded = state.value?.hub.protected ?? true;
  return html`<${Page} title="Grants" lead=${LEAD}>
    <${AccessNav} current="grants" />
    ${error && html`<${Notice} error=${error} />`}
    ${!grants && !error && html`<p class="muted" aria-busy="true">Loading…</p>`}
    ${grants?.length === 0 && html`<${Empty} icon="key" title="No grants">${guarded ? 'Enter the URL of a workspace in an MCP client: it opens a page of this hub, on which you sign in and allow access.' : 'This hub requires no token, so that clients do not sign in.'}</${Empty}>`}
    ${grants && grants.length > 0 && html`<${GrantTable} grants=${grants} onEnded=${look} />`}
  </${Page}>`;
}

/** Return the grants, requested again while the page is shown. */
function useGrants() {
  const [found, setFound] = useState(/** @type {{ grants?: Grant[], error?: any }} */ ({}));
  const look = () =>
    api.get('/api/hub/grants').then(
      ({ grants }) => {
        now.value = Date.now() / 1000; // so that nothing on it is in the future
        setFound({ grants });
      },
      (error) => setFound(({ grants }) => ({ grants, error })),
    );
  useEffect(() => {
    look();
    const timer = setInterval(() => document.hidden || look(), REFRESH_MS);
    return () => clearInterval(timer);
  }, []);
  return { ...found, look };
}

/** @param {Grant} grant */
const clientName = ({ client_name: name, client }) => name || client;

/** @param {{ grants: Grant[], onEnded: () => Promise<void> }} props */
function GrantTable({ grants, onEnded }) {
  const [ending, setEnding] = useState(/** @type {Grant|null} */ (null));
  const end = (/** @type {Grant} */ grant) =>
    html`<${Button} icon="trash" label=${`End access of ${clientName(grant)}`} onClick=${() => setEnding(grant)}>End</${Button}>`;
  return html`<${Table}
    label="Grants"
    rows=${grants}
    rowKey=${(/** @type {Grant} */ grant) => grant.id}
    columns=${[
      {
        id: 'client',
        title: 'Client',
        bare: true,
        cell: (/** @type {Grant} */ grant) => html`<strong class="break">${clientName(grant)}</strong>`,
      },
      {
        id: 'user',
        title: 'User',
        cell: (/** @type {Grant} */ { principal, principal_name: name }) =>
          html`<span class="break">${name || principal}</span>`,
      },
      { id: 'workspace', title: 'Workspace', cell: (/** @type {Grant} */ grant) => displayName(grant.workspace) },
      {
        id: 'host',
        title: 'Sent to',
        cell: (/** @type {Grant} */ grant) => html`<span class="break">${grant.redirect_host}</span>`,
      },
      { id: 'at', title: 'Allowed', cell: (/** @type {Grant} */ grant) => html`<${Time} at=${grant.at} />` },
      {
        id: 'used',
        title: 'Last used',
        cell: (/** @type {Grant} */ { last_used: at }) =>
          at ? html`<${Time} at=${at} />` : html`<span class="muted">Never</span>`,
      },
      { id: 'end', title: 'End', hide: true, align: 'end', cell: end },
    ]}
  />
  ${ending && html`<${EndDialog} grant=${ending} onDone=${onEnded} onClose=${() => setEnding(null)} />`}`;
}

/** @param {{ grant: Grant, onDone: () => Promise<void>, onClose: () => void }} props */
function EndDialog({ grant, onDone, onClose }) {
  const name = clientName(grant);
  const confirm = async () => {
    await api.del('/api/hub/grants', { id: grant.id });
    await onDone();
    onClose();
    toast(`${name}: access ended`);
  };
  return html`<${Confirm} title=${`End access of ${name}?`} action="End access" onConfirm=${confirm} onClose=${onClose}>
    <p>Its tokens become invalid, and its sessions end. The user can allow it access again.</p>
  </${Confirm}>`;
}
