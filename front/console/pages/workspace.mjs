/** Shows one workspace: its URLs, servers and problems. */

import { useState } from 'preact/hooks';
import { href, navigateLater } from '../router.mjs';
import { removeAlias } from '../hub/actions.mjs';
import { api, refresh, serversByKey, state, workspacesByName } from '../hub/store.mjs';
import {
  Button,
  Confirm,
  Copyable,
  Empty,
  Facts,
  html,
  Issues,
  Notice,
  Page,
  Section,
  StateBadge,
  toast,
} from '../ui.mjs';
import { displayName, workspaceState } from '../words.mjs';
import { Curated } from './curation/curation.mjs';
import { Duplicate } from './parts/duplicate.mjs';
import { HubToolsSection } from './workspace/hub_tools.mjs';
import { MissingServers } from './parts/missing_servers.mjs';
import { ServerTable } from './servers.mjs';
import { counts, WorkspaceSwitch } from './workspaces.mjs';

/** @typedef {import('../types.mjs').Workspace} Workspace */

const BACK = { href: href('workspaces'), label: 'Workspaces' };

/** @param {{ args: string[] }} props */
export default function WorkspacePage({ args: [name] }) {
  const workspace = workspacesByName.value.get(name);
  if (workspace) return html`<${WorkspaceDetails} workspace=${workspace} />`;
  if (!state.value)
    return html`<${Page} title=${displayName(name)} back=${BACK}><p class="muted" aria-busy="true">Loading…</p></${Page}>`;
  const back = html`<${Button} href=${BACK.href}>All workspaces</${Button}>`;
  return html`<${Page} title=${displayName(name)} back=${BACK}>
    <${Empty} title="There is no such workspace" actions=${back}>It was renamed or deleted, or its entry cannot be used.</${Empty}>
  </${Page}>`;
}

/** @param {{ workspace: Workspace }} props */
function WorkspaceDetails({ workspace }) {
  const { name, issues, error } = workspace;
  const [deleting, setDeleting] = useState(false);
  const [copying, setCopying] = useState(false);
  const actions = html`<${Button} icon="edit" href=${href('edit-workspace', [name])}>Edit</${Button}>
    <${Button} icon="copy" onClick=${() => setCopying(true)}>Duplicate</${Button}>
    <${Button} icon="trash" onClick=${() => setDeleting(true)}>Delete</${Button}>`;
  const lead = html`<div class="row"><${WorkspaceSwitch} workspace=${workspace} /><${StateBadge} workspace=${workspace} /><span>${counts(workspace)}</span></div>`;
  return html`<${Page} title=${displayName(name)} lead=${lead} actions=${actions} back=${BACK}>
    ${error && html`<div class="banner"><${Notice} error=${error} tone=${workspaceState(workspace).tone === 'bad' ? 'bad' : 'warn'} quiet><${MissingServers} workspace=${workspace} from=${2} /></${Notice}></div>`}
    <${Issues} issues=${issues} />
    <${Connect} workspace=${workspace} />
    <${Members} workspace=${workspace} />
    <${Curated} workspace=${workspace} />
    <${HubToolsSection} workspace=${workspace} />
    <${Details} workspace=${workspace} />
    ${copying && html`<${Duplicate} section="workspaces" name=${name} taken=${new Set(workspacesByName.value.keys())} onClose=${() => setCopying(false)} />`}
    ${deleting && html`<${DeleteDialog} workspace=${workspace} onClose=${() => setDeleting(false)} />`}
  </${Page}>`;
}

/** @param {{ workspace: Workspace }} props */
function Connect({ workspace }) {
  const { name, enabled, http_url, sse_url, direct_http_url, direct_sse_url } = workspace;
  const connect = html`<${Button} primary href=${href('connect', [name])}>Connect a client</${Button}>`;
  return html`<${Section} title="Addresses" actions=${connect}>
    <div class="card">
      ${!enabled && html`<p class="muted off-note">This workspace is switched off. Clients that connect now are told so, and get its tools once it is switched on.</p>`}
      <${Copyable} name="Streamable HTTP" text=${http_url} label="Streamable HTTP URL" />
      <${Copyable} name="SSE" text=${sse_url} label="SSE URL" />
      ${
        direct_http_url &&
        html`<details class="direct">
        <summary>Direct URLs, without the web front: slightly faster, on this machine only</summary>
        <${Copyable} name="Streamable HTTP" text=${direct_http_url} label="direct Streamable HTTP URL" />
        <${Copyable} name="SSE" text=${direct_sse_url} label="direct SSE URL" />
      </details>`
      }
    </div>
  </${Section}>`;
}

/** @param {{ workspace: Workspace }} props */
function Members({ workspace }) {
  const { name, servers } = workspace;
  const members = servers.flatMap((key) => serversByKey.value.get(key) ?? []);
  const add = html`<${Button} icon="edit" href=${href('edit-workspace', [name])}>Choose servers</${Button}>`;
  return html`<${Section} title="Servers" note=${members.length > 0 && 'A switch here applies to this workspace only. To switch a server off everywhere, open the server.'} actions=${members.length > 0 && add}>
    ${
      members.length > 0
        ? html`<${ServerTable} label="Servers of this workspace" servers=${members} workspace=${workspace} />`
        : html`<${Empty} icon="servers" title="No servers in this workspace" actions=${add}>Clients can connect, but find no tools.</${Empty}>`
    }
  </${Section}>`;
}

/** @param {{ workspace: Workspace }} props */
function Details({ workspace }) {
  const { name, slug, aliases, tools, resources, prompts, sessions, name_template, state: how } = workspace;
  const serves = how !== 'off' && how !== 'unknown';
  const open = html`<${Button} icon="tools" href=${href('tools', [], { workspace: name })}>Open tools</${Button}>`;
  return html`<${Section} title="Details" actions=${serves && open}>
    <div class="card">
      <${Facts}
        facts=${[
          ['Tools', serves && tools],
          ['Resources', serves && html`<a href=${href('resources', [], { workspace: name })}>${resources}</a>`],
          ['Prompts', serves && html`<a href=${href('prompts', [], { workspace: name })}>${prompts}</a>`],
          ['Sessions', serves && html`<a href=${href('sessions', [], { workspace: name })}>${sessions}</a>`],
          ['Tool name format', html`<code>${name_template}</code>`],
          ['URL slug', html`<code>${slug}</code>`],
          ['Earlier slugs', aliases.length > 0 && html`<${Aliases} workspace=${workspace} />`],
        ]}
      />
    </div>
  </${Section}>`;
}

/** Earlier slugs, whose URLs still work. @param {{ workspace: Workspace }} props */
function Aliases({ workspace: { name, aliases } }) {
  return html`<ul class="plain aliases">
    ${aliases.map(
      (alias) =>
        html`<li key=${alias}><code>${alias}</code> <button type="button" class="link" aria-label=${`Remove the earlier slug ${alias}`} onClick=${() => removeAlias(name, alias).catch(toast.error)}>Remove</button></li>`,
    )}
  </ul>
  <p class="help">URLs with these slugs still work, unless another workspace takes the slug.</p>`;
}

/** @param {{ workspace: Workspace, onClose: () => void }} props */
function DeleteDialog({ workspace: { name, sessions, servers, hash }, onClose }) {
  const confirm = async () => {
    const go = navigateLater();
    await api.del('/api/hub/workspaces', { name, ...(hash && { expect: hash }) });
    await refresh();
    onClose();
    toast(`${displayName(name)}: deleted`);
    go('workspaces');
  };
  return html`<${Confirm} title=${`Delete ${displayName(name)}?`} action="Delete workspace" onConfirm=${confirm} onClose=${onClose}>
    <p>Its URLs stop working${sessions > 0 ? `, and ${sessions === 1 ? 'the client' : `the ${sessions} clients`} connected to it can make no more calls` : ''}.</p>
    <p>${servers.length > 0 ? 'Its servers are not deleted, only removed from this workspace.' : 'No server is affected.'} To stop the workspace for a while, switch it off instead.</p>
  </${Confirm}>`;
}
