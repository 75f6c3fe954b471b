/** Shows all details of one server. */

import { useState } from 'preact/hooks';
import { scanState } from './trust/trust_words.mjs';
import { changeSettings, restartServer } from '../hub/actions.mjs';
import { href, navigateLater } from '../router.mjs';
import { api, refresh, serversByKey, state, workspacesByName } from '../hub/store.mjs';
import {
  Button,
  Confirm,
  CopyButton,
  Empty,
  Facts,
  html,
  Issues,
  ItemLink,
  Notice,
  Page,
  prose,
  Section,
  StateBadge,
  Time,
  toast,
} from '../ui.mjs';
import { displayName, serverState, size } from '../words.mjs';
import { ServerSwitch } from './servers.mjs';
import { Duplicate } from './parts/duplicate.mjs';
import { SettingsForm } from './parts/settings_form.mjs';
import { InstalledSection } from './server/installed.mjs';
import { SignIn } from './server/sign_in.mjs';

/** @typedef {import('../types.mjs').Server} Server */

const BACK = { href: href('servers'), label: 'Servers' };

/** @param {{ args: string[] }} props */
export default function ServerPage({ args: [key] }) {
  const server = serversByKey.value.get(key);
  if (server) return html`<${ServerDetails} server=${server} />`;
  if (!state.value)
    return html`<${Page} title=${displayName(key)} back=${BACK}><p class="muted" aria-busy="true">Loading…</p></${Page}>`;
  const back = html`<${Button} href=${BACK.href}>All servers</${Button}>`;
  return html`<${Page} title=${displayName(key)} back=${BACK}>
    <${Empty} title="There is no such server" actions=${back}>It was renamed or deleted.</${Empty}>
  </${Page}>`;
}

/** @param {{ server: Server }} props */
function ServerDetails({ server }) {
  const { key, issues, stale } = server;
  const usable = server.state !== 'invalid';
  const reason = usable ? server.reason : null; // else it is one of the issues
  const [deleting, setDeleting] = useState(false);
  const [copying, setCopying] = useState(false);
  const tone = serverState(server).tone;
  return html`<${Page} title=${displayName(key)} lead=${html`<${Lead} server=${server} />`} actions=${html`<${Actions} server=${server} onCopy=${() => setCopying(true)} onDelete=${() => setDeleting(true)} />`} back=${BACK}>
    <div class="stack">
      ${reason && html`<${Notice} error=${reason} tone=${tone === 'bad' ? 'bad' : tone === 'warn' ? 'warn' : 'info'} quiet><${StderrLine} server=${server} /><${Retry} server=${server} /></${Notice}>`}
      ${server.troubles.map((trouble) => html`<${Notice} error=${trouble} tone="warn" quiet key=${trouble.message} />`)}
      ${stale && html`<${Notice} tone="warn" quiet><p>The entry of this server in providers.json is invalid now. The hub runs the last valid version.</p></${Notice}>`}
      <${Issues} issues=${issues} />
      <${Hints} server=${server} />
    </div>
    <${SignIn} server=${server} />
    <${InstalledSection} name=${key} />
    <${ServerStatus} server=${server} />
    <${Stderr} server=${server} />
    <${Definition} server=${server} />
    ${
      usable &&
      html`<${Section} title="Settings" note="Stored in hub.json, next to YAMCP's files. Changes take effect immediately.">
      <${SettingsForm} key=${key} server=${server} />
    </${Section}>`
    }
    ${copying && html`<${Duplicate} section="servers" name=${key} taken=${new Set(serversByKey.value.keys())} onClose=${() => setCopying(false)} />`}
    ${deleting && html`<${DeleteDialog} server=${server} onClose=${() => setDeleting(false)} />`}
  </${Page}>`;
}

/** @param {{ server: Server }} props */
function Lead({ server }) {
  return html`<div class="row">
    <${ServerSwitch} server=${server} />
    <${StateBadge} server=${server} />
    ${server.since > 0 && html`<span>for <${Time} at=${server.since} plain /></span>`}
  </div>`;
}

/** @param {{ server: Server, onCopy: () => void, onDelete: () => void }} props */
function Actions({ server: { key, state: how }, onCopy, onDelete }) {
  const runs = how !== 'stopped' && how !== 'invalid' && how !== 'unknown';
  return html`
    ${runs && html`<${Button} icon="restart" onClick=${() => restartServer(key)}>Restart</${Button}>`}
    <${Button} icon="edit" href=${href('edit-server', [key])}>Edit</${Button}>
    <${Button} icon="copy" onClick=${onCopy}>Duplicate</${Button}>
    <${Button} icon="trash" onClick=${onDelete}>Delete</${Button}>
  `;
}

/** Shows the most informative line of its stderr. @param {{ server: Server }} props */
function StderrLine({ server: { stderr_line: line, reason } }) {
  if (!line || reason?.message.includes(line)) return null;
  return html`<p>Last output: <code class="break">${line}</code></p>`;
}

/** @param {{ server: Server }} props */
function Retry({ server: { attempts, retry_at } }) {
  if (!attempts && !retry_at) return null;
  return html`<p class="muted small">
    ${attempts > 0 && `${attempts === 1 ? '1 start' : `${attempts} starts`} failed. `}
    ${retry_at ? html`Next attempt: <${Time} at=${retry_at} due />.` : ''}
  </p>`;
}

/** Shows which features the server would offer with an instance for each client. @param {{ server: Server }} props */
function Hints({ server: { key, hints, settings } }) {
  const change = async () => {
    await changeSettings(key, { session: 'per_client' });
    toast(`${displayName(key)}: runs one process for each client now`);
  };
  return html`${hints.map(
    (hint) => html`<${Notice} tone="info" quiet key=${hint}>
      <p>${prose(hint)}</p>
      ${hint.includes('hubctl trust') && isAdmin() && html`<${Button} icon="shield" href=${trustOf(key)}>Look at the changes</${Button}>`}
      ${settings.session === 'shared' && hint.includes('per_client') && html`<${Button} onClick=${change}>Run one process for each client</${Button}>`}
    </${Notice}>`,
  )}`;
}

/** Return whether this page may ask for trust. */
const isAdmin = () => state.value?.hub.role !== 'owner';

/** @param {string} server */
const trustOf = (server) => href('trust', [], { server });

/** The state of the scan of its image or package. @param {{ server: Server }} props */
function ScanFact({ server: { key, scan } }) {
  const badge = html`<${StateBadge} ...${scanState(/** @type {NonNullable<Server['scan']>} */ (scan))} />`;
  return isAdmin() ? html`<a href=${trustOf(key)}>${badge}</a>` : badge;
}

/** @param {{ server: Server }} props */
function ServerStatus({ server }) {
  const {
    pids,
    instances,
    session,
    memory_bytes,
    restarts,
    attempts,
    retry_at,
    breaker,
    transport,
    era,
    server_name,
    server_version,
  } = server;
  const { tools, resources, prompts, calls_in_flight, since, state: how } = server;
  if (how === 'invalid' || how === 'unknown') return null;
  /** @type {[any, any][]} */
  const facts = [
    [
      how === 'ready' || how === 'degraded' ? 'Uptime' : 'In this state for',
      since > 0 && html`<${Time} at=${since} plain />`,
    ],
    ['Tools', tools],
    ['Resources', resources],
    ['Prompts', prompts],
    ['Calls in flight', calls_in_flight],
    ['Memory', memory_bytes > 0 && size(memory_bytes)],
    [pids.length === 1 ? 'Process' : 'Processes', pids.length > 0 && pids.join(', ')],
    ['Instances', session === 'per_client' && instances],
    ['Restarts', restarts],
    ['Failed starts', attempts > 0 && attempts],
    ['Circuit breaker', breaker === 'open' && 'Open: calls fail immediately'],
    ['Next attempt', retry_at && html`<${Time} at=${retry_at} due />`],
    ['Transport', TRANSPORTS[transport] ?? transport],
    ['Protocol', era && (era === 'modern' ? '2026-07-28 (stateless)' : 'Up to 2025-11-25')],
    ['Vulnerabilities', server.scan && html`<${ScanFact} server=${server} />`],
    ['Reported name', [server_name, server_version].filter(Boolean).join(' ')],
  ];
  return html`<${Section} title="Status"><div class="card"><${Facts} facts=${facts} /></div></${Section}>`;
}

/** @type {Record<string, string>} */
const TRANSPORTS = { stdio: 'stdio', sse: 'SSE', http: 'Streamable HTTP', websocket: 'WebSocket' };

/** @param {{ server: Server }} props */
function Stderr({ server: { key, stderr } }) {
  if (stderr.length === 0) return null;
  const text = stderr.join('\n');
  return html`<${Section} title="Last lines on stderr" actions=${html`<${CopyButton} text=${text} label=${`stderr of ${displayName(key)}`} />`}>
    <pre class="wrap stderr" tabindex="0" role="region" aria-label="Last lines on stderr">${text}</pre>
  </${Section}>`;
}

/** @param {{ server: Server }} props */
function Definition({ server }) {
  const { key, namespace, command, args = [], cwd, env = {}, url, headers = {}, workspaces } = server;
  const values = Object.entries(url ? headers : env);
  /** @type {[any, any][]} */
  const facts = [
    [url ? 'URL' : 'Command', (url ?? command) && html`<code class="break">${url ?? command}</code>`],
    [
      'Arguments',
      args.length > 0 &&
        html`<ol class="plain args">${args.map((arg) => html`<li><code class="break">${arg}</code></li>`)}</ol>`,
    ],
    ['Working directory', cwd && html`<code class="break">${cwd}</code>`],
    [
      url ? 'Headers' : 'Environment',
      values.length > 0 &&
        html`<ul class="plain args">${values.map(([name, value]) => html`<li><code class="break">${name}=${value === '********' ? '••••••' : value}</code></li>`)}</ul>`,
    ],
    ['Namespace', namespace !== key && html`<code>${namespace}</code>`],
    [
      'Workspaces',
      workspaces.length > 0
        ? html`<ul class="plain args">${workspaces.map((name) => html`<li><${ItemLink} page="workspaces" name=${name} />${isOffIn(key, name) && ' (switched off there)'}</li>`)}</ul>`
        : html`<span class="muted">None: clients cannot reach this server</span>`,
    ],
  ];
  const edit = html`<${Button} icon="edit" href=${href('edit-server', [key])}>Edit</${Button}>`;
  return html`<${Section} title="Definition" actions=${edit}><div class="card definition"><${Facts} facts=${facts} /></div></${Section}>`;
}

/** @param {string} key @param {string} workspace */
const isOffIn = (key, workspace) => workspacesByName.value.get(workspace)?.disabled_servers.includes(key) ?? false;

/** @param {{ server: Server, onClose: () => void }} props */
function DeleteDialog({ server: { key, workspaces, hash }, onClose }) {
  const confirm = async () => {
    const go = navigateLater();
    await api.del('/api/hub/servers', { key, ...(hash && { expect: hash }) });
    await refresh();
    onClose();
    toast(`${displayName(key)}: deleted`);
    go('servers');
  };
  return html`<${Confirm} title=${`Delete ${displayName(key)}?`} action="Delete server" onConfirm=${confirm} onClose=${onClose}>
    <p>Its definition is removed from providers.json${workspaces.length > 0 ? `, and its tools from ${workspaces.map(displayName).join(', ')}` : ''}. Calls in flight finish first.</p>
    <p>The hub keeps a copy of the file from before the change, secrets included, in its directory <code>backups</code>. To stop the server for a while, switch it off instead.</p>
  </${Confirm}>`;
}
