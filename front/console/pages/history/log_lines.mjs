/** The lines of the hub's log that belong to a recorded call. */

import { useEffect, useState } from 'preact/hooks';
import { lineOfRecord } from '../../data/activity_lines.mjs';
import { api } from '../../hub/store.mjs';
import { style } from '../../style.mjs';
import { html, Notice } from '../../ui.mjs';
import { clock } from '../../words.mjs';

await style('styles/activity.css');

const LIMIT = 200;
const MARGIN_SECONDS = 0.5; // a server's stderr is read a little later than it was written

/** @param {{ call: import('../../data/recorded.mjs').Call }} props */
export function RecordLines({ call }) {
  const [found, setFound] = useState(/** @type {{ lines?: any[], error?: any }} */ ({}));
  const { server, at, seconds, correlation } = call;
  const known = Boolean(server || correlation);
  useEffect(() => {
    if (!known) return;
    const server_ = server || undefined;
    const span = { since: Math.max(0, at - MARGIN_SECONDS), until: at + seconds + MARGIN_SECONDS };
    api.get('/api/hub/logs', { server: server_, correlation: correlation || undefined, ...span, limit: LIMIT }).then(
      ({ records }) => setFound({ lines: records.map(lineOfRecord) }),
      (error) => setFound({ error }),
    );
  }, [call.id]);
  const { lines, error } = found;
  if (error) return html`<${Notice} error=${error} tone="warn" />`;
  if (known && !lines) return html`<p class="muted" aria-busy="true">Loading…</p>`;
  if (!lines?.length)
    return html`<p class="muted">No log lines. The sidecar keeps the newest 2,000 records since its start; sidecar.log has older ones.</p>`;
  return html`<ol class="plain record-lines">
    ${lines.map(
      (line) => html`<li class="log-line log-${line.level}" key=${line.id}>
        <time datetime=${new Date(line.at * 1000).toISOString()}>${clock(line.at)}</time>
        <span class="log-level">${line.level}</span>
        <span class="log-source">${line.source}</span>
        <span class="log-text">${line.text}</span>
      </li>`,
    )}
  </ol>`;
}
