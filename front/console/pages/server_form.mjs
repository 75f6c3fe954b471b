/** Add or edit a server. */

import { useEffect, useState } from 'preact/hooks';
import { addMember } from '../hub/actions.mjs';
import { emptyForm, formFaults, toEntry, toForm } from '../forms/entry.mjs';
import { readPaste } from '../forms/paste.mjs';
import { href, navigateLater } from '../router.mjs';
import { api, refresh, serversByKey, state } from '../hub/store.mjs';
import { Button, Checkbox, Choice, Field, html, Notice, Page, toast } from '../ui.mjs';
import { displayName } from '../words.mjs';
import { LaunchFields } from './parts/launch_fields.mjs';

/** @typedef {import('../forms/entry.mjs').ServerForm} Form */
/** @typedef {{ key: string, entry: any, hash: string }} Stored */

/** @param {{ args: string[] }} props */
export default function ServerPage({ args: [key] }) {
  const editing = key !== undefined;
  const [stored, setStored] = useState(/** @type {Stored|null} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  const load = () => api.get('/api/hub/servers', { key }).then(setStored, setError);
  useEffect(() => {
    if (editing) load();
  }, [key]);
  const back = editing
    ? { href: href('servers', [key]), label: displayName(key) }
    : { href: href('servers'), label: 'Servers' };
  const title = editing ? `Edit ${displayName(key)}` : 'Add a server';
  const frame = (/** @type {any} */ inside) => html`<${Page} title=${title} back=${back}>${inside}</${Page}>`;
  if (error) return frame(html`<${Notice} error=${error} />`);
  if (editing && !stored) return frame(html`<p class="muted" aria-busy="true">Loading…</p>`);
  return frame(html`<${ServerForm} key=${stored?.hash} stored=${stored} onReload=${load} />`);
}

/** @param {{ stored: Stored|null, onReload: () => void }} props */
function ServerForm({ stored, onReload }) {
  const [form, setForm] = useState(() => (stored ? toForm(stored.key, stored.entry) : emptyForm()));
  const [places, setPlaces] = useState({ names: /** @type {string[]} */ ([]), fresh: firstWorkspace() });
  const [tried, setTried] = useState(false);
  const [error, setError] = useState(/** @type {any} */ (null));
  const [busy, setBusy] = useState(false);
  const taken = (/** @type {string} */ key) => key !== stored?.key && serversByKey.value.has(key);
  const faults = formFaults(form, { taken });
  const save = async (/** @type {string} */ over = '') => {
    setTried(true);
    if (Object.keys(faults).length > 0) return focusFirstError();
    const go = navigateLater();
    setBusy(true);
    setError(null);
    try {
      await write(form, stored, over || stored?.hash);
      if (!stored) await addToWorkspaces(form.key, places).catch(toast.error); // the server is written
      await refresh();
      toast(`${displayName(form.key)}: saved`);
      go('servers', [form.key]);
    } catch (reason) {
      setError(reason);
    }
    setBusy(false);
  };
  const change = (/** @type {Partial<Form>} */ part) => setForm({ ...form, ...part });
  return html`<form class="form" noValidate onSubmit=${(/** @type {Event} */ event) => [event.preventDefault(), save()]}>
    <div class="card">
      ${!stored && html`<${Paste} onFill=${change} />`}
      <${Identity} form=${form} renaming=${stored !== null} faults=${tried ? faults : {}} onChange=${change} />
      <${LaunchFields} form=${form} faults=${tried ? faults : {}} onChange=${change} />
      ${!stored && html`<${WorkspaceFields} places=${places} onChange=${setPlaces} />`}
    </div>
    <${Problem} error=${error} stored=${stored} onReload=${onReload} onOverwrite=${save} />
    <div class="form-foot">
      <${Button} type="submit" primary busy=${busy}>${stored ? 'Save' : 'Add server'}</${Button}>
      <${Button} quiet href=${stored ? href('servers', [stored.key]) : href('servers')}>Cancel</${Button}>
    </div>
  </form>`;
}

/** Return a name for the first workspace of a hub. */
function firstWorkspace() {
  return (state.value?.workspaces.length ?? 0) === 0 ? 'main' : '';
}

/** @param {Form} form @param {Stored|null} stored @param {string} [expect] hash of what is overwritten */
function write(form, stored, expect) {
  const entry = toEntry(form, stored?.entry);
  if (!stored) return api.post('/api/hub/servers', {}, { key: form.key, entry });
  return api.put('/api/hub/servers', { key: stored.key }, { key: form.key, entry, ...(expect && { expect }) });
}

/** @param {string} key @param {{ names: string[], fresh: string }} places */
async function addToWorkspaces(key, { names, fresh }) {
  const there = (state.value?.workspaces ?? []).map(({ name }) => name);
  if (fresh !== '' && !there.includes(fresh))
    await api.post('/api/hub/workspaces', {}, { name: fresh, servers: [key] });
  else if (fresh !== '') await addMember(fresh, key);
  for (const name of names) await addMember(name, key);
}

function focusFirstError() {
  requestAnimationFrame(() =>
    /** @type {HTMLElement|null} */ (document.querySelector('[aria-invalid="true"]'))?.focus(),
  );
}

/**
 * Fills in the fields below from a command line, a URL or a client's JSON.
 * @param {{ onFill: (part: Partial<Form>) => void }} props
 */
function Paste({ onFill }) {
  const [text, setText] = useState('');
  const found = readPaste(text);
  const take = (/** @type {string} */ pasted) => {
    setText(pasted);
    const read = readPaste(pasted);
    if (read && !('many' in read)) onFill(read);
  };
  let help = /** @type {any} */ (
    'Paste a command line, a URL, or JSON from another client to fill in the fields below.'
  );
  if (found && 'many' in found)
    help = html`The text contains ${found.many} servers: <a href=${href('import')}>import them</a> together.`;
  else if (found) help = 'The fields below are filled in. Check them.';
  else if (text.trim() !== '')
    help = html`The hub does not recognize this text. For TOML, YAML and JSON with comments, use <a href=${href('import')}>Import</a>.`;
  return html`<${Field} label="Paste" kind="textarea" mono value=${text} onInput=${take} help=${help} attrs=${{ rows: 2, placeholder: 'npx -y @modelcontextprotocol/server-filesystem /srv/docs' }} />`;
}

/** @param {{ form: Form, renaming: boolean, faults: Record<string, string>, onChange: (part: Partial<Form>) => void }} props */
function Identity({ form, renaming, faults, onChange }) {
  const follows = form.namespace === form.key || form.namespace === '';
  const rename = (/** @type {string} */ key) => onChange(follows && !renaming ? { key, namespace: key } : { key });
  const help = renaming
    ? 'A renamed server keeps its settings and its workspaces.'
    : 'Workspaces refer to it by this name.';
  return html`
    <${Field} label="Name" required value=${form.key} onInput=${rename} error=${faults.key} help=${help} />
    <${Field} label="Namespace" mono value=${form.namespace} onInput=${(/** @type {string} */ namespace) => onChange({ namespace })} help="Prefix of the names of its tools. Default: the name of the server." />
    <div class="field">
      <p class="label" aria-hidden="true">Kind</p>
      <${Choice} label="Kind" value=${form.kind} onChange=${(/** @type {'stdio'|'remote'} */ kind) => onChange({ kind })} options=${[
        { value: 'stdio', label: 'Local command' },
        { value: 'remote', label: 'Remote URL' },
      ]} />
    </div>
  `;
}

/** @param {{ places: { names: string[], fresh: string }, onChange: (places: { names: string[], fresh: string }) => void }} props */
function WorkspaceFields({ places, onChange }) {
  const workspaces = state.value?.workspaces ?? [];
  const toggle = (/** @type {string} */ name) => {
    const names = places.names.includes(name) ? places.names.filter((item) => item !== name) : [...places.names, name];
    onChange({ ...places, names });
  };
  return html`<fieldset class="group">
    <legend>Add to workspaces</legend>
    <div class="places">${workspaces.map(({ name }) => html`<${Checkbox} key=${name} label=${displayName(name)} checked=${places.names.includes(name)} onChange=${() => toggle(name)} />`)}</div>
    <${Field} label="New workspace" value=${places.fresh} onInput=${(/** @type {string} */ fresh) => onChange({ ...places, fresh })} help=${workspaces.length === 0 ? 'Created with the server, and switched on. Leave empty to create none.' : 'Leave empty to create none.'} />
  </fieldset>`;
}

/** @param {{ error: any, stored: Stored|null, onReload: () => void, onOverwrite: (hash: string) => void }} props */
function Problem({ error, stored, onReload, onOverwrite }) {
  if (!error) return null;
  if (error.code !== 'EDIT_CONFLICT' || !stored) return html`<div class="after"><${Notice} error=${error} /></div>`;
  return html`<${Conflict} stored=${stored} onReload=${onReload} onOverwrite=${onOverwrite} />`;
}

/**
 * Shows that the server was changed meanwhile.
 * @param {{ stored: Stored, onReload: () => void, onOverwrite: (hash: string) => void }} props
 */
function Conflict({ stored: { key }, onReload, onOverwrite }) {
  const [theirs, setTheirs] = useState(/** @type {Stored|null} */ (null));
  const [gone, setGone] = useState(/** @type {any} */ (null));
  useEffect(() => {
    api.get('/api/hub/servers', { key }).then(setTheirs, setGone);
  }, [key]);
  return html`<div class="after"><${Notice} tone="warn">
    <p><strong>Somebody else has changed this server since you opened it.</strong> Your changes were not saved.</p>
    ${gone && html`<p>${gone.message}</p>`}
    ${
      theirs &&
      html`<p>Its current entry:</p>
      <pre class="wrap" tabindex="0" role="region" aria-label="Current entry">${JSON.stringify(theirs.entry, null, 2)}</pre>
      <div class="actions">
        <${Button} onClick=${onReload}>Use their version</${Button}>
        <${Button} danger onClick=${() => onOverwrite(theirs.hash)}>Overwrite with mine</${Button}>
      </div>`
    }
    <p class="code">EDIT_CONFLICT</p>
  </${Notice}></div>`;
}
