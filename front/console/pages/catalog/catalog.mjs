/** Finds servers in the catalogue. */

import { useEffect, useRef, useState } from 'preact/hooks';
import { href } from '../../router.mjs';
import { api } from '../../hub/store.mjs';
import { style } from '../../style.mjs';
import { announce, Button, Checkbox, Empty, Field, html, Notice, Page, Time } from '../../ui.mjs';
import { count } from '../../words.mjs';
import { CatalogNav } from './catalog_nav.mjs';

await style('styles/catalog.css');

/**
 * @typedef {import('../../../../bridge/node/types.mjs').CatalogSummary} Summary
 * @typedef {import('../../../../bridge/node/types.mjs').CatalogSource} Source
 * @typedef {import('../../../../bridge/node/types.mjs').CatalogPage} Found
 * @typedef {{ text: string, source: string, category: string, without_keys: boolean }} Wanted
 */

const PAGE_SIZE = 50; // entries
const LEAD = 'Servers that the hub can install. Choose one to see what it would run and what it may reach.';

/** @param {{ query: Record<string, string> }} props  `source`, `category`: filters at first */
export default function Catalog({ query: { source = '', category = '' } }) {
  return html`<${Finder} key=${JSON.stringify([source, category])} source=${source} category=${category} />`;
}

/** @param {{ source: string, category: string }} props  filters at first */
function Finder({ source, category }) {
  const [wanted, want] = useState(/** @type {Wanted} */ ({ text: '', source, category, without_keys: false }));
  const { found, error, more } = useFound(wanted);
  const change = (/** @type {Partial<Wanted>} */ part) => want({ ...wanted, ...part });
  return html`<${Page} title="Catalogue" lead=${LEAD}>
    <${CatalogNav} current="catalog" />
    <div class="toolbar" role="search">
      <${Field} label="Search the catalogue" hideLabel kind="search" value=${wanted.text} onInput=${(/** @type {string} */ text) => change({ text })} attrs=${{ placeholder: 'Search the catalogue' }} />
      <${SourceField} sources=${found?.sources ?? []} value=${wanted.source} onInput=${(/** @type {string} */ id) => change({ source: id })} />
      <${CategoryField} categories=${found?.categories ?? []} value=${wanted.category} onInput=${(/** @type {string} */ word) => change({ category: word })} />
      <${Checkbox} label="Without keys" checked=${wanted.without_keys} onChange=${(/** @type {boolean} */ on) => change({ without_keys: on })} />
    </div>
    ${error && html`<${Notice} error=${error} />`}
    ${!found && !error && html`<p class="muted" aria-busy="true">Loading…</p>`}
    ${found && html`<${Sources} sources=${found.sources} />`}
    ${found?.entries.length === 0 && html`<${Empty} icon="catalog" title="No entry found"><p>Search for other words, <a href=${href('sources')}>add a registry</a>, or <a href=${href('own-entry')}>add an entry of your own</a>.</p></${Empty}>`}
    ${found && found.entries.length > 0 && html`<${Entries} found=${found} />`}
    ${found && found.entries.length < found.total && html`<div class="form-foot"><${Button} onClick=${more}>Show more</${Button}></div>`}
  </${Page}>`;
}

/**
 * Return the entries that are wanted; an answer to an earlier search is dropped.
 * @param {Wanted} wanted
 */
function useFound({ text, source, category, without_keys }) {
  const [answer, setAnswer] = useState(/** @type {{ found?: Found, error?: any }} */ ({}));
  const last = useRef(0);
  const ask = async (/** @type {number} */ offset) => {
    const mine = (last.current += 1);
    const query = {
      text: text || null,
      source: source || null,
      category: category || null,
      without_keys: without_keys || null,
    };
    try {
      const page = await api.get('/api/catalog', { ...query, limit: PAGE_SIZE, offset });
      if (mine !== last.current) return;
      setAnswer(({ found }) => ({
        found: offset ? { ...page, entries: [...(found?.entries ?? []), ...page.entries] } : page,
      }));
      if (text) announce(`${count(page.total, 'entry', 'entries')} found`);
    } catch (error) {
      if (mine === last.current) setAnswer({ error });
    }
  };
  useEffect(() => {
    ask(0);
  }, [text, source, category, without_keys]);
  return { ...answer, more: () => ask(answer.found?.entries.length ?? 0) };
}

/** @param {{ sources: Source[], value: string, onInput: (source: string) => void }} props */
function SourceField({ sources, value, onInput }) {
  if (sources.length < 2) return null;
  const options = [
    { value: '', label: 'All sources' },
    ...sources.map(({ id, title }) => ({ value: id, label: title })),
  ];
  return html`<${Field} label="Source" hideLabel kind="select" value=${value} options=${options} onInput=${onInput} />`;
}

/** @param {{ categories: readonly string[], value: string, onInput: (category: string) => void }} props */
function CategoryField({ categories, value, onInput }) {
  const listed = value && !categories.includes(value) ? [value, ...categories] : categories;
  if (listed.length === 0) return null;
  const options = [
    { value: '', label: 'All categories' },
    ...listed.map((category) => ({ value: category, label: category })),
  ];
  return html`<${Field} label="Category" hideLabel kind="select" value=${value} options=${options} onInput=${onInput} />`;
}

/** Shows the sources that could not be brought up to date, and how old their copies are. @param {{ sources: Source[] }} props */
function Sources({ sources }) {
  return html`${sources
    .filter(({ error }) => error)
    .map(
      ({ id, title, fetched, error }) => html`<div class="banner" key=${id}><${Notice} tone="warn" error=${error} quiet>
        <p>${title}: ${fetched ? html`its copy of <${Time} at=${fetched} /> is shown.` : 'there is no copy of it yet.'}</p>
      </${Notice}></div>`,
    )}`;
}

/** @param {{ found: Found }} props */
function Entries({ found: { entries, sources, total } }) {
  const titles = new Map(sources.map(({ id, title }) => [id, title]));
  return html`<p class="muted small">${count(total, 'entry', 'entries')}</p>
    <ul class="plain catalog-list">
      ${entries.map((entry) => html`<${Entry} key=${`${entry.source} ${entry.name}`} entry=${entry} source=${titles.get(entry.source) ?? entry.source} />`)}
    </ul>`;
}

/** @param {{ entry: Summary, source: string }} props */
function Entry({ entry: { name, title, description, version, source: id, status, without_keys, installed }, source }) {
  return html`<li class="card catalog-entry">
    <a class="catalog-title" href=${href('catalog', [name], { source: id })}>${title || name}</a>
    <p class="catalog-description">${description}</p>
    <p class="muted small"><code class="break">${name}</code> ${version} · ${source}
      ${without_keys && html` <span class="tag">without keys</span>`}
      ${status !== 'active' && html` <span class="tag">${status}</span>`}
      ${installed.length > 0 && html` <span class="tag">installed</span>`}
    </p>
  </li>`;
}
