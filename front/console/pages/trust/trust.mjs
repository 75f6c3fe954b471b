/** What servers changed of their tools, to be accepted or rejected, and what scans of images and packages found. */

import { useEffect, useState } from 'preact/hooks';
import { api, state } from '../../hub/store.mjs';
import { href } from '../../router.mjs';
import { style } from '../../style.mjs';
import { Empty, html, ItemLink, Notice, Page, Section, Time } from '../../ui.mjs';
import { displayName } from '../../words.mjs';
import { ChangeCard } from './change_card.mjs';
import { ScanTable } from './scan_table.mjs';

await style('styles/trust.css');

/**
 * @typedef {import('../../../../bridge/node/types.mjs').ToolChanges} ToolChanges
 * @typedef {import('../../../../bridge/node/types.mjs').Scan} Scan
 */

const LEAD = 'What servers offer differently from what was accepted, and known vulnerabilities of what they run.';

/** @param {{ query: Record<string, string> }} props  `server`: the one to show; all without it */
export default function Trust({ query: { server } }) {
  const { changes, scans, error, look } = useTrust(server);
  const back = server ? { href: href('servers', [server]), label: displayName(server) } : undefined;
  const title = server ? `Trust in ${displayName(server)}` : 'Trust';
  if (error) return html`<${Page} title=${title} back=${back}><${Notice} error=${error} /></${Page}>`;
  if (!changes || !scans)
    return html`<${Page} title=${title} back=${back}><p class="muted" aria-busy="true">Loading…</p></${Page}>`;
  const open = changes.changes.filter(({ rejected }) => !rejected);
  const rejected = changes.changes.filter((each) => each.rejected);
  const card = (/** @type {ToolChanges['changes'][number]} */ change) =>
    html`<${ChangeCard} key=${`${change.server} ${change.kind} ${change.name}`} change=${change} onDecided=${look} />`;
  return html`<${Page} title=${title} lead=${LEAD} back=${back}>
    ${open.length === 0 && html`<${Empty} icon="check" title="No change waits">Servers with the setting “Changes of tools” are compared with what was accepted.</${Empty}>`}
    <div class="stack">${open.map(card)}</div>
    <${Renewed} renewed=${changes.renewed} />
    <${PinnedHints} hints=${changes.hints} />
    ${rejected.length > 0 && html`<${Section} title="Rejected" note="Kept from clients until the server offers something else."><div class="stack">${rejected.map(card)}</div></${Section}>`}
    ${scans.length > 0 && html`<${ScanTable} scans=${scans} onAsked=${look} />`}
  </${Page}>`;
}

/** Return changes and scans, asked for again whenever the hub tells of others. @param {string|undefined} server */
function useTrust(server) {
  const [found, setFound] = useState(/** @type {{ changes?: ToolChanges, scans?: Scan[], error?: any }} */ ({}));
  const look = async () => {
    try {
      const [changes, { scans }] = await Promise.all([
        api.get('/api/trust/changes', { server }),
        api.get('/api/trust/scans'),
      ]);
      const shown = scans.filter((/** @type {Scan} */ { servers }) => !server || servers.includes(server));
      setFound({ changes, scans: shown });
    } catch (error) {
      setFound({ error });
    }
  };
  const told = (state.value?.servers ?? []).map(({ key, changes, scan }) => `${key} ${changes} ${scan}`).join('\n');
  useEffect(() => {
    look();
  }, [server, told]);
  return { ...found, look };
}

/** Tells of servers that were pinned anew. @param {{ renewed: ToolChanges['renewed'] }} props */
function Renewed({ renewed }) {
  const listed = Object.entries(renewed);
  if (listed.length === 0) return null;
  return html`<div class="banner stack">${listed.map(
    ([key, since]) => html`<${Notice} key=${key} tone="info" quiet>
      <p>The definition of <${ItemLink} page="servers" name=${key} /> has changed. What it offers was accepted anew <${Time} at=${since} />.</p>
    </${Notice}>`,
  )}</div>`;
}

/** Shows hints on texts that are accepted already. @param {{ hints: ToolChanges['hints'] }} props */
function PinnedHints({ hints }) {
  const listed = Object.entries(hints);
  if (listed.length === 0) return null;
  return html`<${Section} title="Hints on accepted texts" note="Patterns of poisoned texts. A hint is no proof, and neither is none.">
    <ul class="card">${listed.map(([place, found]) => html`<li key=${place}><code class="break">${place}</code>: ${found.join(' ')}</li>`)}</ul>
  </${Section}>`;
}
