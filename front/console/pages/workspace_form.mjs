/** Add or edit a workspace. */

import { useEffect, useState } from 'preact/hooks';
import { storedMembers } from '../hub/actions.mjs';
import { matches } from '../data/lists.mjs';
import {
  DEFAULT_TEMPLATE,
  membersOf,
  moved,
  pickedKeys,
  slugFault,
  templateFault,
  toggled,
} from '../forms/members.mjs';
import { readAll, same } from '../forms/settings_spec.mjs';
import { WORKSPACE_GROUPS, WORKSPACE_SETTINGS, workspaceValues } from '../forms/workspace_spec.mjs';
import { href, navigateLater } from '../router.mjs';
import { api, refresh, serversByKey, state, workspacesByName } from '../hub/store.mjs';
import { Button, Checkbox, Empty, Field, html, Notice, Page, StateBadge, toast } from '../ui.mjs';
import { count, displayName } from '../words.mjs';
import { refusal, SettingGroup, useFirstWrong } from './parts/setting_fields.mjs';
import { TemplateField } from './parts/template_field.mjs';

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

/**
 * @param {{ workspace?: Workspace, stored: string[] }} props `stored`: its members as the file has them
 */
function WorkspaceForm(props) {
  // What the hub has: members are written before settings, which it may refuse.
  const [{ workspace, stored }, setWritten] = useState(props);
  const before = workspaceValues(workspace);
  const [name, setName] = useState(workspace?.name ?? '');
  const [template, setTemplate] = useState(workspace?.name_template || DEFAULT_TEMPLATE);
  const [slug, setSlug] = useState(ownSlug(workspace));
  const [texts, setTexts] = useState(/** @type {Record<string, string>} */ ({}));
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
  const [form, goToWrong] = useFirstWrong();
  const picked = pickedKeys(members);
  const read = readAll(WORKSPACE_SETTINGS, texts, before);
  /** @type {Record<string, any>} */
  const faults = {
    name: nameFault(name, workspace),
    name_template: templateFault(template, picked.length),
    slug: slugFault(slug),
    ...Object.fromEntries(Object.entries(read).map(([setting, { fault }]) => [setting, fault])),
  };
  const wrong = Object.values(faults).some(Boolean);
  const refused = error?.code === 'EDIT_INVALID' && error.data?.field in faults ? error.data.field : '';
  if (refused) faults[refused] ||= refusal(error);
  useEffect(() => {
    if (refused) goToWrong();
  }, [error]);
  const typed =
    (/** @type {string} */ field, /** @type {(text: string) => void} */ set) => (/** @type {string} */ text) => {
      set(text);
      if (field === refused) setError(null);
    };
  const save = async (/** @type {string} */ over = '') => {
    setTried(true);
    if (wrong) return goToWrong();
    const go = navigateLater();
    setBusy(true);
    setError(null);
    try {
      const written = await write(workspace, stored, { name, servers: picked, expect: over || expect });
      if (written) {
        setWritten({ workspace: written, stored: picked });
        setExpect(written.hash);
      }
      const after = Object.fromEntries(Object.entries(read).map(([setting, { value }]) => [setting, value]));
      await writeSettings(written ?? workspace, name, { ...after, name_template: template, slug });
      await refresh();
      toast(`${displayName(name)}: saved`);
      go('workspaces', [name]);
    } catch (reason) {
      setError(reason);
    }
    setBusy(false);
  };
  const conflict = error?.code === 'EDIT_CONFLICT';
  return html`<form class="form" noValidate ref=${form} onSubmit=${(/** @type {Event} */ event) => [event.preventDefault(), save()]}>
    <div class="card">
      <${Field} label="Name" required value=${name} onInput=${setName} error=${tried && faults.name} help=${workspace ? 'A renamed workspace keeps its settings, and its earlier URLs still work.' : 'Any text.'} />
      <${MembersField} members=${members} onChange=${setMembers} />
      <${TemplateField} template=${template} picked=${picked} onInput=${typed('name_template', setTemplate)} fault=${faults.name_template} />
      <${SlugField} slug=${slug} workspace=${workspace} onInput=${typed('slug', setSlug)} fault=${faults.slug} />
      ${WORKSPACE_GROUPS.map(({ title, settings }) => html`<${SettingGroup} key=${title} title=${title} settings=${settings} before=${before} texts=${texts} faults=${faults} onInput=${(/** @type {string} */ setting, /** @type {string} */ text) => typed(setting, (typed_) => setTexts({ ...texts, [setting]: typed_ }))(text)} />`)}
    </div>
    ${error && !conflict && !refused && html`<div class="after"><${Notice} error=${error} /></div>`}
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
 * Write name and members, unless they are as stored; returns the workspace as it is then.
 *
 * @param {Workspace|undefined} workspace
 * @param {string[]} stored
 * @param {{ name: string, servers: string[], expect?: string }} wanted
 * @returns {Promise<Workspace|undefined>}
 */
async function write(workspace, stored, { name, servers, expect }) {
  const body = { name, servers };
  if (!workspace) return (await api.post('/api/hub/workspaces', {}, body)).workspace;
  const same =
    name === workspace.name && expect === workspace.hash && JSON.stringify(servers) === JSON.stringify(stored);
  if (same) return workspace;
  return (await api.put('/api/hub/workspaces', { name: workspace.name }, { ...body, ...(expect && { expect }) }))
    .workspace;
}

/**
 * Write the settings that differ.
 *
 * @param {Workspace|undefined} workspace as it is
 * @param {string} name
 * @param {Record<string, any>} wanted
 */
async function writeSettings(workspace, name, wanted) {
  const before = {
    ...workspaceValues(workspace),
    name_template: workspace?.name_template || DEFAULT_TEMPLATE,
    slug: ownSlug(workspace),
  };
  const changed = Object.entries(wanted).filter(
    ([setting, value]) => !same(value, /** @type {any} */ (before)[setting]),
  );
  if (changed.length > 0) await api.patch('/api/hub/workspaces', { name }, Object.fromEntries(changed));
}

/** Return the slug that the user chose; empty if it is derived from the name. @param {Workspace|undefined} workspace */
const ownSlug = (workspace) => (workspace?.own_slug ? workspace.slug : '');

/** @param {string} name @param {Workspace|undefined} workspace */
function nameFault(name, workspace) {
  if (name === '' && workspace?.name !== '') return 'Enter a name.';
  const taken = name !== workspace?.name && workspacesByName.value.has(name);
  return taken ? 'Another workspace has this name.' : '';
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
