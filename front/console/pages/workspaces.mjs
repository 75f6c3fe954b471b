/** Shows all workspaces with their switches, states and URLs. */

import { useEffect, useState } from 'preact/hooks';
import { forgetSettings, pendingSwitches, switchWorkspace } from '../hub/actions.mjs';
import { matches, orderOptions, sorted, WORKSPACE_ORDERS } from '../data/lists.mjs';
import { href } from '../router.mjs';
import { serversByKey, state } from '../hub/store.mjs';
import { Button, Copyable, ItemLink, StateBadge, Switch } from '../ui/controls.mjs';
import { Field } from '../ui/form.mjs';
import { html } from '../ui/html.mjs';
import { Icon } from '../ui/icons.mjs';
import { Issues } from '../ui/notice.mjs';
import { Page } from '../ui/page.mjs';
import { count, displayName, OFF_HERE, serverState } from '../words.mjs';
import { AboutDemo, FirstSteps, isSample } from './parts/first_steps.mjs';
import { Pick, SelectionBar, useSelection } from './parts/selection.mjs';

const MAX_CHIPS = 12;
const MIN_FILTERED = 9; // workspaces

/** @typedef {import('../types.mjs').Workspace} Workspace */

/** The page. */
export default function Workspaces() {
  const [wanted, want] = useState('');
  const [order, setOrder] = useState('file');
  const { workspaces = [], hub } = state.value ?? {};
  const selection = useSelection(workspaces.map(({ name }) => name));
  const add = html`<${Button} primary icon="plus" href=${href('add-workspace')}>Add workspace</${Button}>`;
  const lead = 'Each workspace has one URL that offers the tools of all its servers.';
  if (!hub)
    return html`<${Page} title="Workspaces" lead=${lead}><p class="muted" aria-busy="true">Loading…</p></${Page}>`;
  if (workspaces.length === 0 && hub.adapter === 'away')
    return html`<${Page} title="Workspaces" lead=${lead}><p class="muted">The hub has not reported its workspaces yet.</p></${Page}>`;
  if (workspaces.length === 0)
    return html`<${Page} title="Workspaces" lead=${lead}><${FirstSteps} /><${LastChange} /></${Page}>`;
  const found = workspaces.filter((workspace) => matches(wanted, [workspace.name, ...workspace.servers]));
  const listed = sorted(found, WORKSPACE_ORDERS, order);
  const several = workspaces.length > 1;
  return html`<${Page} title="Workspaces" lead=${lead} actions=${add}>
    ${workspaces.length >= MIN_FILTERED && html`<div class="toolbar"><${Field} label="Find a workspace" hideLabel kind="search" value=${wanted} onInput=${want} attrs=${{ placeholder: 'Find a workspace' }} /><${Field} label="Order" hideLabel kind="select" value=${order} options=${orderOptions(WORKSPACE_ORDERS)} onInput=${setOrder} /></div>`}
    ${several && html`<${SelectionBar} kind="workspaces" listed=${listed.map(({ name }) => name)} selection=${selection} />`}
    ${isSample(workspaces) && html`<${AboutDemo} />`}
    <ul class="plain stack">${listed.map((workspace) => html`<${Card} key=${workspace.name} workspace=${workspace} selection=${several ? selection : undefined} />`)}</ul>
    ${listed.length === 0 && html`<p class="muted">No workspace has “${wanted}” in its name or servers.</p>`}
    <${LastChange} />
    <div class="after"><${Issues} issues=${hub.issues} remedy=${remedy} /></div>
  </${Page}>`;
}

/** The last change with its undo, whose module is loaded once there is a change: the first page does without it. */
function LastChange() {
  const [Undo, setUndo] = useState(/** @type {any} */ (null));
  const last = state.value?.hub.last_change;
  useEffect(() => {
    if (last) import('./parts/undo.mjs').then(({ UndoLast }) => setUndo(() => UndoLast), console.error);
  }, [Boolean(last)]);
  return Undo && html`<${Undo} />`;
}

/** @param {{ workspace: Workspace, selection?: import('./parts/selection.mjs').Selection }} props */
function Card({ workspace, selection }) {
  const { name, enabled, issues, error, pending } = workspace;
  const more = issues.filter((issue) => issue.severity !== 'info').length + (error ? 1 : 0);
  return html`<li class="card workspace ${enabled ? '' : 'is-off'}">
    <div class="workspace-head">
      ${selection && html`<${Pick} name=${name} selection=${selection} />`}
      <${WorkspaceSwitch} workspace=${workspace} />
      <div class="workspace-name">
        <h2><${ItemLink} page="workspaces" name=${name} /></h2>
        <p class="muted small">${counts(workspace)}</p>
      </div>
      <${StateBadge} workspace=${workspace} />
      <${Button} href=${href('connect', [name])} label=${`Connect a client to ${displayName(name)}`}>Connect</${Button}>
    </div>
    <${Urls} workspace=${workspace} />
    ${workspace.servers.length > 0 && html`<${Chips} workspace=${workspace} />`}
    ${more > 0 && html`<p class="small problem"><${Icon} name="warn" /><a href=${href('workspaces', [name])}>${count(more, 'problem')}<span class="unseen"> of ${displayName(name)}</span></a></p>`}
    ${pending > 0 && html`<p class="small problem"><${Icon} name="warn" /><a href=${href('workspaces', [name])}>${count(pending, 'new item')} ${pending === 1 ? 'waits' : 'wait'}<span class="unseen"> in ${displayName(name)}</span></a></p>`}
  </li>`;
}

/** @param {{ workspace: Workspace }} props */
export function WorkspaceSwitch({ workspace: { name, enabled } }) {
  return html`<${Switch}
    on=${enabled}
    target=${pendingSwitches.value.get(`workspace:${name}`)}
    label=${displayName(name)}
    onChange=${(/** @type {boolean} */ on) => switchWorkspace(name, on)}
  />`;
}

/** @param {Workspace} workspace */
export function counts({ servers, disabled_servers: off, ready, tools, sessions, state: how }) {
  if (how === 'off' || how === 'unknown') return count(servers.length, 'server');
  const parts = [`${ready} of ${count(servers.length - off.length, 'server')} ready`, count(tools, 'tool')];
  return [...parts, sessions > 0 && count(sessions, 'session')].filter(Boolean).join(' · ');
}

/** @param {{ workspace: Workspace }} props */
function Urls({ workspace: { name, http_url, sse_url } }) {
  return html`<div class="urls">
    <${Copyable} name="Streamable HTTP" text=${http_url} label=${`Streamable HTTP URL of ${displayName(name)}`} />
    <${Copyable} name="SSE" text=${sse_url} label=${`SSE URL of ${displayName(name)}`} />
  </div>`;
}

/** @param {{ workspace: Workspace }} props */
function Chips({ workspace: { name, servers, disabled_servers: off } }) {
  const rest = servers.length - MAX_CHIPS;
  const ready = (/** @type {string} */ key) => ['ready', 'sleeping'].includes(serversByKey.value.get(key)?.state ?? '');
  const order = rest > 0 ? [...servers].sort((a, b) => Number(ready(a)) - Number(ready(b))) : servers;
  return html`<ul class="plain chips" aria-label=${`Servers of ${displayName(name)}`}>
    ${order.slice(0, MAX_CHIPS).map((key) => html`<li key=${key}><${Chip} name=${key} off=${off.includes(key)} /></li>`)}
    ${rest > 0 && html`<li><a class="chip" href=${href('workspaces', [name])}>${rest} more</a></li>`}
  </ul>`;
}

/** @param {{ name: string, off: boolean }} props `off`: in this workspace alone */
function Chip({ name, off }) {
  const server = serversByKey.value.get(name);
  const { word, tone } = off ? OFF_HERE : server ? serverState(server) : { word: 'Unknown', tone: 'off' };
  const stateLabel =
    tone === 'ok' ? html`<span class="unseen">: ${word}</span>` : html`<span class="chip-state">${word}</span>`;
  return html`<a class="chip chip-${tone}" href=${href('servers', [name])}><span class="dot" aria-hidden="true"></span><span class="cut">${displayName(name)}</span>${stateLabel}</a>`;
}

/**
 * Return the action for an issue, if there is one: settings of something that does not exist can be removed.
 * @param {import('../types.mjs').Issue} issue
 */
export function remedy({ code, subject }) {
  if (code !== 'HUB_ENTRY_UNUSED') return null;
  return html`<${Button} label=${`Remove the settings of ${subject}`} onClick=${() => forgetSettings(subject)}>Remove these settings</${Button}>`;
}
