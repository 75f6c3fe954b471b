/** Shows all servers with their states and reasons. */

import { useState } from 'preact/hooks';
import { memberId, pendingSwitches, restartServer, switchMember, switchServer } from '../hub/actions.mjs';
import { failureReason } from '../data/failing.mjs';
import { matches, orderOptions, SERVER_ORDERS, sorted } from '../data/lists.mjs';
import { href } from '../router.mjs';
import { state } from '../hub/store.mjs';
import {
  Button,
  Choice,
  Empty,
  Field,
  html,
  Issues,
  ItemLink,
  Page,
  prose,
  StateBadge,
  Switch,
  Table,
  Time,
} from '../ui.mjs';
import { count, displayName, OFF_HERE, serverState, size } from '../words.mjs';
import { Export } from './parts/export.mjs';
import { Pick, SelectionBar, useSelection } from './parts/selection.mjs';
import { UndoLast } from './parts/undo.mjs';
import { remedy } from './workspaces.mjs';

/** @typedef {import('../types.mjs').Server} Server @typedef {import('../types.mjs').Workspace} Workspace */

/** The page. */
export default function Servers() {
  const { servers = [], hub } = state.value ?? {};
  const [exporting, setExporting] = useState(false);
  const actions = html`<${Button} icon="import" href=${href('import')}>Import</${Button}>
    ${servers.length > 0 && html`<${Button} onClick=${() => setExporting(true)}>Export</${Button}>`}
    <${Button} primary icon="plus" href=${href('add-server')}>Add server</${Button}>`;
  const lead = 'MCP servers that the hub runs. The workspaces share them.';
  if (!hub) return html`<${Page} title="Servers" lead=${lead}><p class="muted" aria-busy="true">Loading…</p></${Page}>`;
  if (servers.length === 0 && hub.adapter === 'away')
    return html`<${Page} title="Servers" lead=${lead}><p class="muted">The hub has not reported its servers yet.</p></${Page}>`;
  if (servers.length === 0)
    return html`<${Page} title="Servers" lead=${lead}>
      <${Empty} icon="servers" title="No servers yet" actions=${actions}>An MCP server is a local program or a URL that offers tools. Import the configuration of another client, or add a server.</${Empty}>
      <${UndoLast} />
    </${Page}>`;
  return html`<${Page} title="Servers" lead=${lead} actions=${actions}>
    <${ServerList} servers=${servers} />
    <${UndoLast} />
    ${exporting && html`<${Export} onClose=${() => setExporting(false)} />`}
    <div class="after"><${Issues} issues=${hub.issues} remedy=${remedy} /></div>
  </${Page}>`;
}

/** @param {Server} server */
const hasProblem = (server) =>
  ['warn', 'bad'].includes(serverState(server).tone) || server.issues.some((issue) => issue.severity === 'error');

/** @param {{ servers: Server[] }} props */
function ServerList({ servers }) {
  const [wanted, want] = useState('');
  const [which, choose] = useState('all');
  const [order, setOrder] = useState('file');
  const selection = useSelection(servers.map(({ key }) => key));
  const trouble = servers.filter(hasProblem).length;
  const found = servers.filter(
    (server) =>
      (which === 'all' || hasProblem(server)) &&
      matches(wanted, [server.key, server.namespace, server.command, server.url, ...server.workspaces]),
  );
  const listed = sorted(found, SERVER_ORDERS, order);
  const options = [
    { value: 'all', label: `All ${servers.length}` },
    { value: 'trouble', label: `With problems ${trouble}` },
  ];
  return html`
    ${
      servers.length > 3 &&
      html`<div class="toolbar">
      <${Field} label="Find a server" hideLabel kind="search" value=${wanted} onInput=${want} attrs=${{ placeholder: 'Find a server' }} />
      <${Choice} label="Which servers" value=${which} options=${options} onChange=${choose} />
      <${Field} label="Order" hideLabel kind="select" value=${order} options=${orderOptions(SERVER_ORDERS)} onInput=${setOrder} />
    </div>`
    }
    ${servers.length > 1 && html`<${SelectionBar} kind="servers" listed=${listed.map(({ key }) => key)} selection=${selection} />`}
    ${listed.length > 0 ? html`<${ServerTable} label="Servers" servers=${listed} selection=${servers.length > 1 ? selection : undefined} />` : html`<p class="muted">${wanted === '' ? 'No server has a problem.' : `No server matches “${wanted}”.`}</p>`}
  `;
}

/** Return a figure if the sidecar reports it. @param {Server} server @param {number} figure */
function ifReported({ state: how }, figure) {
  return how === 'unknown' || how === 'invalid' ? '–' : figure;
}

/**
 * @param {{ label: string, servers: Server[], workspace?: Workspace,
 *   selection?: import('./parts/selection.mjs').Selection }} props `workspace`: the one whose members these are;
 *   switches act in it alone
 */
export function ServerTable({ label, servers, workspace, selection }) {
  /** @type {any[]} */
  const columns = [
    {
      id: 'select',
      title: 'Select',
      hide: true,
      cell: (/** @type {Server} */ server) => html`<${Pick} name=${server.key} selection=${selection} />`,
    },
    {
      id: 'switch',
      title: 'On or off',
      hide: true,
      cell: (/** @type {Server} */ server) =>
        workspace
          ? html`<${MemberSwitch} server=${server} workspace=${workspace} />`
          : html`<${ServerSwitch} server=${server} />`,
    },
    {
      id: 'name',
      title: 'Server',
      bare: true,
      cell: (/** @type {Server} */ server) => html`<${NameCell} server=${server} />`,
    },
    {
      id: 'state',
      title: 'State',
      cell: (/** @type {Server} */ server) => html`<${StateBadge} ...${badgeOf(server, workspace)} />`,
    },
    {
      id: 'tools',
      title: 'Tools',
      align: 'end',
      cell: (/** @type {Server} */ server) => ifReported(server, server.tools),
    },
    {
      id: 'memory',
      title: 'Memory',
      align: 'end',
      cell: (/** @type {Server} */ server) => (server.memory_bytes ? size(server.memory_bytes) : '–'),
    },
    {
      id: 'since',
      title: 'In state for',
      align: 'end',
      cell: (/** @type {Server} */ server) => html`<${Time} at=${server.since} plain />`,
    },
    {
      id: 'restarts',
      title: 'Restarts',
      align: 'end',
      cell: (/** @type {Server} */ server) => ifReported(server, server.restarts),
    },
    {
      id: 'workspaces',
      title: 'Workspaces',
      cell: (/** @type {Server} */ server) => html`<${InWorkspaces} names=${server.workspaces} />`,
    },
    {
      id: 'restart',
      title: 'Restart',
      hide: true,
      cell: (/** @type {Server} */ server) => html`<${Restart} server=${server} />`,
    },
  ];
  const left = columns.filter(({ id }) => (id !== 'workspaces' || !workspace) && (id !== 'select' || selection));
  return html`<${Table} label=${label} columns=${left} rows=${servers} rowKey=${(/** @type {Server} */ server) => server.key} />`;
}

/** @param {{ server: Server }} props */
function NameCell({ server }) {
  const why = hasProblem(server) ? failureReason(server) : '';
  return html`<div class="server-name"><${ItemLink} page="servers" name=${server.key} /><${TrustChip} server=${server} /></div>
    <div class="muted small cut launch mono">${launchText(server)}</div>
    ${why && html`<div class="small why why-${serverState(server).tone}">${prose(why)}</div>`}`;
}

/** Tells of changes that wait, and of known vulnerabilities. @param {{ server: Server }} props */
function TrustChip({ server: { key, changes, scan } }) {
  const texts = [changes > 0 && count(changes, 'change waits', 'changes wait'), scan === 'found' && 'vulnerable'];
  const text = texts.filter(Boolean).join(', ');
  if (!text || state.value?.hub.role === 'owner') return null;
  return html` <a class="badge badge-warn" href=${href('trust', [], { server: key })}>${text}</a>`;
}

/** Return the command line or URL of a server, on one line. @param {Server} server */
export function launchText({ command, args = [], url }) {
  return url ?? [command, ...args].filter(Boolean).join(' ');
}

/** @param {{ server: Server, label?: string }} props */
export function ServerSwitch({ server: { key, enabled, state: how } }) {
  if (how === 'invalid') return null;
  return html`<${Switch}
    on=${enabled}
    target=${pendingSwitches.value.get(`server:${key}`)}
    label=${displayName(key)}
    onChange=${(/** @type {boolean} */ on) => switchServer(key, on)}
  />`;
}

/** The switch of a server in one workspace. @param {{ server: Server, workspace: Workspace }} props */
function MemberSwitch({ server: { key, state: how }, workspace: { name, disabled_servers: off } }) {
  if (how === 'invalid') return null;
  return html`<${Switch}
    on=${!off.includes(key)}
    target=${pendingSwitches.value.get(memberId(name, key))}
    label=${`${displayName(key)} in ${displayName(name)}`}
    onChange=${(/** @type {boolean} */ on) => switchMember(name, key, on)}
  />`;
}

/** Return the state badge of a server, for a workspace. @param {Server} server @param {Workspace} [workspace] */
function badgeOf(server, workspace) {
  if (workspace && !server.enabled) return { tone: 'off', word: 'Off everywhere' };
  return workspace?.disabled_servers.includes(server.key) ? OFF_HERE : { server };
}

/** @param {{ server: Server }} props */
function Restart({ server: { key, state: how } }) {
  if (how === 'invalid' || how === 'stopped' || how === 'unknown') return null;
  return html`<${Button} icon="restart" quiet label=${`Restart ${displayName(key)}`} onClick=${() => restartServer(key)} />`;
}

/** @param {{ names: string[] }} props */
function InWorkspaces({ names }) {
  if (names.length === 0) return html`<span class="muted">none</span>`;
  const others = names.slice(1).map(displayName).join(', ');
  return html`<div class="in-workspaces">
    <span class="cut"><${ItemLink} page="workspaces" name=${names[0]} /></span>
    ${others && html`<span class="muted" title=${others}>+${names.length - 1}<span class="unseen"> (${others})</span></span>`}
  </div>`;
}
