/** Named keys of a protected hub: create, limit to workspaces, see the last use, revoke. */

import { useEffect, useState } from 'preact/hooks';
import { accessText, nameFault } from '../data/keys.mjs';
import { style } from '../style.mjs';
import { api, state } from '../hub/store.mjs';
import {
  Button,
  Checkbox,
  Choice,
  Confirm,
  Copyable,
  Dialog,
  Empty,
  Field,
  html,
  Notice,
  now,
  Page,
  Section,
  Table,
  Time,
  toast,
} from '../ui.mjs';
import { displayName } from '../words.mjs';
import { AccessNav } from './access/access_nav.mjs';

await style('styles/connect.css');

/** @typedef {import('../../../bridge/node/types.mjs').Key} Key */

const REFRESH_MS = 10_000; // ms between looks at when keys were used
const LEAD = 'Create a separate key for each client, limited to the workspaces that it needs.';

/** The page. */
export default function Keys() {
  const { keys, error, look } = useKeys();
  const [making, setMaking] = useState(false);
  const hub = state.value?.hub;
  const guarded = hub?.protected ?? true;
  const add = html`<${Button} primary icon="plus" onClick=${() => setMaking(true)}>Create key</${Button}>`;
  return html`<${Page} title="Keys" lead=${LEAD} actions=${guarded && add}>
    ${guarded && html`<${AccessNav} current="keys" />`}
    ${!guarded && html`<${NoToken} />`}
    ${error && html`<${Notice} error=${error} />`}
    ${!keys && !error && html`<p class="muted" aria-busy="true">Loading…</p>`}
    ${keys?.length === 0 && guarded && html`<${Empty} icon="key" title="No keys" actions=${add}>Without keys, all clients use the token of the hub, which gives access to everything.</${Empty}>`}
    ${keys && keys.length > 0 && html`<${KeyTable} keys=${keys} onRevoked=${look} />`}
    ${making && html`<${CreateKeyDialog} taken=${(keys ?? []).map(({ name }) => name)} onMade=${look} onClose=${() => setMaking(false)} />`}
  </${Page}>`;
}

/** Return the keys, requested again while the page is shown. */
function useKeys() {
  const [found, setFound] = useState(/** @type {{ keys?: Key[], error?: any }} */ ({}));
  const look = () =>
    api.get('/api/hub/keys').then(
      ({ keys }) => {
        now.value = Date.now() / 1000; // so that nothing on it is in the future
        setFound({ keys });
      },
      (error) => setFound(({ keys }) => ({ keys, error })),
    );
  useEffect(() => {
    look();
    const timer = setInterval(() => document.hidden || look(), REFRESH_MS);
    return () => clearInterval(timer);
  }, []);
  return { ...found, look };
}

/** Explains keys in a hub without a token. */
function NoToken() {
  return html`<${Section} title="This hub requires no token">
    <div class="card stack">
      <p>It listens on loopback only: every program on this machine can use all of it, and no other machine can. Keys have no effect.</p>
      <p>To require a token, set one (<code>HUB_TOKEN</code> or <code>HUB_TOKEN_FILE</code>), or make the hub listen for other machines (<code>HUB_HOST=0.0.0.0</code>), in the hub’s settings file or its environment. Then restart the hub: it prints a login link, and <code>hubctl token</code> shows the token.</p>
    </div>
  </${Section}>`;
}

/** @param {{ keys: Key[], onRevoked: () => Promise<void> }} props */
function KeyTable({ keys, onRevoked }) {
  const [revoking, setRevoking] = useState(/** @type {Key|null} */ (null));
  const revoke = (/** @type {Key} */ key) =>
    html`<${Button} icon="trash" label=${`Revoke ${key.name}`} onClick=${() => setRevoking(key)}>Revoke</${Button}>`;
  const used = (/** @type {Key} */ { last_used: at }) =>
    at ? html`<${Time} at=${at} />` : html`<span class="muted">Never</span>`;
  return html`<${Table}
    label="Keys"
    rows=${keys}
    rowKey=${(/** @type {Key} */ key) => key.id}
    columns=${[
      {
        id: 'key',
        title: 'Name',
        bare: true,
        cell: (/** @type {Key} */ key) => html`<strong class="break">${key.name}</strong>`,
      },
      { id: 'access', title: 'Access', cell: accessText },
      { id: 'created', title: 'Created', cell: (/** @type {Key} */ key) => html`<${Time} at=${key.created} />` },
      { id: 'used', title: 'Last used', cell: used },
      { id: 'revoke', title: 'Revoke', hide: true, align: 'end', cell: revoke },
    ]}
  />
  ${revoking && html`<${RevokeDialog} revoked=${revoking} onDone=${onRevoked} onClose=${() => setRevoking(null)} />`}`;
}

/** @param {{ revoked: Key, onDone: () => Promise<void>, onClose: () => void }} props */
function RevokeDialog({ revoked: { id, name, last_used: used }, onDone, onClose }) {
  const confirm = async () => {
    await api.del('/api/hub/keys', { key: id });
    await onDone();
    onClose();
    toast(`${name}: revoked`);
  };
  return html`<${Confirm} title=${`Revoke ${name}?`} action="Revoke key" onConfirm=${confirm} onClose=${onClose}>
    <p>Clients that use this key lose access, and their sessions end. You cannot undo this: the client then needs a new key.</p>
    ${used && html`<p>The key was last used <${Time} at=${used} />.</p>`}
  </${Confirm}>`;
}

/**
 * A form for a new key, followed by the key.
 *
 * @param {{ taken: string[], onMade: () => void, onClose: () => void }} props
 */
function CreateKeyDialog({ taken, onMade, onClose }) {
  const [made, setMade] = useState(/** @type {{ name: string, token: string }|null} */ (null));
  const take = (/** @type {{ name: string, token: string }} */ key) => {
    setMade(key);
    onMade();
  };
  if (!made)
    return html`<${Dialog} key="form" title="Create a key" onClose=${onClose}><${KeyForm} taken=${taken} onMade=${take} onClose=${onClose} /></${Dialog}>`;
  return html`<${Dialog} key="made" title=${`Key ${made.name}`} onClose=${onClose}>
    <div class="dialog-body">
      <p>The hub shows this key only once. Copy it, and enter it in its client.</p>
      <${Copyable} text=${made.token} label="key" />
      <p class="help">Clients send it with every request: <code>Authorization: Bearer …</code> The page Connect of a workspace shows how to configure each client.</p>
    </div>
    <div class="dialog-foot"><${Button} primary onClick=${onClose}>Done</${Button}></div>
  </${Dialog}>`;
}

const SCOPES = [
  { value: 'some', label: 'Some workspaces' },
  { value: 'all', label: 'All workspaces' },
  { value: 'admin', label: 'Everything' },
];

/** @param {{ taken: string[], onMade: (made: { name: string, token: string }) => void, onClose: () => void }} props */
function KeyForm({ taken, onMade, onClose }) {
  const [name, setName] = useState('');
  const [scope, setScope] = useState('some');
  const [picked, setPicked] = useState(/** @type {readonly string[]} */ ([]));
  const [tried, setTried] = useState(false);
  const [error, setError] = useState(/** @type {any} */ (null));
  const names = (state.value?.workspaces ?? []).map((workspace) => workspace.name);
  const chosen = names.filter((each) => picked.includes(each));
  const fault = nameFault(name, taken);
  const none = scope === 'some' && chosen.length === 0;
  const toggle = (/** @type {string} */ each) =>
    setPicked(picked.includes(each) ? picked.filter((other) => other !== each) : [...picked, each]);
  const make = async () => {
    setTried(true);
    setError(null);
    if (fault || none) return;
    const limits = { some: { workspaces: chosen }, all: {}, admin: { admin: true } }[scope];
    const { token } = await api.post('/api/hub/keys', {}, { name, ...limits });
    onMade({ name, token });
  };
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    make().catch(setError);
  };
  return html`<form noValidate onSubmit=${submit}>
    <div class="dialog-body">
      <${Field} label="Name" required value=${name} onInput=${setName} error=${tried && fault} help="For example, the client or person that will use the key." />
      <div class="field">
        <p class="label" aria-hidden="true">Access</p>
        <${Choice} label="Access" value=${scope} options=${SCOPES} onChange=${setScope} />
        ${scope === 'admin' && html`<p class="help">This includes the console and the API: whoever has this key can add servers, that is, run any program as the hub’s user.</p>`}
      </div>
      ${scope === 'some' && html`<${Workspaces} names=${names} chosen=${chosen} onToggle=${toggle} error=${tried && none} />`}
      ${error && html`<div class="after"><${Notice} error=${error} /></div>`}
    </div>
    <div class="dialog-foot">
      <${Button} onClick=${onClose}>Cancel</${Button}>
      <${Button} type="submit" primary>Create key</${Button}>
    </div>
  </form>`;
}

/** @param {{ names: string[], chosen: string[], onToggle: (name: string) => void, error: boolean }} props */
function Workspaces({ names, chosen, onToggle, error }) {
  return html`<fieldset class="group key-workspaces">
    <legend>Workspaces</legend>
    ${names.map((name) => html`<${Checkbox} key=${name} label=${displayName(name)} checked=${chosen.includes(name)} onChange=${() => onToggle(name)} />`)}
    ${names.length === 0 && html`<p class="help">There is no workspace yet.</p>`}
    ${error && html`<p class="wrong" role="alert">Choose at least one.</p>`}
  </fieldset>`;
}
