/** Dialogs that are shown before several servers or workspaces are changed. */

import { useState } from 'preact/hooks';
import { editMany } from '../../hub/bulk.mjs';
import { state } from '../../hub/store.mjs';
import { Button, Confirm, Dialog, Field, html } from '../../ui.mjs';
import { count, displayName } from '../../words.mjs';
import { Export } from './export.mjs';

/**
 * @param {{ action: import('./selection.mjs').Action, kind: 'servers' | 'workspaces', names: string[],
 *   onClose: () => void }} props
 */
export function SelectionDialog({ action, kind, names, onClose }) {
  if (action === 'delete') return html`<${Delete} kind=${kind} names=${names} onClose=${onClose} />`;
  if (action === 'export') return html`<${Export} servers=${names} onClose=${onClose} />`;
  if (action === '') return null;
  return html`<${Membership} action=${action} servers=${names} onClose=${onClose} />`;
}

/** @param {{ kind: 'servers' | 'workspaces', names: string[], onClose: () => void }} props */
function Delete({ kind, names, onClose }) {
  const what = count(names.length, kind.slice(0, -1));
  const confirm = async () => {
    await editMany('delete', { [kind]: names });
    onClose();
  };
  return html`<${Confirm} title=${`Delete ${what}?`} action=${`Delete ${what}`} onConfirm=${confirm} onClose=${onClose}>
    <p class="break">${names.map(displayName).join(', ')}</p>
    <p>${kind === 'servers' ? 'They are removed from every workspace, and their processes end.' : 'Their URLs stop working. Their servers are not deleted.'}</p>
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
  const options = workspaces.map((each) => ({ value: each.name, label: displayName(each.name) }));
  return html`<${Dialog} title=${title} onClose=${onClose}>
    <div class="dialog-body">${
      name === undefined
        ? html`<p>${action === 'join' ? 'There is no workspace yet.' : 'No workspace contains one of these servers.'}</p>`
        : html`<${Field} label=${action === 'join' ? 'To workspace' : 'From workspace'} kind="select" value=${name} options=${options} onInput=${setName} />`
    }</div>
    <div class="dialog-foot">
      <${Button} onClick=${onClose}>Cancel</${Button}>
      <${Button} primary disabled=${name === undefined} onClick=${save}>${action === 'join' ? 'Add' : 'Remove'}</${Button}>
    </div>
  </${Dialog}>`;
}
