/** Add or edit a workspace. */

import { useEffect, useState } from 'preact/hooks';
import { storedMembers } from '../hub/actions.mjs';
import { matches } from '../data/lists.mjs';
import {
  DEFAULT_TEMPLATE,
  exampleName,
  membersOf,
  moved,
  pickedKeys,
  slugFault,
  templateFault,
  toggled,
} from '../forms/members.mjs';
import { href, navigateLater } from '../router.mjs';
import { api, refresh, serversByKey, state, workspacesByName } from '../hub/store.mjs';
import { Button, Checkbox, Empty, Field, html, Notice, Page, StateBadge, toast } from '../ui.mjs';
import { count, displayName } from '../words.mjs';

/** @typedef {import('../forms/members.mjs').Members} Members @typedef {import('../types.mjs').Workspace} Workspace */

const MIN_FILTERED = 9; // servers

/** @param {{ args: string[], query: Record<string, string> }} props */
export default function WorkspacePage({ args: [name] }) {
  const editing = name !== undefined;
  const [workspace] = useState(() => workspacesByName.value.get(name));
  const [stored, setStored] = useState(/** @type {string[]|null} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  useEffect(() => {
    if (editing) storedMembers(name).then((members) => setStored(members ?? workspace?.servers ?? []), setError);
  }, [name]);
  const back = editing
    ? { href: href('workspaces', [name]), label: displayName(name) }
    : { href: href('workspaces'), label: 'Workspaces' };
  const title = editing ? `Edit ${displayName(name)}` : 'Add a workspace';
  const frame = (/** @type {any} */ inside) => html`<${Page} title=${title} back=${back}>${inside}</${Page}>`;
  if (error) return frame(html`<${Notice} error=${error} />`);
  if (editing && !workspace) return frame(html`<${Empty} title="There is no such workspace" />`);
  if (editing && !stored) return frame(html`<p class="muted" aria-busy="true">Loading…</p>`);
  return frame(html`<${WorkspaceForm} workspace=${workspace} stored=${stored ?? []} />`);
}

const RECORDS = [
  { value: 'off', label: 'Nothing of them' },
  { value: 'sizes', label: 'Their sizes' },
  { value: 'redacted', label: 'Their text, secrets masked by name too' },
  { value: 'full', label: 'Their text' },
];

/**
 * @param {{ workspace?: Workspace, stored: string[] }} props `stored`: its members as the file has them
 */
function WorkspaceForm({ workspace, stored }) {
  const [name, setName] = useState(workspace?.name ?? '');
  const [template, setTemplate] = useState(workspace?.name_template || DEFAULT_TEMPLATE);
  const [slug, setSlug] = useState(ownSlug(workspace));
  const [record, setRecord] = useState(String(workspace?.record ?? 'off'));
  const [members, setMembers] = useState(() =>
    membersOf(
      stored,
      (state.value?.servers ?? []).map(({ key }) => key),
    ),
  );
  const [expect, setExpect] = useState(workspace?.hash);
  const [tried, setTried] = useState(false);
  const [error, setError] = useState(/** @type {any} */ (null));
  const [busy, setBusy] = useState(false);
  const picked = pickedKeys(members);
  const faults = {
    name: nameFault(name, workspace),
    template: templateFault(template, picked.length),
    slug: slugFault(slug),
  };
  const save = async (/** @type {string} */ over = '') => {
    setTried(true);
    if (faults.name || faults.template || faults.slug) return focusFirstError();
    const go = navigateLater();
    setBusy(true);
    setError(null);
    try {
      await write(workspace, stored, { name, servers: picked, template, slug, record, expect: over || expect });
      toast(`${displayName(name)}: saved`);
      go('workspaces', [name]);
    } catch (reason) {
      setError(reason);
    }
    setBusy(false);
  };
  const conflict = error?.code === 'EDIT_CONFLICT';
  return html`<form class="form" noValidate onSubmit=${(/** @type {Event} */ event) => [event.preventDefault(), save()]}>
    <div class="card">
      <${Field} label="Name" required value=${name} onInput=${setName} error=${tried && faults.name} help=${workspace ? 'A renamed workspace keeps its settings, and its earlier URLs still work.' : 'Any text.'} />
      <${MembersField} members=${members} onChange=${setMembers} />
      <${TemplateField} template=${template} picked=${picked} onInput=${setTemplate} fault=${faults.template} />
      <${SlugField} slug=${slug} workspace=${workspace} onInput=${setSlug} fault=${faults.slug} />
      <${Field} label="In the history" kind="select" value=${record} options=${RECORDS} onInput=${setRecord} help="What the history records of arguments and results, for servers without this setting." />
    </div>
    ${error && !conflict && html`<div class="after"><${Notice} error=${error} /></div>`}
    ${
      conflict &&
      workspace &&
      html`<${Conflict} workspace=${workspace} onTake=${(
        /** @type {string[]} */ theirs,
        /** @type {string} */ hash,
      ) => {
        setMembers(membersOf(theirs, members.keys));
        setExpect(hash);
        setError(null);
      }} onOverwrite=${() => save(error.data?.hash ?? workspacesByName.value.get(workspace.name)?.hash)} />`
    }
    <div class="form-foot">
      <${Button} type="submit" primary busy=${busy}>${workspace ? 'Save' : 'Add workspace'}</${Button}>
      <${Button} quiet href=${workspace ? href('workspaces', [workspace.name]) : href('workspaces')}>Cancel</${Button}>
    </div>
  </form>`;
}

/**
 * @param {Workspace|undefined} workspace
 * @param {string[]} stored
 * @param {{ name: string, servers: string[], template: string, slug: string, record: string, expect?: string }} wanted
 */
async function write(workspace, stored, { name, servers, template, slug, record, expect }) {
  const body = { name, servers };
  const same =
    name === workspace?.name && expect === workspace.hash && JSON.stringify(servers) === JSON.stringify(stored);
  if (!workspace) await api.post('/api/hub/workspaces', {}, body);
  else if (!same)
    await api.put('/api/hub/workspaces', { name: workspace.name }, { ...body, ...(expect && { expect }) });
  const before = workspace?.name_template || DEFAULT_TEMPLATE;
  const patched = {
    ...(template !== before && { name_template: template }),
    ...(slug !== ownSlug(workspace) && { slug }),
    ...(record !== (workspace?.record ?? 'off') && { record }),
  };
  if (Object.keys(patched).length > 0) await api.patch('/api/hub/workspaces', { name }, patched).catch(toast.error); // the rest is written
  await refresh();
}

/** Return the slug that the user chose; empty if it is derived from the name. @param {Workspace|undefined} workspace */
const ownSlug = (workspace) => (workspace?.own_slug ? workspace.slug : '');

/** @param {string} name @param {Workspace|undefined} workspace */
function nameFault(name, workspace) {
  if (name === '' && workspace?.name !== '') return 'Enter a name.';
  const taken = name !== workspace?.name && workspacesByName.value.has(name);
  return taken ? 'Another workspace has this name.' : '';
}

function focusFirstError() {
  requestAnimationFrame(() =>
    /** @type {HTMLElement|null} */ (document.querySelector('[aria-invalid="true"]'))?.focus(),
  );
}

/** @param {{ members: Members, onChange: (members: Members) => void }} props */
function MembersField({ members, onChange }) {
  const [wanted, want] = useState('');
  const picked = pickedKeys(members);
  const listed = members.keys.filter((key) => matches(wanted, [key]));
  if (members.keys.length === 0)
    return html`<div class="field"><p class="label">Servers</p><p class="help">There are no servers yet. <a href=${href('add-server')}>Add a server</a> first, or add servers to this workspace later.</p></div>`;
  return html`<fieldset class="group">
    <legend>Servers</legend>
    <p class="help">${count(picked.length, 'server')} of ${members.keys.length} selected. Clients see the tools in this order.</p>
    ${members.keys.length >= MIN_FILTERED && html`<${Field} label="Find a server" hideLabel kind="search" value=${wanted} onInput=${want} attrs=${{ placeholder: 'Find a server' }} />`}
    <ul class="plain pick-list">
      ${listed.map((key) => html`<${Member} key=${key} name=${key} place=${picked.indexOf(key)} last=${picked.length - 1} onToggle=${() => onChange(toggled(members, key))} onMove=${(/** @type {-1|1} */ by) => onChange(moved(members, key, by))} />`)}
    </ul>
  </fieldset>`;
}

/** @param {{ name: string, place: number, last: number, onToggle: () => void, onMove: (by: -1|1) => void }} props */
function Member({ name, place, last, onToggle, onMove }) {
  const server = serversByKey.value.get(name);
  const move = (/** @type {-1|1} */ by) => (/** @type {any} */ event) => {
    const button = event.currentTarget;
    onMove(by);
    requestAnimationFrame(() => {
      const other = button.previousElementSibling ?? button.nextElementSibling;
      (button.disabled ? other : button).focus(); // a moved element loses the focus, and so does one at the end
    });
  };
  return html`<li class="pick ${place >= 0 ? 'is-picked' : ''}">
    <${Checkbox} label=${displayName(name)} checked=${place >= 0} onChange=${onToggle} />
    <span class="pick-state">${server ? html`<${StateBadge} server=${server} />` : html`<${StateBadge} tone="warn" word="Does not exist" />`}</span>
    <span class="pick-move">
      ${
        place >= 0 &&
        html`<${Button} icon="up" quiet label=${`Move ${displayName(name)} up`} disabled=${place === 0} onClick=${move(-1)} />
        <${Button} icon="down" quiet label=${`Move ${displayName(name)} down`} disabled=${place === last} onClick=${move(1)} />`
      }
    </span>
  </li>`;
}

/** @param {{ template: string, picked: string[], onInput: (text: string) => void, fault: string }} props */
function TemplateField({ template, picked, onInput, fault }) {
  const namespace = serversByKey.value.get(picked[0])?.namespace ?? 'files';
  const example = exampleName(template, namespace, 'read_file');
  const help = html`The format of tool names that clients see. The tool read_file of the namespace ${displayName(namespace)} is named <code>${example}</code>.
    ${template !== DEFAULT_TEMPLATE && html` <button type="button" class="link" onClick=${() => onInput(DEFAULT_TEMPLATE)}>Reset</button>`}`;
  return html`<${Field} label="Tool name format" mono value=${template} onInput=${onInput} help=${help} error=${fault} />`;
}

/** @param {{ slug: string, workspace?: Workspace, onInput: (text: string) => void, fault: string }} props */
function SlugField({ slug, workspace, onInput, fault }) {
  const help = html`The name of the workspace in URLs: …/mcp/<code>${slug || (!workspace?.own_slug && workspace?.slug) || 'slug'}</code>. Leave empty to derive it from the name. Earlier URLs still work.`;
  return html`<${Field} label="URL slug" mono value=${slug} onInput=${onInput} help=${help} error=${fault} attrs=${{ placeholder: 'derived from the name' }} />`;
}

/**
 * Shows that the workspace was changed meanwhile.
 * @param {{ workspace: Workspace, onTake: (members: string[], hash: string) => void, onOverwrite: () => void }} props
 */
function Conflict({ workspace: { name }, onTake, onOverwrite }) {
  const [theirs, setTheirs] = useState(/** @type {string[]|null} */ (null));
  useEffect(() => {
    storedMembers(name).then(setTheirs, toast.error);
  }, [name]);
  const hash = workspacesByName.value.get(name)?.hash ?? '';
  return html`<div class="after"><${Notice} tone="warn">
    <p><strong>Somebody else has changed this workspace since you opened it.</strong> Your changes were not saved.</p>
    ${theirs ? html`<p>Its servers are now: ${theirs.length > 0 ? theirs.map(displayName).join(', ') : 'none'}.</p>` : html`<p>The workspace does not exist any more.</p>`}
    <div class="actions">
      ${theirs && html`<${Button} onClick=${() => onTake(theirs, hash)}>Use their version</${Button}>`}
      <${Button} danger onClick=${onOverwrite}>Overwrite with mine</${Button}>
    </div>
    <p class="code">EDIT_CONFLICT</p>
  </${Notice}></div>`;
}
