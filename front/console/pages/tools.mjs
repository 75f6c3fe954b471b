/** The tool explorer: every tool of a workspace as its clients see it, to read and to try. */

import { useEffect, useMemo, useState } from 'preact/hooks';
import { href, navigate } from '../router.mjs';
import { missingServers } from '../data/failing.mjs';
import { api, serversByKey, state, workspacesByName } from '../hub/store.mjs';
import { style } from '../style.mjs';
import { grouped, serverOf } from '../data/tool_list.mjs';
import { announce, Button, Empty, Field, html, Notice, Page, StateBadge } from '../ui.mjs';
import { count, shown } from '../words.mjs';
import { FirstSteps } from './parts/first_steps.mjs';
import { MissingServers } from './parts/missing_servers.mjs';
import { ToolDetail } from './tool.mjs';

await style('styles/tools.css');

/** @typedef {import('../types.mjs').Workspace} Workspace @typedef {import('../data/tool_list.mjs').Tool} Tool */

/** @param {{ query: Record<string, string> }} props  `workspace` and `tool` */
export default function Tools({ query }) {
  const workspaces = state.value?.workspaces ?? [];
  const name = query.workspace ?? (workspaces.find((each) => each.enabled && each.tools > 0) ?? workspaces[0])?.name;
  const workspace = workspacesByName.value.get(name ?? '');
  const lead = 'What an agent finds in a workspace. Read it, and try it.';
  if (workspaces.length === 0 && state.value) {
    return html`<${Page} title="Tools" lead=${lead}><${FirstSteps} /></${Page}>`;
  }
  return html`<${Page} title="Tools" lead=${lead} actions=${html`<${Picker} workspaces=${workspaces} picked=${name} />`}>
    ${workspace ? html`<${Explorer} key=${name} workspace=${workspace} tool=${query.tool} />` : html`<${Unknown} name=${name} />`}
  </${Page}>`;
}

/** @param {{ workspaces: Workspace[], picked: string|undefined }} props */
function Picker({ workspaces, picked }) {
  return html`<${Field}
    label="Workspace"
    kind="select"
    value=${picked}
    onInput=${(/** @type {string} */ workspace) => navigate('tools', [], { workspace })}
    options=${workspaces.map((each) => ({ value: each.name, label: `${shown(each.name)}${each.enabled ? '' : ' (off)'}` }))}
  />`;
}

/** @param {{ name: string|undefined }} props */
function Unknown({ name }) {
  if (!state.value) return html`<p class="muted" aria-busy="true">Loading…</p>`;
  return html`<${Empty} icon="tools" title=${`There is no workspace ${shown(name ?? '')}`}><p>Choose another one above.</p></${Empty}>`;
}

/** @param {{ workspace: Workspace, tool: string|undefined }} props */
function Explorer({ workspace, tool: picked }) {
  const { tools, error, load } = useTools(workspace);
  const current = tools?.find((each) => each.name === picked);
  if (!workspace.enabled) return html`<${Off} workspace=${workspace} />`;
  if (error)
    return html`<${Notice} error=${error}><${Button} icon="restart" onClick=${load}>Try again</${Button}></${Notice}>`;
  if (!tools) return html`<p class="muted" aria-busy="true">Loading…</p>`;
  if (tools.length === 0) return html`<${None} workspace=${workspace} onLoad=${load} />`;
  return html`<${Missing} workspace=${workspace} /><div class="explorer ${current ? 'explorer-picked' : ''}">
    <${List} workspace=${workspace} tools=${tools} picked=${picked} onLoad=${load} />
    <div class="explorer-detail">
      ${current && html`<${ToolDetail} key=${current.name} workspace=${workspace} tool=${current} server=${serverOf(current.name, workspace, servers())} />`}
      ${!current && picked && html`<${Notice} tone="warn"><p>There is no tool <code>${picked}</code> in this workspace now.</p></${Notice}>`}
      ${!current && !picked && html`<${Empty} icon="tools" title="Choose a tool"><p>See what it takes and answers, and call it.</p></${Empty}>`}
    </div>
  </div>`;
}

/** What is not in the list, though it is of the workspace. @param {{ workspace: Workspace }} props */
function Missing({ workspace }) {
  if (missingServers(workspace, serversByKey.value).length === 0) return null;
  return html`<div class="banner"><${Notice} tone="warn" quiet>
    <p>The tools of these servers are missing:</p>
    <${MissingServers} workspace=${workspace} />
  </${Notice}></div>`;
}

const servers = () => state.value?.servers ?? [];

/** The workspace's tools, asked for again whenever what the hub says of it changes. @param {Workspace} workspace */
function useTools(workspace) {
  const [found, setFound] = useState(/** @type {{ tools?: Tool[], error?: any }} */ ({}));
  const { name, enabled, tools, ready, state: how } = workspace;
  const load = async () => {
    try {
      setFound({ tools: (await api.get('/api/hub/tools', { workspace: name })).tools });
    } catch (error) {
      setFound({ error });
    }
  };
  useEffect(() => {
    if (enabled) load();
  }, [name, enabled, tools, ready, how]);
  return { ...found, load };
}

/** @param {{ workspace: Workspace }} props */
function Off({ workspace }) {
  const actions = html`<${Button} primary href=${href('workspaces', [workspace.name])}>To the workspace</${Button}>`;
  return html`<${Empty} icon="tools" title=${`${shown(workspace.name)} is switched off`} actions=${actions}>
    <p>Nobody can call its tools. Switch it on to see them.</p>
  </${Empty}>`;
}

/** @param {{ workspace: Workspace, onLoad: () => any }} props */
function None({ workspace, onLoad }) {
  const actions = html`<${Button} href=${href('workspaces', [workspace.name])}>To the workspace</${Button}>
    <${Button} icon="restart" onClick=${onLoad}>Look again</${Button}>`;
  return html`<${Empty} icon="tools" title="No tools here now" actions=${actions}>
    <p><${StateBadge} workspace=${workspace} /> ${workspace.ready} of ${count(workspace.servers.length, 'server')} ready.</p>
    <${MissingServers} workspace=${workspace} />
  </${Empty}>`;
}

/** @param {{ workspace: Workspace, tools: Tool[], picked: string|undefined, onLoad: () => any }} props */
function List({ workspace, tools, picked, onLoad }) {
  const [search, setSearch] = useState('');
  const groups = useMemo(() => grouped(tools, search, workspace, servers()), [tools, search, workspace]);
  const many = groups.reduce((sum, group) => sum + group.tools.length, 0);
  useEffect(() => {
    if (search) announce(`${count(many, 'tool')} found`);
  }, [search, many]);
  return html`<nav class="explorer-list" aria-label="Tools of ${shown(workspace.name)}">
    <div class="explorer-search">
      <${Field} label="Search tools" hideLabel kind="search" value=${search} onInput=${setSearch} attrs=${{ placeholder: `Search ${count(tools.length, 'tool')}` }} />
      <${Button} icon="restart" quiet label="Look for tools again" onClick=${onLoad} />
    </div>
    <div class="explorer-scroll">
      ${groups.map(
        (group) => html`<section key=${group.server} aria-label=${group.server || 'Server unknown'}>
          <h2 class="explorer-server">${group.server || 'Server unknown'} <span class="muted">${group.tools.length}</span></h2>
          <ul class="plain">
            ${group.tools.map((tool) => html`<${Item} key=${tool.name} tool=${tool} workspace=${workspace.name} picked=${tool.name === picked} />`)}
          </ul>
        </section>`,
      )}
      ${many === 0 && html`<p class="muted explorer-none">No tool has “${search}” in its name, title or description.</p>`}
    </div>
  </nav>`;
}

/** @param {{ tool: Tool, workspace: string, picked: boolean }} props */
function Item({ tool, workspace, picked }) {
  const title = tool.title ?? tool.annotations?.title;
  return html`<li>
    <a class="tool-item" href=${href('tools', [], { workspace, tool: tool.name })} aria-current=${picked ? 'true' : undefined}>
      <code>${tool.name}</code>
      ${title && html`<span class="tool-title">${title}</span>`}
      ${tool.description && html`<span class="tool-said">${tool.description.split('\n')[0]}</span>`}
    </a>
  </li>`;
}
