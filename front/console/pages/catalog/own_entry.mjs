/** The page that adds or changes an entry of the user's own: by a form, or as a server.json. */

import { useEffect, useState } from 'preact/hooks';
import { draftOf, emptyDraft, entryOf, faultsOf, pastedEntry } from '../../forms/own_entry.mjs';
import { api } from '../../hub/store.mjs';
import { href, navigate } from '../../router.mjs';
import { style } from '../../style.mjs';
import { Button, Choice, Field, html, Notice, Page, toast } from '../../ui.mjs';
import { useFirstWrong } from '../parts/setting_fields.mjs';
import { EntryFields } from './entry_fields.mjs';

await style('styles/catalog.css');

/**
 * @typedef {import('../../forms/own_entry.mjs').Draft} Draft
 * @typedef {import('../../forms/own_entry.mjs').Entry} Entry
 */

const BACK = { href: href('sources'), label: 'Sources' };
const LEAD = 'An entry of your own is in the catalogue of this hub alone. It is added to a workspace like any other.';
const WAYS = [
  { value: 'form', label: 'Form' },
  { value: 'text', label: 'server.json' },
];

/** @param {{ query: Record<string, string> }} props  `name`: of the entry to change */
export default function OwnEntry({ query: { name } }) {
  return html`<${Loaded} key=${name} name=${name} />`;
}

/** @param {{ name: string|undefined }} props */
function Loaded({ name }) {
  const [found, setFound] = useState(/** @type {{ entry?: Entry, error?: any }} */ ({}));
  useEffect(() => {
    if (name) api.get('/api/catalog/entry', { name, source: 'own' }).then(setFound, (error) => setFound({ error }));
  }, [name]);
  const title = name ? 'Change an entry' : 'Add an entry of your own';
  return html`<${Page} title=${title} lead=${LEAD} back=${BACK}>
    ${found.error && html`<${Notice} error=${found.error} />`}
    ${name && !found.entry && !found.error && html`<p class="muted" aria-busy="true">Loading…</p>`}
    ${(!name || found.entry) && html`<${EntryForm} entry=${found.entry} />`}
  </${Page}>`;
}

/** @param {{ entry?: Entry }} props */
function EntryForm({ entry: before }) {
  const known = before ? draftOf(before) : emptyDraft();
  const [way, setWay] = useState(known ? 'form' : 'text');
  const [draft, setDraft] = useState(known ?? emptyDraft());
  const [text, setText] = useState(before ? printed(before) : '');
  const [tried, setTried] = useState(false);
  const [error, setError] = useState(/** @type {any} */ (null));
  const [busy, setBusy] = useState(false);
  const [form, goToWrong] = useFirstWrong();
  const pasted = pastedEntry(text);
  const faults = way === 'form' ? faultsOf(draft) : {};
  const change = (/** @type {string} */ to) => {
    const shown = to === 'form' && pasted.entry && draftOf(pasted.entry);
    if (shown) setDraft(shown);
    else if (to === 'form' && text.trim() !== '') return setError({ message: NOT_IN_FORM });
    if (to === 'text') setText(printed(entryOf(draft)));
    setError(null);
    setTried(false);
    setWay(to);
  };
  const save = async () => {
    setTried(true);
    if (Object.keys(faults).length > 0 || (way === 'text' && !pasted.entry)) return goToWrong();
    const entry = way === 'form' ? entryOf(draft) : /** @type {Entry} */ (pasted.entry);
    setBusy(true);
    setError(null);
    try {
      await api.put('/api/catalog/entry', {}, { entry });
      toast(`${entry.title ?? entry.name}: saved in the catalogue`);
      navigate('catalog', [entry.name], { source: 'own' });
    } catch (reason) {
      setError(reason);
    }
    setBusy(false);
  };
  return html`<form class="form" noValidate ref=${form} onSubmit=${(/** @type {Event} */ event) => [event.preventDefault(), save()]}>
    <${Choice} label="How to enter it" value=${way} options=${WAYS} onChange=${change} />
    <div class="card">
      ${
        way === 'form'
          ? html`<${EntryFields} draft=${draft} faults=${tried ? faults : {}} isNew=${!before} onChange=${setDraft} />`
          : html`<${Field} label="server.json" kind="textarea" mono required value=${text} onInput=${setText} error=${tried ? pasted.fault : ''} attrs=${{ rows: 18 }} help="As its publisher or a registry has it. Packages may be files of this machine here." />`
      }
    </div>
    ${error && html`<div class="after"><${Notice} error=${error}><${Fields} fields=${error.data?.fields} /></${Notice}></div>`}
    <div class="form-foot">
      <${Button} href=${BACK.href}>Cancel</${Button}>
      <${Button} type="submit" primary icon="check" busy=${busy}>Save</${Button}>
    </div>
  </form>`;
}

const NOT_IN_FORM = 'This server.json has fields that the form does not show. Change it as text.';

/** @param {Entry} entry */
const printed = (entry) => JSON.stringify(entry, null, 2);

/** Shows what the hub says of single fields. @param {{ fields?: Record<string, string> }} props */
function Fields({ fields }) {
  const listed = Object.entries(fields ?? {});
  if (listed.length === 0) return null;
  return html`<ul>${listed.map(([field, why]) => html`<li key=${field}><code class="break">${field}</code>: ${why}</li>`)}</ul>`;
}
