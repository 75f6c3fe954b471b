/** The section of a workspace's page that chooses which tools, prompts and resources its clients see, and how. */

import { useEffect, useRef, useState } from 'preact/hooks';
import { api } from '../../hub/store.mjs';
import { Button, Field, html, Notice, Section, toast } from '../../ui.mjs';
import { count } from '../../words.mjs';
import { accepted, found as matching, switched } from './edits.mjs';
import { ItemDialog } from './item_dialog.mjs';
import { ItemTable } from './item_table.mjs';
import { NewTools, RuleDialog } from './rules.mjs';
import { ExchangeDialog } from './exchange.mjs';

/**
 * @typedef {import('../../types.mjs').Workspace} Workspace
 * @typedef {import('../../../../bridge/node/types.mjs').WorkspaceItem} Item
 * @typedef {import('../../../../bridge/node/types.mjs').Curation} Curation
 * @typedef {{ curation: Curation, hash: string, items: Item[], tokens: number }} Found
 * @typedef {(edit: Curation | ((now: Curation) => Curation)) => Promise<void>} Save
 */

const NOTE = 'Which tools, prompts and resources clients of this workspace see. Other workspaces are not affected.';
const MAX_SHOWN = 200; // rows of the table; the filter finds the others

/**
 * The lists are requested when the section is opened, which it is from the start while something waits.
 * @param {{ workspace: Workspace }} props
 */
export function Curated({ workspace }) {
  const [open, setOpen] = useState(workspace.pending > 0);
  const toggle = html`<${Button} icon="tools" onClick=${() => setOpen(!open)}>${open ? 'Close' : 'Choose tools'}</${Button}>`;
  return html`<${Section} title="Shown to clients" note=${NOTE} actions=${toggle}>
    ${open && html`<${Panel} key=${workspace.name} workspace=${workspace} />`}
  </${Section}>`;
}

/** @param {{ workspace: Workspace }} props */
function Panel({ workspace }) {
  const { found, error, save } = useCuration(workspace);
  const [search, setSearch] = useState('');
  const [dialog, setDialog] = useState(/** @type {'' | 'rule' | 'exchange' | Item} */ (''));
  if (error) return html`<${Notice} error=${error} />`;
  if (!found) return html`<p class="muted" aria-busy="true">Loading…</p>`;
  const { curation, items, tokens } = found;
  const listed = matching(items, search);
  const close = () => setDialog('');
  const flip = (/** @type {Item[]} */ some, /** @type {boolean} */ on) => save((now) => switched(now, some, on));
  return html`<div class="stack">
    <p><strong>About ${tokens} tokens</strong> for the ${count(items.filter(({ kind, state }) => kind === 'tool' && state === 'on').length, 'tool')} that clients see. <span class="muted">An estimate, to compare tools.</span></p>
    <${Pending} items=${items} onAccept=${() => save((now) => accepted(now, items))} />
    <div class="row">
      <${Field} label="Filter" hideLabel kind="search" value=${search} onInput=${setSearch} attrs=${{ placeholder: 'Filter by name, text, server, kind or state' }} />
      <${Button} disabled=${listed.length === 0} onClick=${() => flip(listed, true)}>Switch listed on</${Button}>
      <${Button} disabled=${listed.length === 0} onClick=${() => flip(listed, false)}>Switch listed off</${Button}>
      <${Button} onClick=${() => setDialog('rule')}>Add a rule</${Button}>
      <${Button} onClick=${() => setDialog('exchange')}>Export, import or copy</${Button}>
    </div>
    <${NewTools} workspace=${workspace} found=${found} save=${save} />
    ${listed.length > MAX_SHOWN && html`<p class="muted">The first ${MAX_SHOWN} of ${listed.length}; filter to find others.</p>`}
    <${ItemTable} items=${listed.slice(0, MAX_SHOWN)} onSwitch=${(/** @type {Item} */ item, /** @type {boolean} */ on) => flip([item], on)} onEdit=${setDialog} />
    ${dialog === 'rule' && html`<${RuleDialog} workspace=${workspace} save=${save} onClose=${close} />`}
    ${dialog === 'exchange' && html`<${ExchangeDialog} workspace=${workspace} curation=${curation} save=${save} onClose=${close} />`}
    ${typeof dialog === 'object' && html`<${ItemDialog} item=${dialog} curation=${curation} save=${save} onClose=${close} />`}
  </div>`;
}

/** @param {{ items: Item[], onAccept: () => Promise<void> }} props */
function Pending({ items, onAccept }) {
  const pending = items.filter(({ state }) => state === 'pending').length;
  if (pending === 0) return null;
  return html`<${Notice} tone="warn">
    <p>${count(pending, 'new item')} ${pending === 1 ? 'waits' : 'wait'} for your decision. Clients do not see ${pending === 1 ? 'it' : 'them'} yet.</p>
    <div class="actions"><${Button} onClick=${onAccept}>Accept all</${Button}></div>
  </${Notice}>`;
}

/**
 * Return the curation and the items, and a function that saves another curation, or what an edit makes of the present
 * one. One is saved after the other; if somebody else has changed the curation, nothing is overwritten.
 * @param {Workspace} workspace
 * @returns {{ found?: Found, error?: any, save: Save }}
 */
function useCuration({ name, tools, prompts, resources }) {
  const [state, setState] = useState(/** @type {{ found?: Found, error?: any }} */ ({}));
  const last = useRef(/** @type {Found|undefined} */ (undefined));
  const saving = useRef(Promise.resolve());
  const look = async () => {
    last.current = await api.get('/api/hub/curation', { name });
    setState({ found: last.current });
  };
  useEffect(() => {
    look().catch((error) => setState({ error }));
  }, [name, tools, prompts, resources]);
  const put = async (/** @type {Parameters<Save>[0]} */ edit) => {
    const { curation, hash } = /** @type {Found} */ (last.current);
    const made = typeof edit === 'function' ? edit(curation) : edit;
    try {
      await api.patch('/api/hub/workspaces', { name }, { curation: made, expect_curation: hash });
    } catch (error) {
      toast.error(error);
      throw error;
    } finally {
      await look().catch(() => {}); // also to show what somebody else has changed
    }
  };
  const save = (/** @type {Parameters<Save>[0]} */ edit) => {
    const done = saving.current.then(() => put(edit));
    saving.current = done.catch(() => {});
    return done;
  };
  return { ...state, save };
}
