/** The selection of servers or workspaces in a list, and the actions on all selected items. */

import { useState } from 'preact/hooks';
import { Button } from '../../ui/controls.mjs';
import { html } from '../../ui/html.mjs';
import { count, displayName } from '../../words.mjs';

/** @typedef {'' | 'delete' | 'join' | 'leave' | 'export'} Action */
/** @typedef {{ picked: ReadonlySet<string>, toggle: (name: string) => void, set: (names: string[]) => void }} Selection */

/**
 * Return a selection; names that are no longer in the list are ignored.
 * @param {string[]} there @returns {Selection}
 */
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
  return html`<input type="checkbox" class="select" aria-label=${`Select ${displayName(name)}`} checked=${picked.has(name)} onChange=${() => toggle(name)} />`;
}

/**
 * A checkbox for all listed items, and the actions on the selected ones.
 *
 * @param {{ kind: 'servers' | 'workspaces', listed: string[], selection: Selection }} props
 */
export function SelectionBar({ kind, listed, selection: { picked, set } }) {
  const [action, setAction] = useState(/** @type {Action} */ (''));
  const [Dialogs, setDialogs] = useState(/** @type {any} */ (null));
  const ask = async (/** @type {Action} */ what) => {
    const { SelectionDialog } = await import('./selection_dialogs.mjs');
    setDialogs(() => SelectionDialog);
    setAction(what);
  };
  const names = [...picked];
  const all = listed.length > 0 && listed.every((name) => picked.has(name));
  const noun = kind.slice(0, -1);
  const does = (/** @type {'enable' | 'disable'} */ action) => async () =>
    (await import('../../hub/bulk.mjs')).editMany(action, { [kind]: names });
  const restart = async () => (await import('../../hub/bulk.mjs')).restartMany(names);
  return html`<div class="selection ${names.length > 0 ? 'is-on' : ''}" role="group" aria-label="Selection">
    <label class="select-all"><input type="checkbox" class="select" checked=${all} onChange=${() => set(all ? [] : listed)} /> Select all${listed.length > 0 && ` ${listed.length}`}</label>
    ${
      names.length > 0 &&
      html`<strong role="status">${count(names.length, noun)} selected</strong>
      <${Button} onClick=${does('enable')}>Switch on</${Button}>
      <${Button} onClick=${does('disable')}>Switch off</${Button}>
      ${
        kind === 'servers' &&
        html`<${Button} icon="restart" onClick=${restart}>Restart</${Button}>
        <${Button} onClick=${() => ask('join')}>Add to workspace</${Button}>
        <${Button} onClick=${() => ask('leave')}>Remove from workspace</${Button}>
        <${Button} onClick=${() => ask('export')}>Export</${Button}>`
      }
      <${Button} icon="trash" onClick=${() => ask('delete')}>Delete</${Button}>
      <${Button} quiet onClick=${() => set([])}>Clear</${Button}>`
    }
    ${Dialogs && action && html`<${Dialogs} action=${action} kind=${kind} names=${names} onClose=${() => setAction('')} />`}
  </div>`;
}
