/** Variables of server definitions (`${NAME}`): which are set, where, and who uses them. Values are never shown. */

import { useEffect, useState } from 'preact/hooks';
import { api, state } from '../../hub/store.mjs';
import {
  Button,
  Confirm,
  Dialog,
  Empty,
  Field,
  html,
  ItemLink,
  Notice,
  Page,
  StateBadge,
  Table,
  toast,
} from '../../ui.mjs';
import { CatalogNav } from './catalog_nav.mjs';

/** @typedef {import('../../../../bridge/node/types.mjs').Variable} Variable */

const LEAD = 'Values for ${NAME} in the definitions of servers. The hub stores them, and never shows them.';
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** @type {Record<Variable['set_in'], { word: string, tone: string }>} */
const PLACES = {
  file: { word: 'Set', tone: 'ok' },
  environment: { word: 'Set in the environment', tone: 'ok' },
  none: { word: 'Not set', tone: 'warn' },
};

/** The page. */
export default function VariablesPage() {
  const [found, setFound] = useState(/** @type {{ variables?: Variable[], error?: any }} */ ({}));
  const [setting, set] = useState(/** @type {string|null} */ (null));
  const [removing, remove] = useState(/** @type {string|null} */ (null));
  const look = () => api.get('/api/variables').then(setFound, (error) => setFound({ error }));
  const servers = state.value?.servers.map(({ key, hash }) => `${key} ${hash}`).join('\n');
  useEffect(() => {
    look();
  }, [servers]);
  const { variables, error } = found;
  const add = html`<${Button} primary icon="plus" onClick=${() => set('')}>Set a variable</${Button}>`;
  return html`<${Page} title="Variables" lead=${LEAD} actions=${add}>
    <${CatalogNav} current="variables" />
    ${error && html`<${Notice} error=${error} />`}
    ${!variables && !error && html`<p class="muted" aria-busy="true">Loading…</p>`}
    ${variables?.length === 0 && html`<${Empty} icon="key" title="No variables">No definition refers to a variable, and none is set.</${Empty}>`}
    ${variables && variables.length > 0 && html`<${VariableTable} variables=${variables} onSet=${set} onRemove=${remove} />`}
    ${setting !== null && html`<${SetDialog} name=${setting} onDone=${look} onClose=${() => set(null)} />`}
    ${removing !== null && html`<${RemoveDialog} name=${removing} onDone=${look} onClose=${() => remove(null)} />`}
  </${Page}>`;
}

/** @param {{ variables: Variable[], onSet: (name: string) => void, onRemove: (name: string) => void }} props */
function VariableTable({ variables, onSet, onRemove }) {
  const users = (/** @type {Variable} */ { used_by: keys }) =>
    keys.length === 0
      ? html`<span class="muted">no server</span>`
      : keys.map((key, at) => html`${at > 0 && ', '}<${ItemLink} page="servers" name=${key} key=${key} />`);
  const buttons = (/** @type {Variable} */ { name, set_in: place }) => html`<div class="actions">
    <${Button} icon="edit" label=${`Set ${name}`} onClick=${() => onSet(name)}>Set</${Button}>
    ${place === 'file' && html`<${Button} icon="trash" label=${`Remove ${name}`} onClick=${() => onRemove(name)}>Remove</${Button}>`}
  </div>`;
  const columns = [
    {
      id: 'name',
      title: 'Name',
      bare: true,
      cell: (/** @type {Variable} */ { name }) => html`<code class="break">${name}</code>`,
    },
    {
      id: 'place',
      title: 'State',
      cell: (/** @type {Variable} */ each) => html`<${StateBadge} ...${PLACES[each.set_in]} />`,
    },
    { id: 'users', title: 'Used by', cell: users },
    { id: 'change', title: 'Change', hide: true, align: /** @type {const} */ ('end'), cell: buttons },
  ];
  return html`<${Table} label="Variables" rows=${variables} rowKey=${(/** @type {Variable} */ { name }) => name} columns=${columns} />`;
}

/** @param {{ name: string, onDone: () => Promise<void>, onClose: () => void }} props `name`: empty for another one */
function SetDialog({ name: given, onDone, onClose }) {
  const [name, setName] = useState(given);
  const [value, setValue] = useState('');
  const [tried, setTried] = useState(false);
  const [error, setError] = useState(/** @type {any} */ (null));
  const nameFault = NAME.test(name) ? '' : 'Letters, digits and _, not beginning with a digit.';
  const save = async () => {
    setTried(true);
    if (nameFault || value === '') return;
    await api.patch('/api/variables', {}, { values: { [name]: value } });
    await onDone();
    onClose();
    toast(`${name}: set`);
  };
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    save().catch(setError);
  };
  return html`<${Dialog} title=${given ? `Set ${given}` : 'Set a variable'} onClose=${onClose}>
    <form noValidate onSubmit=${submit}>
      <div class="dialog-body">
        ${!given && html`<${Field} label="Name" required mono value=${name} onInput=${setName} error=${tried ? nameFault : ''} help="As definitions refer to it: API_KEY for \${API_KEY}." />`}
        <${Field} label="Value" required kind="password" value=${value} onInput=${setValue} error=${tried && value === '' ? 'Enter a value.' : ''} attrs=${{ autocomplete: 'new-password' }} help="Servers that use it start again with the new value." />
        ${error && html`<div class="after"><${Notice} error=${error} /></div>`}
      </div>
      <div class="dialog-foot">
        <${Button} onClick=${onClose}>Cancel</${Button}>
        <${Button} type="submit" primary>Set</${Button}>
      </div>
    </form>
  </${Dialog}>`;
}

/** @param {{ name: string, onDone: () => Promise<void>, onClose: () => void }} props */
function RemoveDialog({ name, onDone, onClose }) {
  const confirm = async () => {
    await api.del('/api/variables', { name });
    await onDone();
    onClose();
    toast(`${name}: removed`);
  };
  return html`<${Confirm} title=${`Remove ${name}?`} action="Remove variable" onConfirm=${confirm} onClose=${onClose}>
    <p>The hub forgets its value. Servers that use it get the value of the hub’s environment, if there is one; otherwise they do not start.</p>
  </${Confirm}>`;
}
