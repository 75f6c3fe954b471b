/** The frame of the pages that show a workspace's tools, prompts and resources. */

import { useEffect, useMemo, useState } from 'preact/hooks';
import { missingServers } from '../../data/failing.mjs';
import { serversByKey, state, workspacesByName } from '../../hub/store.mjs';
import { href, navigate } from '../../router.mjs';
import { style } from '../../style.mjs';
import { announce, Button, Empty, Field, html, Icon, Notice, Page, StateBadge } from '../../ui.mjs';
import { Subnav } from '../../ui/subnav.mjs';
import { count, displayName } from '../../words.mjs';
import { FirstSteps } from './first_steps.mjs';
import { MissingServers } from './missing_servers.mjs';

await style('styles/tools.css');

/**
 * @typedef {import('../../types.mjs').Workspace} Workspace
 * @typedef {'tools' | 'prompts' | 'resources'} Kind  a page, and what it shows
 * @typedef {{ id: string, name: string, title?: string, description?: string }} Entry  an item as the list shows it
 */

const TYPING = 150; // ms without a key before the hub is asked

/** @type {Record<Kind, { title: string, one: string, choose: string }>} */
const KINDS = {
  tools: {
    title: 'Tools',
    one: 'tool',
    choose: 'Its input and output schemas are shown here, with a form to call it.',
  },
  prompts: {
    title: 'Prompts',
    one: 'prompt',
    choose: 'Its arguments are shown here, with a form to get its messages.',
  },
  resources: { title: 'Resources', one: 'resource', choose: 'Its description is shown here, with a form to read it.' },
};

/**
 * @param {{ kind: Kind, lead: string, name: string|undefined, show: (workspace: Workspace) => any }} props `name`: of
 *   the workspace in the address; without it the first one that has such items
 */
export function ExplorerPage({ kind, lead, name: requested, show }) {
  const workspaces = state.value?.workspaces ?? [];
  const name = requested ?? (workspaces.find((each) => each.enabled && each[kind] > 0) ?? workspaces[0])?.name;
  const workspace = workspacesByName.value.get(name ?? '');
  const { title } = KINDS[kind];
  if (workspaces.length === 0 && state.value) {
    return html`<${Page} title=${title} lead=${lead}><${FirstSteps} /></${Page}>`;
  }
  return html`<${Page} title=${title} lead=${lead} actions=${html`<${Picker} kind=${kind} workspaces=${workspaces} picked=${name} />`}>
    <${Kinds} current=${kind} workspace=${name} />
    ${workspace ? show(workspace) : html`<${Unknown} name=${name} />`}
  </${Page}>`;
}

/** @param {{ current: Kind, workspace: string|undefined }} props */
function Kinds({ current, workspace }) {
  const links = Object.entries(KINDS).map(([kind, { title }]) => ({
    href: href(kind, [], workspace === undefined ? {} : { workspace }),
    title,
    current: kind === current,
  }));
  return html`<${Subnav} label="Tools, prompts and resources" links=${links} />`;
}

/** @param {{ kind: Kind, workspaces: Workspace[], picked: string|undefined }} props */
function Picker({ kind, workspaces, picked }) {
  return html`<${Field}
    label="Workspace"
    kind="select"
    value=${picked}
    onInput=${(/** @type {string} */ workspace) => navigate(kind, [], { workspace })}
    options=${workspaces.map((each) => ({ value: each.name, label: `${displayName(each.name)}${each.enabled ? '' : ' (off)'}` }))}
  />`;
}

/** @param {{ name: string|undefined }} props */
function Unknown({ name }) {
  if (!state.value) return html`<p class="muted" aria-busy="true">Loading…</p>`;
  return html`<${Empty} icon="tools" title=${`There is no workspace ${displayName(name ?? '')}`}><p>Choose another workspace above.</p></${Empty}>`;
}

/**
 * Return a workspace's items, requested again whenever their number changes.
 *
 * @template T
 * @param {Workspace} workspace
 * @param {number} many how many the hub says that there are
 * @param {(workspace: string) => Promise<T[]>} read
 * @returns {{ items?: T[], error?: any, load: () => Promise<void> }}
 */
export function useItems(workspace, many, read) {
  const [found, setFound] = useState(/** @type {{ items?: T[], error?: any }} */ ({}));
  const { name, enabled, ready, state: how } = workspace;
  const load = async () => {
    try {
      setFound({ items: await read(name) });
    } catch (error) {
      setFound({ error });
    }
  };
  useEffect(() => {
    if (enabled) load();
  }, [name, enabled, many, ready, how]);
  return { ...found, load };
}

/**
 * The list, and beside it the selected item.
 *
 * @template T
 * @param {object} props
 * @param {Kind} props.kind
 * @param {Workspace} props.workspace
 * @param {ReturnType<typeof useItems<T>>} props.found
 * @param {(items: T[], search: string) => { server: string, items: T[] }[]} props.group
 * @param {(item: T) => Entry} props.entry
 * @param {(text: string) => Promise<string[]>} [props.find] returns the ids of what fits a text best, the best first
 * @param {string|undefined} props.picked id of an entry
 * @param {(item: T) => any} props.detail
 */
export function Explorer({ kind, workspace, found, group, entry, find, picked, detail }) {
  const { items, error, load } = found;
  const { one, choose } = KINDS[kind];
  if (!workspace.enabled) return html`<${Off} kind=${kind} workspace=${workspace} />`;
  if (error)
    return html`<${Notice} error=${error}><${Button} icon="restart" onClick=${load}>Try again</${Button}></${Notice}>`;
  if (!items) return html`<p class="muted" aria-busy="true">Loading…</p>`;
  if (items.length === 0) return html`<${None} kind=${kind} workspace=${workspace} onLoad=${load} />`;
  const current = picked === undefined ? undefined : items.find((item) => entry(item).id === picked);
  return html`<${Missing} kind=${kind} workspace=${workspace} /><div class="explorer ${current ? 'explorer-picked' : ''}">
    <${List} kind=${kind} workspace=${workspace} items=${items} group=${group} entry=${entry} find=${find} picked=${picked} onLoad=${load} />
    <div class="explorer-detail">
      ${current && detail(current)}
      ${!current && picked && html`<${Notice} tone="warn"><p>There is no ${one} <code>${picked}</code> in this workspace now.</p></${Notice}>`}
      ${!current && !picked && html`<${Empty} icon="tools" title="Choose a ${one}"><p>${choose}</p></${Empty}>`}
    </div>
  </div>`;
}

/** Shows the servers of the workspace whose items are missing. @param {{ kind: Kind, workspace: Workspace }} props */
function Missing({ kind, workspace }) {
  if (missingServers(workspace, serversByKey.value).length === 0) return null;
  return html`<div class="banner"><${Notice} tone="warn" quiet>
    <p>The ${kind} of these servers are missing:</p>
    <${MissingServers} workspace=${workspace} />
  </${Notice}></div>`;
}

/** @param {{ kind: Kind, workspace: Workspace }} props */
function Off({ kind, workspace }) {
  const actions = html`<${Button} primary href=${href('workspaces', [workspace.name])}>Go to workspace</${Button}>`;
  return html`<${Empty} icon="tools" title=${`${displayName(workspace.name)} is switched off`} actions=${actions}>
    <p>Clients cannot use its ${kind}. Switch the workspace on to see them.</p>
  </${Empty}>`;
}

/** @param {{ kind: Kind, workspace: Workspace, onLoad: () => any }} props */
function None({ kind, workspace, onLoad }) {
  const actions = html`<${Button} href=${href('workspaces', [workspace.name])}>Go to workspace</${Button}>
    <${Button} icon="restart" onClick=${onLoad}>Refresh</${Button}>`;
  return html`<${Empty} icon="tools" title="No ${kind} available" actions=${actions}>
    <p><${StateBadge} workspace=${workspace} /> ${workspace.ready} of ${count(workspace.servers.length, 'server')} ready.</p>
    <${MissingServers} workspace=${workspace} />
  </${Empty}>`;
}

/**
 * @param {{ kind: Kind, workspace: Workspace, items: any[], group: (items: any[], search: string) => { server: string, items: any[] }[],
 *           entry: (item: any) => Entry, find?: (text: string) => Promise<string[]>, picked: string|undefined,
 *           onLoad: () => any }} props
 */
function List({ kind, workspace, items, group, entry, find, picked, onLoad }) {
  const [search, setSearch] = useState('');
  const best = useBest(search, items, (item) => entry(item).id, find);
  const filtered = useMemo(() => group(items, search), [items, search, workspace]);
  const groups = best.length > 0 ? [{ server: 'Best matches', items: best }] : filtered;
  const many = groups.reduce((sum, each) => sum + each.items.length, 0);
  const { one } = KINDS[kind];
  useEffect(() => {
    if (search) announce(`${count(many, one)} found`);
  }, [search, many]);
  return html`<nav class="explorer-list" aria-label="${KINDS[kind].title} of ${displayName(workspace.name)}">
    <div class="explorer-search">
      <${Field} label="Search ${kind}" hideLabel kind="search" value=${search} onInput=${setSearch} attrs=${{ placeholder: `Search ${count(items.length, one)}` }} />
      <${Button} icon="restart" quiet label="Refresh the list of ${kind}" onClick=${onLoad} />
    </div>
    <div class="explorer-scroll">
      ${groups.map(
        ({ server, items: of }) => html`<section key=${server} aria-label=${server || 'Unknown server'}>
          <h2 class="explorer-server">${server || 'Unknown server'} <span class="muted">${of.length}</span></h2>
          <ul class="plain">
            ${of.map((/** @type {any} */ item) => html`<${Item} key=${entry(item).id} kind=${kind} workspace=${workspace.name} entry=${entry(item)} picked=${picked} />`)}
          </ul>
        </section>`,
      )}
      ${many === 0 && html`<p class="muted explorer-none">No ${one} has “${search}” in its name, title or description.</p>`}
    </div>
  </nav>`;
}

/**
 * Return the items that fit a text best, as `find` ranks them; none without `find` or before its answer.
 *
 * @template T
 * @param {string} search @param {T[]} items @param {(item: T) => string} idOf
 * @param {((text: string) => Promise<string[]>)|undefined} find
 * @returns {T[]}
 */
function useBest(search, items, idOf, find) {
  const [answer, setAnswer] = useState({ search: '', ids: /** @type {string[]} */ ([]) });
  const text = find ? search.trim() : '';
  useEffect(() => {
    if (!find || text === '') return undefined;
    const take = (/** @type {string[]} */ ids) => setAnswer({ search: text, ids });
    const timer = setTimeout(() => find(text).then(take, () => take([])), TYPING);
    return () => clearTimeout(timer);
  }, [text]);
  if (text === '' || answer.search !== text) return [];
  const known = new Map(items.map((item) => [idOf(item), item]));
  return answer.ids.flatMap((id) => known.get(id) ?? []);
}

/** @param {{ kind: Kind, workspace: string, entry: Entry, picked: string|undefined }} props */
function Item({ kind, workspace, entry: { id, name, title, description }, picked }) {
  return html`<li>
    <a class="tool-item" href=${href(kind, [], { workspace, [KINDS[kind].one]: id })} aria-current=${id === picked ? 'true' : undefined}>
      <code>${name}</code>
      ${title && html`<span class="tool-title">${title}</span>`}
      ${description && html`<span class="tool-description">${description.split('\n')[0]}</span>`}
    </a>
  </li>`;
}

/** A link back to the list, shown on narrow screens. @param {{ kind: Kind, workspace: string }} props */
export function BackToList({ kind, workspace }) {
  return html`<a class="back explorer-back" href=${href(kind, [], { workspace })}><${Icon} name="back" />All ${kind}</a>`;
}
