/**
 * Shows how to connect a client to a workspace: its URLs, and for each client what to click, run, or paste and where.
 */

import { useState } from 'preact/hooks';
import { GROUPS, guide } from '../data/guides.mjs';
import { freeName } from '../data/keys.mjs';
import { href } from '../router.mjs';
import { style } from '../style.mjs';
import { api, state, workspacesByName } from '../hub/store.mjs';
import { Button, Copyable, CopyButton, Empty, html, Notice, Page, Section } from '../ui.mjs';
import { displayName } from '../words.mjs';

await style('styles/connect.css');

/**
 * @typedef {import('../types.mjs').Workspace} Workspace
 * @typedef {import('../data/guides.mjs').Guide} Guide
 * @typedef {{name: string, token: string}} NewKey  a key that was made here, which nobody will be told again
 */

const IDS = GROUPS.flatMap(({ ids }) => ids);
/** The client that was chosen last, in any workspace. */
let latest = IDS[0];

/** @param {{ args: string[], query: Record<string, string> }} props */
export default function Connect({ args: [name = ''], query }) {
  const workspace = workspacesByName.value.get(name);
  const back = { href: href('workspaces', [name]), label: displayName(name) };
  if (workspace) return html`<${ConnectToWorkspace} workspace=${workspace} wanted=${query.client} back=${back} />`;
  const title = 'Connect a client';
  if (!state.value) return html`<${Page} title=${title}><p class="muted" aria-busy="true">Loading…</p></${Page}>`;
  const all = html`<${Button} href=${href('workspaces')}>All workspaces</${Button}>`;
  return html`<${Page} title=${title}>
    <${Empty} title="There is no such workspace" actions=${all}>It was renamed or deleted, or its entry cannot be used.</${Empty}>
  </${Page}>`;
}

/** @param {{ workspace: Workspace, wanted?: string, back: { href: string, label: string } }} props */
function ConnectToWorkspace({ workspace, wanted, back }) {
  const [client, setClient] = useState(wanted && IDS.includes(wanted) ? wanted : latest);
  const [keys, setKeys] = useState(/** @type {Record<string, NewKey>} */ ({}));
  const choose = (/** @type {string} */ id) => {
    latest = id;
    setClient(id);
  };
  const guarded = state.value?.hub.protected ?? false;
  const made = keys[client];
  const chosen = guide(client, workspace, { token: guarded, key: made?.token });
  return html`<${Page} title=${`Connect a client to ${displayName(workspace.name)}`} back=${back}>
    <${Urls} workspace=${workspace} />
    <${Section} title="Client">
      <${Chooser} value=${client} onChange=${choose} />
      ${guarded ? html`<${KeySection} key=${client} workspace=${workspace} client=${client} made=${made} onMade=${(/** @type {NewKey} */ key) => setKeys((all) => ({ ...all, [client]: key }))} />` : html`<${NoToken} />`}
    </${Section}>
    ${chosen && html`<${Steps} guide=${chosen} guarded=${guarded} />`}
  </${Page}>`;
}

/** @param {{ workspace: Workspace }} props */
function Urls({ workspace: { enabled, http_url, sse_url } }) {
  return html`<div class="card">
    ${!enabled && html`<p class="muted off-note">This workspace is switched off. Clients that connect now are told so, and get its tools once it is switched on.</p>`}
    <${Copyable} name="Streamable HTTP" text=${http_url} label="Streamable HTTP URL" />
    <${Copyable} name="SSE" text=${sse_url} label="SSE URL" />
    <p class="help">If a client supports both transports, use Streamable HTTP.</p>
  </div>`;
}

/** @param {{ value: string, onChange: (id: string) => void }} props */
function Chooser({ value, onChange }) {
  return html`<fieldset class="clients">
    <legend class="unseen">Client</legend>
    ${GROUPS.map(
      ({ title, ids }) => html`<div class="clients-group" key=${title}>
        <p class="muted small" aria-hidden="true">${title}</p>
        <div class="clients-row">
          ${ids.map((id) => html`<${ClientChoice} key=${id} id=${id} checked=${id === value} onChange=${onChange} />`)}
        </div>
      </div>`,
    )}
  </fieldset>`;
}

/** @param {{ id: string, checked: boolean, onChange: (id: string) => void }} props */
function ClientChoice({ id, checked, onChange }) {
  return html`<label class="choice-item">
    <input type="radio" name="client" value=${id} checked=${checked} onChange=${() => onChange(id)} />
    <span>${TITLES[id]}</span>
  </label>`;
}

const SAMPLE_WORKSPACE = { slug: 'x', sse_url: 'http://localhost/', http_url: 'http://localhost/' };
const TITLES = Object.fromEntries(IDS.map((id) => [id, guide(id, SAMPLE_WORKSPACE)?.title ?? id]));

/**
 * Creates a key for this client, in a protected hub.
 * @param {{ workspace: Workspace, client: string, made?: NewKey, onMade: (made: NewKey) => void }} props
 */
function KeySection({ workspace, client, made, onMade }) {
  if (made)
    return html`<div class="after key-made"><${Notice} tone="info">
      <p><strong>The key “${made.name}” was created.</strong> It gives access to this workspace only, and is filled in below. The hub does not show it again: copy it before you leave this page.</p>
      <${Copyable} name="Key" text=${made.token} label="key" />
      <p>You can revoke it on the page <a href=${href('keys')}>Keys</a>.</p>
    </${Notice}></div>`;
  const make = async () => {
    const { keys } = await api.get('/api/hub/keys');
    const taken = keys.map((/** @type {{ name: string }} */ key) => key.name);
    const name = freeName(`${client} ${workspace.slug}`, taken);
    const { token } = await api.post('/api/hub/keys', {}, { name, workspaces: [workspace.name] });
    onMade({ name, token });
  };
  return html`<div class="after key-part">
    <${Button} icon="key" onClick=${make}>Create a key for this client</${Button}>
    <p class="help">This hub requires a token from clients. A key is a token for this workspace only, and can be revoked separately (<a href=${href('keys')}>Keys</a>).</p>
  </div>`;
}

function NoToken() {
  return html`<p class="help">This hub requires no token. <a href=${href('keys')}>How to require one</a></p>`;
}

/** @param {{ guide: Guide, guarded: boolean }} props */
function Steps({ guide: { title, links, hubctl, writes, command, where, text, variable, note }, guarded }) {
  return html`<${Section} title=${title}>
    <div class="card steps-card" role="group" aria-label=${`How to connect ${title}`}>
      ${links.length > 0 && html`<div class="actions">${links.map((link) => html`<${Button} primary href=${link.href}>${link.label}</${Button}>`)}</div>`}
      ${command && html`<${Copyable} name="Command" text=${command} label=${`command of ${title}`} />`}
      ${hubctl && html`<${Copyable} name="hubctl" text=${hubctl} label="hubctl command" />`}
      ${hubctl && writes && html`<p class="help">On the hub’s machine, hubctl writes the client’s configuration file. It shows the change and asks for confirmation first; <code>--undo</code> reverts it.${guarded && ' It also creates a key for the client.'}</p>`}
      ${variable && html`<${Copyable} name="Set first" text=${variable} label="variable with the key" />`}
      <div class="snippet">
        <div class="snippet-head">
          <span class="muted small break">${where ? `In ${where}:` : hubctl && !writes ? 'Or paste:' : ''}</span>
          <${CopyButton} text=${text} label=${`${title} snippet`} />
        </div>
        <pre tabindex="0" role="region" aria-label=${`Snippet for ${title}`}>${text}</pre>
      </div>
      ${note && html`<p class="help">${note}</p>`}
    </div>
  </${Section}>`;
}
