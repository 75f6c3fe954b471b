/** Where the catalogue's entries come from: how old each source is, registries to add and remove, and own entries. */

import { useEffect, useState } from 'preact/hooks';
import { api } from '../../hub/store.mjs';
import { href } from '../../router.mjs';
import { style } from '../../style.mjs';
import { Button, Confirm, Dialog, Facts, Field, html, Notice, Page, StateBadge, Time, toast } from '../../ui.mjs';
import { count } from '../../words.mjs';
import { CatalogNav } from './catalog_nav.mjs';

await style('styles/catalog.css');

/** @typedef {import('../../../../bridge/node/types.mjs').CatalogSource} Source */

const LEAD = 'Searching uses copies on this machine. What is installed is never changed by a source.';
const LOOK_AGAIN = 1000; // ms, while a copy is brought up to date
const ID = /^[a-z0-9][a-z0-9-]{0,39}$/;
const OWN = 'own';

/** The page. */
export default function Sources() {
  const { sources, error, look } = useSources();
  const [adding, add] = useState(false);
  const actions = html`<${Button} icon="edit" href=${href('own-entry')}>Add an entry of your own</${Button}>
    <${Button} primary icon="plus" onClick=${() => add(true)}>Add a registry</${Button}>`;
  return html`<${Page} title="Sources" lead=${LEAD} actions=${actions}>
    <${CatalogNav} current="sources" />
    ${error && html`<${Notice} error=${error} />`}
    ${!sources && !error && html`<p class="muted" aria-busy="true">Loading…</p>`}
    <div class="stack">${(sources ?? []).map((source) => html`<${SourceCard} key=${source.id} source=${source} onChange=${look} />`)}</div>
    ${adding && html`<${AddDialog} taken=${(sources ?? []).map(({ id }) => id)} onDone=${look} onClose=${() => add(false)} />`}
  </${Page}>`;
}

/** Return the sources, asked for again while the copy of one is brought up to date: the hub tells no page of that. */
function useSources() {
  const [found, setFound] = useState(/** @type {{ sources?: Source[], error?: any }} */ ({}));
  const look = () => api.get('/api/catalog/sources').then(setFound, (error) => setFound({ error }));
  const busy = (found.sources ?? []).some(({ refreshing }) => refreshing);
  useEffect(() => {
    look();
  }, []);
  useEffect(() => {
    if (!busy) return undefined;
    const timer = setInterval(look, LOOK_AGAIN);
    return () => clearInterval(timer);
  }, [busy]);
  return { ...found, look };
}

/** @param {{ source: Source, onChange: () => Promise<void> }} props */
function SourceCard({ source, onChange }) {
  const [removing, remove] = useState(false);
  const { id, title, url, entries, fetched, refreshing, error } = source;
  const shown = title || id;
  const refresh = async () => {
    await api.post('/api/catalog/sources/refresh', { id });
    await onChange();
  };
  /** @type {[any, any][]} */
  const facts = [
    ['Address', url && html`<code class="break">${url}</code>`],
    ['Entries', count(entries, 'entry', 'entries')],
    ['Copied', url && (fetched ? html`<${Time} at=${fetched} />` : 'Not yet')],
  ];
  return html`<article class="card stack" aria-label=${shown}>
    <div class="row"><h2>${shown}</h2>${refreshing && html`<${StateBadge} tone="busy" word="Updating" />`}</div>
    <${Facts} facts=${facts} />
    ${error && html`<${Notice} tone="warn" error=${error} quiet />`}
    <div class="actions">
      <${Button} icon="search" label=${`Show entries of ${shown}`} href=${href('catalog', [], { source: id })}>Show entries</${Button}>
      ${url && html`<${Button} icon="restart" disabled=${refreshing} label=${`Update ${shown} now`} onClick=${refresh}>Update now</${Button}>`}
      ${url && html`<${Button} icon="trash" label=${`Remove ${shown}`} onClick=${() => remove(true)}>Remove</${Button}>`}
      ${id === OWN && html`<${Button} icon="plus" href=${href('own-entry')}>Add an entry</${Button}>`}
    </div>
    ${removing && html`<${RemoveDialog} source=${source} onDone=${onChange} onClose=${() => remove(false)} />`}
  </article>`;
}

/** @param {{ taken: string[], onDone: () => Promise<void>, onClose: () => void }} props */
function AddDialog({ taken, onDone, onClose }) {
  const [texts, setTexts] = useState({ id: '', url: '', title: '' });
  const [tried, setTried] = useState(false);
  const [error, setError] = useState(/** @type {any} */ (null));
  const faults = faultsOf(texts, taken);
  const add = async () => {
    setTried(true);
    if (faults.id || faults.url) return;
    const { id, url, title } = texts;
    await api.put('/api/catalog/sources', { id }, { url: url.trim(), title: title.trim() });
    await onDone();
    onClose();
    toast(`${title.trim() || id}: added; its entries are being copied`);
  };
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    setError(null);
    add().catch(setError);
  };
  const type = (/** @type {keyof typeof texts} */ field) => (/** @type {string} */ text) =>
    setTexts({ ...texts, [field]: text });
  return html`<${Dialog} title="Add a registry" onClose=${onClose}>
    <form noValidate onSubmit=${submit}>
      <div class="dialog-body">
        <${Field} label="URL" kind="url" required value=${texts.url} onInput=${type('url')} error=${tried ? faults.url : ''} help="The address before /v0.1/servers. It needs no account." />
        <${Field} label="Id" required mono value=${texts.id} onInput=${type('id')} error=${tried ? faults.id : ''} help="A short name: small letters, digits and “-”." />
        <${Field} label="Title" value=${texts.title} onInput=${type('title')} help="As the catalogue shows it; the id without one." />
        ${error && html`<div class="after"><${Notice} error=${error} /></div>`}
      </div>
      <div class="dialog-foot">
        <${Button} onClick=${onClose}>Cancel</${Button}>
        <${Button} type="submit" primary>Add registry</${Button}>
      </div>
    </form>
  </${Dialog}>`;
}

/** @param {{ id: string, url: string }} texts @param {string[]} taken */
function faultsOf({ id, url }, taken) {
  const used = taken.includes(id) ? 'Another source has this id.' : '';
  return {
    id: ID.test(id) ? used : 'Small letters, digits and “-”, at most 40, beginning with a letter or digit.',
    url: /^https?:\/\/\S+$/.test(url.trim()) ? '' : 'An address that begins with http:// or https://.',
  };
}

/** @param {{ source: Source, onDone: () => Promise<void>, onClose: () => void }} props */
function RemoveDialog({ source: { id, title }, onDone, onClose }) {
  const shown = title || id;
  const confirm = async () => {
    await api.del('/api/catalog/sources', { id });
    onClose();
    await onDone();
    toast(`${shown}: removed`);
  };
  return html`<${Confirm} title=${`Remove ${shown}?`} action="Remove registry" onConfirm=${confirm} onClose=${onClose}>
    <p>Its entries leave the catalogue, and the copy of them is deleted. Servers that were added from it stay as they are.</p>
  </${Confirm}>`;
}
