/** Shows an entry of the catalogue: what it runs, what it may reach, what was checked; and a form to add it. */

import { useEffect, useState } from 'preact/hooks';
import { href, navigateLater } from '../../router.mjs';
import { api } from '../../hub/store.mjs';
import { style } from '../../style.mjs';
import { Button, Confirm, CopyButton, Facts, html, ItemLink, Notice, Page, Section, toast } from '../../ui.mjs';
import { count } from '../../words.mjs';
import { AddForm } from './add_form.mjs';

await style('styles/catalog.css');

/** @typedef {import('../../../../bridge/node/types.mjs').CatalogCard} Card */

const BACK = { href: href('catalog'), label: 'Catalogue' };

/** @param {{ args: string[], query: Record<string, string> }} props */
export default function EntryPage({ args: [name], query: { source, version } }) {
  const [card, setCard] = useState(/** @type {Card|null} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  useEffect(() => {
    api.get('/api/catalog/entry', { name, source, version }).then(setCard, setError);
  }, [name, source, version]);
  if (error) return html`<${Page} title=${name} back=${BACK}><${Notice} error=${error} /></${Page}>`;
  if (!card) return html`<${Page} title=${name} back=${BACK}><p class="muted" aria-busy="true">Loading…</p></${Page}>`;
  const { summary, problem } = card;
  const actions = summary.source === 'own' && html`<${OwnActions} name=${name} />`;
  return html`<${Page} title=${summary.title || name} lead=${summary.description} actions=${actions} back=${BACK}>
    <div class="stack">
      ${summary.status !== 'active' && html`<${Notice} tone="warn" quiet><p>The source of this entry marks it as ${summary.status}.</p></${Notice}>`}
      ${summary.note && html`<${Notice} tone="info" quiet><p>${summary.note}</p></${Notice}>`}
      ${problem && html`<${Notice} error=${problem} />`}
    </div>
    ${!problem && html`<${AddForm} card=${card} />`}
    <${About} card=${card} />
  </${Page}>`;
}

/** Changes and removes an entry of the user's own. @param {{ name: string }} props */
function OwnActions({ name }) {
  const [removing, remove] = useState(false);
  const confirm = async () => {
    const go = navigateLater();
    await api.del('/api/catalog/entry', { name });
    toast(`${name}: removed from the catalogue`);
    go('catalog');
  };
  return html`<${Button} icon="edit" href=${href('own-entry', [], { name })}>Change</${Button}>
    <${Button} icon="trash" onClick=${() => remove(true)}>Remove</${Button}>
    ${
      removing &&
      html`<${Confirm} title=${`Remove ${name}?`} action="Remove entry" onConfirm=${confirm} onClose=${() => remove(false)}>
      <p>It leaves the catalogue, in all of its versions. Servers that were added from it stay as they are.</p>
    </${Confirm}>`
    }`;
}

/** @param {{ card: Card }} props */
function About({ card: { summary, versions, command, reach } }) {
  /** @type {[any, any][]} */
  const facts = [
    ['Name', html`<code class="break">${summary.name}</code>`],
    ['Version', versions.length > 1 ? `${summary.version} (of ${versions.length} versions)` : summary.version],
    ['Source', summary.source],
    ['Checked', checkedText(summary.checked)],
    ['Installed as', summary.installed.length > 0 && html`<${Keys} keys=${summary.installed} />`],
  ];
  return html`
    ${
      command.length > 0 &&
      html`<${Section} title="What it runs" note="Exactly this; braces stand for the settings above.">
      <div class="copyable"><code class="catalog-command">${command.join(' ')}</code><${CopyButton} text=${command.join(' ')} label="command" /></div>
    </${Section}>`
    }
    ${
      reach.length > 0 &&
      html`<${Section} title="What it may reach">
      <ul>${reach.map((text) => html`<li key=${text}>${text}</li>`)}</ul>
    </${Section}>`
    }
    <${Section} title="About"><div class="card"><${Facts} facts=${facts} /></div></${Section}>
  `;
}

/** @param {Card['summary']['checked']} checked */
function checkedText({ registry, started, tools }) {
  const parts = [
    registry && `The version was in its registry on ${registry}.`,
    started && `It was started on ${started}${tools === null ? '' : ` and had ${count(tools, 'tool')}`}.`,
  ].filter(Boolean);
  return parts.length > 0 ? parts.join(' ') : 'Not checked by the hub.';
}

/** @param {{ keys: readonly string[] }} props */
function Keys({ keys }) {
  return keys.map((key, at) => html`${at > 0 && ', '}<${ItemLink} page="servers" name=${key} key=${key} />`);
}
