/** The scans of images and packages for known vulnerabilities. */

import { foundText, scanState } from './trust_words.mjs';
import { address } from '../../hub/api.mjs';
import { api } from '../../hub/store.mjs';
import { Button, html, ItemLink, Section, StateBadge, Table, Time } from '../../ui.mjs';
import { count } from '../../words.mjs';

/** @typedef {import('../../../../bridge/node/types.mjs').Scan} Scan */

const NOTE = 'Results are hints: none of them prevents a start. A result is as old as the database of its scanner.';

/** @type {Record<Scan['sbom']['state'], string>} */
const SBOM_STATES = { none: '–', waiting: 'Waiting', failed: 'Failed', kept: '' };

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
    { id: 'sbom', title: 'SBOM', cell: sbomCell },
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

/** The name of the file for an SBOM. @param {string} subject */
const fileOf = (subject) => `${subject.replace(/^\w+:/, '').replace(/[^\w.-]+/g, '-')}.cdx.json`;

/** @param {Scan} scan */
function sbomCell({ subject, name, sbom }) {
  if (sbom.state !== 'kept')
    return html`${SBOM_STATES[sbom.state]}
    ${sbom.reason && html`<div class="small">${sbom.reason}</div>`}`;
  return html`<a href=${address('/api/trust/sbom', { subject })} download=${fileOf(subject)} aria-label=${`Download the SBOM of ${name}`}>${count(sbom.components, 'component')}</a>
    <div class="muted small"><${Time} at=${sbom.at} /></div>`;
}

/** @param {Scan} scan */
function serversCell({ servers }) {
  return servers.map((key, at) => html`${at > 0 && ', '}<${ItemLink} page="servers" name=${key} key=${key} />`);
}
