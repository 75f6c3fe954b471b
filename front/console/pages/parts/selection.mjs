/** Servers or workspaces that are picked in a list, and what can be done to all of them. */

import { useState } from 'preact/hooks';
import { editMany, restartMany } from '../../hub/bulk.mjs';
import { state } from '../../hub/store.mjs';
import { Button, Confirm, Dialog, Field, html } from '../../ui.mjs';
import { count, shown } from '../../words.mjs';
import { Export } from './export.mjs';

/** @typedef {{ picked: ReadonlySet<string>, toggle: (name: string) => void, set: (names: string[]) => void }} Selection */

/** A selection; names that are gone from the list count no more. @param {string[]} there @returns {Selection} */
export function useSelection(there) {
  const [names, setNames] = useState(/** @type {ReadonlySet<string>} */ (new Set()));
  const picked = names.size === 0 ? names : new Set(there.filter((name) => names.has(name)));
  const toggle = (/** @type {string} */ name) => {
    const next = new Set(picked);
    if (!next.delete(name)) next.add(name);
    setNames(next);
  };
  return { picked, toggle, set: (next) => setNames(new Set(next)) };
}

/** The checkbox of one item. @param {{ name: string, selection: Selection }} props */
export function Pick({ name, selection: { picked, toggle } }) {
  return html`<input type="checkbox" class="select" aria-label=${`Select ${shown(name)}`} checked=${picked.has(name)} onChange=${() => toggle(name)} />`;
}

/**
 * All that are listed, and what to do to those that are picked.
 *
 * @param {{ kind: 'servers' | 'workspaces', listed: string[], selection: Selection }} props
 */
export function SelectionBar({ kind, listed, selection: { picked, set } }) {
  const [asked, ask] = useState(/** @type {'' | 'delete' | 'join' | 'leave' | 'export'} */ (''));
  const names = [...picked];
  const close = () => ask('');
  const all = listed.length > 0 && listed.every((name) => picked.has(name));
  const noun = kind.slice(0, -1);
  const does = (/** @type {'enable' | 'disable'} */ action) => () => editMany(action, { [kind]: names });
  return html`<div class="selection ${names.length > 0 ? 'is-on' : ''}" role="group" aria-label="Selection">
    <label class="select-all"><input type="checkbox" class="select" checked=${all} onChange=${() => set(all ? [] : listed)} /> Select all${listed.length > 0 && ` ${listed.length}`}</label>
    ${
      names.length > 0 &&
      html`<strong role="status">${count(names.length, noun)} selected</strong>
      <${Button} onClick=${does('enable')}>Switch on</${Button}>
      <${Button} onClick=${does('disable')}>Switch off</${Button}>
      ${
        kind === 'servers' &&
        html`<${Button} icon="restart" onClick=${() => restartMany(names)}>Restart</${Button}>
        <${Button} onClick=${() => ask('join')}>Add to workspace</${Button}>
        <${Button} onClick=${() => ask('leave')}>Remove from workspace</${Button}>
        <${Button} onClick=${() => ask('export')}>Export</${Button}>`
      }
      <${Button} icon="trash" onClick=${() => ask('delete')}>Delete</${Button}>
      <${Button} quiet onClick=${() => set([])}>Clear</${Button}>`
    }
    ${asked === 'delete' && html`<${Delete} kind=${kind} names=${names} onClose=${close} />`}
    ${asked === 'export' && html`<${Export} servers=${names} onClose=${close} />`}
    ${(asked === 'join' || asked === 'leave') && html`<${Membership} action=${asked} servers=${names} onClose=${close} />`}
  </div>`;
}

/** @param {{ kind: 'servers' | 'workspaces', names: string[], onClose: () => void }} props */
function Delete({ kind, names, onClose }) {
  const what = count(names.length, kind.slice(0, -1));
  const confirm = async () => {
    await editMany('delete', { [kind]: names });
    onClose();
  };
  return html`<${Confirm} title=${`Delete ${what}?`} action=${`Delete ${what}`} onConfirm=${confirm} onClose=${onClose}>
    <p class="break">${names.map(shown).join(', ')}</p>
    <p>${kind === 'servers' ? 'They are removed from every workspace, and their processes end.' : 'Their addresses stop working. Their servers stay.'}</p>
  </${Confirm}>`;
}

/** @param {{ action: 'join' | 'leave', servers: string[], onClose: () => void }} props */
function Membership({ action, servers, onClose }) {
  const workspaces = (state.value?.workspaces ?? []).filter(
    (each) => action === 'join' || each.servers.some((key) => servers.includes(key)),
  );
  const [name, setName] = useState(workspaces[0]?.name);
  const title = `${action === 'join' ? 'Add' : 'Remove'} ${count(servers.length, 'server')}`;
  const save = async () => {
    await editMany(action, { servers, workspaces: [/** @type {string} */ (name)] });
    onClose();
  };
  const options = workspaces.map((each) => ({ value: each.name, label: shown(each.name) }));
  return html`<${Dialog} title=${title} onClose=${onClose}>
    <div class="dialog-body">${
      name === undefined
        ? html`<p>${action === 'join' ? 'There is no workspace yet.' : 'No workspace has one of them.'}</p>`
        : html`<${Field} label=${action === 'join' ? 'To workspace' : 'From workspace'} kind="select" value=${name} options=${options} onInput=${setName} />`
    }</div>
    <div class="dialog-foot">
      <${Button} onClick=${onClose}>Cancel</${Button}>
      <${Button} primary disabled=${name === undefined} onClick=${save}>${action === 'join' ? 'Add' : 'Remove'}</${Button}>
    </div>
  </${Dialog}>`;
}
