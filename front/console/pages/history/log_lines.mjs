/** The lines of the hub's log that belong to a recorded call. */

import { useEffect, useState } from 'preact/hooks';
import { lineOfRecord, mergeLines } from '../../data/activity_lines.mjs';
import { api } from '../../hub/store.mjs';
import { style } from '../../style.mjs';
import { html, Notice } from '../../ui.mjs';
import { clock } from '../../words.mjs';

await style('styles/activity.css');

const LIMIT = 200;
const MARGIN_SECONDS = 0.5; // a server's stderr is read a little later than it was written

/** @typedef {import('../../data/recorded.mjs').Call} Call */

/** Get the records about a call, and those of its server while it ran. @param {Call} call */
async function linesOf({ server, at, seconds, correlation }) {
  const span = { since: Math.max(0, at - MARGIN_SECONDS), until: at + seconds + MARGIN_SECONDS };
  const wanted = [...(correlation ? [{ call: correlation }] : []), ...(server ? [{ server, ...span }] : [])];
  const answers = await Promise.all(wanted.map((query) => api.get('/api/hub/logs', { ...query, limit: LIMIT })));
  return mergeLines(
    [],
    answers.flatMap(({ records }) => records.map(lineOfRecord)),
  );
}

/** @param {{ call: Call }} props */
export function RecordLines({ call }) {
  const [found, setFound] = useState(/** @type {{ lines?: any[], error?: any }} */ ({}));
  const known = Boolean(call.server || call.correlation);
  useEffect(() => {
    if (!known) return;
    linesOf(call).then(
      (lines) => setFound({ lines }),
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
