/** The scans of images and packages for known vulnerabilities. */

import { foundText, scanState } from './trust_words.mjs';
import { api } from '../../hub/store.mjs';
import { Button, html, ItemLink, Section, StateBadge, Table, Time } from '../../ui.mjs';

/** @typedef {import('../../../../bridge/node/types.mjs').Scan} Scan */

const NOTE = 'Results are hints: none of them prevents a start. A result is as old as the database of its scanner.';

/** @param {{ scans: Scan[], onAsked: () => Promise<void> }} props */
export function ScanTable({ scans, onAsked }) {
  const again = async (/** @type {string|undefined} */ subject) => {
    await api.post('/api/trust/scans/again', {}, { subject });
    await onAsked();
  };
  const columns = [
    { id: 'name', title: 'Image or package', bare: true, cell: nameCell },
    { id: 'state', title: 'State', cell: stateCell },
    { id: 'found', title: 'Found', cell: (/** @type {Scan} */ scan) => foundText(scan) || '–' },
    { id: 'scanner', title: 'Scanner', cell: (/** @type {Scan} */ { scanner }) => scanner || '–' },
    {
      id: 'database',
      title: 'Its database',
      cell: (/** @type {Scan} */ { database, scanner }) =>
        database ? html`<${Time} at=${database} />` : scanner ? 'of unknown age' : '–',
    },
    { id: 'at', title: 'Scanned', cell: (/** @type {Scan} */ { at }) => html`<${Time} at=${at} />` },
    { id: 'servers', title: 'Servers', cell: serversCell },
    {
      id: 'again',
      title: 'Scan again',
      hide: true,
      align: /** @type {const} */ ('end'),
      cell: (/** @type {Scan} */ { subject, name }) =>
        html`<${Button} icon="restart" label=${`Scan ${name} again`} onClick=${() => again(subject)}>Scan again</${Button}>`,
    },
  ];
  return html`<${Section} title="Scans" note=${NOTE}>
    <${Table} label="Scans" columns=${columns} rows=${scans} rowKey=${(/** @type {Scan} */ { subject }) => subject} />
  </${Section}>`;
}

/** @param {Scan} scan */
function nameCell({ subject, name, digest }) {
  return html`<code class="break">${name}</code>
    <div class="muted small">${subject.startsWith('image:') ? 'Image' : 'Package'}</div>
    ${digest && html`<div class="muted small mono cut" title=${digest}>${digest}</div>`}`;
}

/** @param {Scan} scan */
function stateCell({ state, reason, retry_at: retry }) {
  return html`<${StateBadge} ...${scanState(state)} />
    ${reason && html`<div class="small">${reason}</div>`}
    ${retry && html`<div class="muted small">Next try <${Time} at=${retry} due /></div>`}`;
}

/** @param {Scan} scan */
function serversCell({ servers }) {
  return servers.map((key, at) => html`${at > 0 && ', '}<${ItemLink} page="servers" name=${key} key=${key} />`);
}
