/** Keeps the Status column of the Servers table up to date, with the reason for each state. */

import { failureReason } from '/hub/assets/data/failing.mjs';
import { serverState } from '/hub/assets/words.mjs';
import { el, setAttribute, setText } from './dom.mjs';
import { cellText, serverList } from './page.mjs';

const STATES_WITH_REASON = ['degraded', 'backoff', 'failed', 'invalid'];

/** @param {import('./live.mjs').Live} live */
export function refreshServers(live) {
  const found = serverList();
  if (!found || !live.state) return;
  for (const row of found.rows) {
    const cell = row.cells[found.columns.get('Status') ?? -1];
    const server = live.lost ? undefined : live.server(cellText(row, found, 'Name'));
    if (cell) show(cell, server);
  }
}

/** @param {HTMLElement} cell @param {import('../server/state/state.mjs').ServerState | undefined} server undefined: what the page itself says is all there is */
function show(cell, server) {
  cell.classList.toggle('hub-has-status', Boolean(server));
  if (!server) return;
  const parts = cell.querySelector('.hub-status') ?? cell.appendChild(make());
  const [word, reason] = parts.children;
  const { word: text, tone } = serverState(server);
  setText(word, text);
  setAttribute(word, 'data-tone', tone);
  const why = server.reason ?? server.troubles[0] ?? server.issues[0];
  setText(
    reason,
    why && STATES_WITH_REASON.includes(server.state) ? `${why.code}: ${failureReason(server) || why.message}` : '',
  );
}

function make() {
  return el('div', { class: 'hub-status' }, el('span', { class: 'hub-word' }), el('span', { class: 'hub-detail' }));
}
