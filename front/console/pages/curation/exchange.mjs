/** The dialog that exports and imports a curation as JSON, and copies it to another workspace. */

import { useState } from 'preact/hooks';
import { api, state } from '../../hub/store.mjs';
import { Button, CopyButton, Dialog, Field, html, toast } from '../../ui.mjs';
import { displayName } from '../../words.mjs';

/**
 * @typedef {import('../../types.mjs').Workspace} Workspace
 * @typedef {import('../../../../bridge/node/types.mjs').Curation} Curation
 */

/** @param {{ workspace: Workspace, curation: Curation, save: import('./curation.mjs').Save, onClose: () => void }} props */
export function ExchangeDialog({ workspace, curation, save, onClose }) {
  const exported = JSON.stringify(curation, null, 2);
  const [text, setText] = useState(exported);
  const fault = faultOf(text);
  const replace = async () => {
    await save(JSON.parse(text));
    onClose();
  };
  return html`<${Dialog} title="Export, import or copy" onClose=${onClose} wide>
    <div class="dialog-body stack">
      <${Field} label="Curation" kind="textarea" mono value=${text} onInput=${setText} error=${fault} attrs=${{ rows: 14 }} help="Copy it to export it. To import one, replace the text, and choose Import." />
      <${CopyTo} workspace=${workspace} curation=${curation} onDone=${onClose} />
    </div>
    <div class="dialog-foot">
      <${CopyButton} text=${exported} label="curation" />
      <${Button} onClick=${onClose}>Cancel</${Button}>
      <${Button} primary disabled=${Boolean(fault) || text === exported} onClick=${replace}>Import</${Button}>
    </div>
  </${Dialog}>`;
}

/** @param {{ workspace: Workspace, curation: Curation, onDone: () => void }} props */
function CopyTo({ workspace, curation, onDone }) {
  const others = (state.value?.workspaces ?? []).filter(({ name }) => name !== workspace.name);
  const [to, setTo] = useState(others[0]?.name ?? '');
  if (others.length === 0) return null;
  const copy = async () => {
    await api.patch('/api/hub/workspaces', { name: to }, { curation });
    toast(`${displayName(to)}: curation replaced`);
    onDone();
  };
  const options = others.map(({ name }) => ({ value: name, label: displayName(name) }));
  return html`<div class="row">
    <${Field} label="Another workspace" kind="select" options=${options} value=${to} onInput=${setTo} help="Its own curation is replaced." />
    <${Button} onClick=${copy}>Copy to it</${Button}>
  </div>`;
}

/** @param {string} text */
function faultOf(text) {
  try {
    return typeof JSON.parse(text)?.servers === 'object' ? '' : 'A curation is an object with "servers".';
  } catch {
    return 'The text is not JSON.';
  }
}
