/** One change of what a server offers: what differs, hints on its texts, and the decision. */

import { useState } from 'preact/hooks';
import { changeState, lineTone, nameOf, subjectOf } from './trust_words.mjs';
import { api } from '../../hub/store.mjs';
import { Button, html, ItemLink, Notice, StateBadge, Time, toast } from '../../ui.mjs';
import { displayName } from '../../words.mjs';

/** @typedef {import('../../../../bridge/node/types.mjs').ToolChange} ToolChange */

/** @param {{ change: ToolChange, onDecided: () => Promise<void> }} props */
export function ChangeCard({ change, onDecided }) {
  const { server, since, hints, diff, digest, rejected } = change;
  const [error, setError] = useState(/** @type {any} */ (null));
  const title = `${subjectOf(change)} of ${displayName(server)}`;
  const decide = async (/** @type {'accept' | 'reject'} */ verb) => {
    setError(null);
    try {
      const body = { server, tools: [nameOf(change)], digests: [digest] };
      await api.post(`/api/trust/changes/${verb}`, {}, body);
      toast(`${title}: ${verb}ed`);
    } catch (reason) {
      setError(reason);
    }
    await onDecided();
  };
  return html`<article class="card stack" aria-label=${title}>
    <h2>${subjectOf(change)} of <${ItemLink} page="servers" name=${server} /></h2>
    <p class="row"><${StateBadge} ...${changeState(change)} /><span class="muted">seen <${Time} at=${since} /></span></p>
    ${hints.length > 0 && html`<${Notice} tone="warn" quiet><p>Its texts look like instructions to a model. These are hints, no verdict:</p><ul>${hints.map((hint) => html`<li key=${hint}>${hint}</li>`)}</ul></${Notice}>`}
    <${Difference} lines=${diff} label=${`What changed: ${title}`} />
    ${error && html`<${Notice} error=${error} />`}
    <div class="actions">
      <${Button} primary icon="check" label=${`Accept: ${title}`} onClick=${() => decide('accept')}>Accept</${Button}>
      ${!rejected && html`<${Button} icon="close" label=${`Reject: ${title}`} onClick=${() => decide('reject')}>Reject</${Button}>`}
    </div>
  </article>`;
}

/** @param {{ lines: readonly string[], label: string }} props */
function Difference({ lines, label }) {
  if (lines.length === 0) return null;
  return html`<pre class="wrap difference" tabindex="0" role="region" aria-label=${label}>${lines.map((line, at) => html`<span class=${`line-${lineTone(line)}`} key=${at}>${line}${'\n'}</span>`)}</pre>`;
}
