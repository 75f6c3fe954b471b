/** Recorded changes of the configuration, each with its diff, and undo where that is possible. */

import { useState } from 'preact/hooks';
import { diffLines, filtersOf, whyNotUndoable } from '../../data/recorded.mjs';
import { undo } from '../../hub/bulk.mjs';
import { state } from '../../hub/store.mjs';
import { Button, Confirm, Empty, html, Notice } from '../../ui.mjs';
import { displayName } from '../../words.mjs';
import {
  ChoiceFilter,
  Exports,
  HistoryPage,
  Moment,
  hasReplicas,
  Pager,
  ReplicaFilter,
  setFilters,
  TextFilter,
  TimeFilter,
  useRecords,
} from './frame.mjs';

/** @typedef {import('../../data/recorded.mjs').Change} Change */

const PATH = '/api/hub/changes';
const FILTERS = ['principal', 'source', 'subject', 'replica'];
const LEAD = 'Who changed the configuration, when, and how.';
/** @type {Record<Change['source'], string>} */
const SOURCES = {
  console: 'the console',
  hubctl: 'hubctl',
  api: 'the API',
  'yamcp-ui': 'YAMCP-UI',
  file: 'an edit of a file',
  tool: 'a tool',
};

/** @param {{ query: Record<string, string> }} props the filters, and `before`: the page */
export default function Changes({ query }) {
  const [undoing, setUndoing] = useState(/** @type {Change|null} */ (null));
  const filters = () => filtersOf(query, FILTERS, Date.now() / 1000);
  const key = JSON.stringify([query.last, query.since, query.until, ...FILTERS.map((name) => query[name])]);
  const live = query.until === undefined;
  const found = useRecords(PATH, 'changes', filters, { key, before: query.before, live });
  const actions = html`<${Exports} path=${PATH} filters=${filters} />`;
  return html`<${HistoryPage} current="changes" lead=${LEAD} actions=${actions}>
    <${Filters} query=${query} />
    ${found.error && found.error.code !== 'HISTORY_UNAVAILABLE' && html`<${Notice} error=${found.error} />`}
    ${found.error && html`<${Button} icon="restart" onClick=${found.load}>Try again</${Button}>`}
    ${found.rows?.length === 0 && !found.reading && html`<${Empty} icon="history" title="No changes"><p>Edits in the console, YAMCP-UI, hubctl, the API and the files are listed here.</p></${Empty}>`}
    ${found.rows && html`<ul class="plain stack changes">${found.rows.map((record) => html`<${ChangeEntry} key=${record.id} record=${record} onUndo=${setUndoing} />`)}</ul>`}
    ${!found.error && html`<${Pager} page="changes" query=${query} found=${found} noun="change" />`}
    ${undoing && html`<${UndoDialog} record=${undoing} onClose=${() => setUndoing(null)} onDone=${found.load} />`}
  </${HistoryPage}>`;
}

/** @param {{ query: Record<string, string> }} props */
function Filters({ query }) {
  const set = (/** @type {Record<string, string | undefined>} */ changes) => setFilters('changes', query, changes);
  const sources = Object.entries(SOURCES).map(([value, label]) => ({ value, label }));
  return html`<div class="filters history-filters" role="search" aria-label="Filters">
    <${TimeFilter} query=${query} onChange=${set} />
    <${ChoiceFilter} label="Source" all="All" value=${query.source} options=${sources} onChange=${(/** @type {string} */ source) => set({ source })} />
    <${TextFilter} label="Principal" value=${query.principal} onChange=${(/** @type {string} */ principal) => set({ principal })} />
    <${TextFilter} label="Server or workspace" value=${query.subject} onChange=${(/** @type {string} */ subject) => set({ subject })} />
    <${ReplicaFilter} page="changes" query=${query} />
  </div>`;
}

/** @param {{ record: Change, onUndo: (record: Change) => void }} props */
function ChangeEntry({ record, onUndo }) {
  const { at, principal, source, kind, subject, diff, replica } = record;
  const why = whyNotUndoable(record, state.value?.hub.undoable ?? []);
  return html`<li class="change-record">
    <div class="change-head">
      <div>
        <h2 class="change-title">${kindTitle(kind)} <span class="break">${subject && displayName(subject)}</span></h2>
        <p class="muted small"><${Moment} at=${at} />, ${principal ? `${principal}, by ` : 'by '}${SOURCES[source] ?? source}${replica && hasReplicas() && ` at ${replica}`}</p>
      </div>
      ${why === null && html`<${Button} icon="back" onClick=${() => onUndo(record)}>Undo<span class="unseen"> ${kindTitle(kind)} ${subject}</span></${Button}>`}
    </div>
    ${why && html`<p class="muted small">Cannot be undone here. ${why}</p>`}
    ${diff ? html`<${Diff} diff=${diff} />` : html`<p class="muted small">No diff was recorded.</p>`}
  </li>`;
}

/** Return a request's kind in words. @param {string} kind */
const kindTitle = (kind) =>
  kind === 'file' ? 'File edited' : `${kind[0].toUpperCase()}${kind.slice(1).replaceAll('_', ' ')}`;

/** @param {{ diff: string }} props */
function Diff({ diff }) {
  const lines = diffLines(diff);
  const many = (/** @type {string} */ wanted) => lines.filter(({ kind }) => kind === wanted).length;
  return html`<details>
    <summary>What changed <span class="muted">(${many('added')} lines added, ${many('removed')} removed)</span></summary>
    <pre class="diff" tabindex="0" role="region" aria-label="Difference">${lines.map(({ kind, text }, index) => html`<span class="diff-${kind}" key=${index}>${text || ' '}${'\n'}</span>`)}</pre>
  </details>`;
}

/** @param {{ record: Change, onClose: () => void, onDone: () => any }} props */
function UndoDialog({ record, onClose, onDone }) {
  const confirm = async () => {
    await undo(record.change);
    onClose();
    onDone();
  };
  return html`<${Confirm} title="Undo this change?" action="Undo" onConfirm=${confirm} onClose=${onClose}>
    <p>${kindTitle(record.kind)} ${record.subject && displayName(record.subject)}, <${Moment} at=${record.at} />. Undo restores the entries to what they were before the change. The hub refuses it if one of them has changed since.</p>
  </${Confirm}>`;
}
