/** The text of access.json, checked while it is typed. */

import { useEffect, useState } from 'preact/hooks';
import { EXAMPLE } from '../../data/access.mjs';
import { api } from '../../hub/store.mjs';
import { Button, Confirm, Field, html, Issues, Notice, toast } from '../../ui.mjs';

/**
 * @typedef {import('../../../../bridge/node/types.mjs').AccessText} AccessText
 * @typedef {import('../../types.mjs').Issue} Issue
 */

const CHECK_DELAY_MS = 400;
const HELP = 'Roles, rules, tenants and limits as JSON. The hub checks the text while you type.';
const NO_FILE = 'There is no file: keys may use their workspaces, and users who sign in may use nothing.';

/** @param {{ file: AccessText, onSaved: () => Promise<void> }} props */
export function Editor({ file, onSaved }) {
  const [text, setText] = useState(file.text ?? '');
  const [error, setError] = useState(/** @type {any} */ (null));
  const [removing, setRemoving] = useState(false);
  const issues = useCheck(text, file);
  const changed = text !== (file.text ?? '');
  const wrong = issues.some(({ severity }) => severity === 'error');
  const save = async () => {
    setError(null);
    await api.put('/api/access', {}, { text, hash: file.hash });
    await onSaved();
    toast('access.json is in force');
  };
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    save().catch(setError);
  };
  return html`<form class="form" noValidate onSubmit=${submit}>
    <div class="card stack">
      ${file.text === null && html`<p>${NO_FILE}</p>`}
      <${Field} label="Content" kind="textarea" mono value=${text} onInput=${setText} attrs=${{ rows: 14 }} help=${HELP} />
      <${Issues} issues=${issues} />
    </div>
    ${error && html`<div class="after"><${Notice} error=${error} /></div>`}
    <div class="form-foot">
      ${file.text === null && text === '' && html`<${Button} onClick=${() => setText(EXAMPLE)}>Insert an example</${Button}>`}
      ${file.text !== null && html`<${Button} icon="trash" onClick=${() => setRemoving(true)}>Remove file</${Button}>`}
      <${Button} type="submit" primary disabled=${!changed || wrong || text.trim() === ''}>Save</${Button}>
    </div>
    ${removing && html`<${RemoveDialog} hash=${file.hash} onDone=${onSaved} onClose=${() => setRemoving(false)} />`}
  </form>`;
}

/**
 * Return what is wrong with a text, as the hub says.
 * @param {string} text @param {AccessText} file
 * @returns {Issue[]}
 */
function useCheck(text, file) {
  const [found, setFound] = useState(/** @type {{ text: string, issues: Issue[] }|null} */ (null));
  useEffect(() => {
    if (text === (file.text ?? '')) return;
    let current = true;
    const check = () =>
      api.post('/api/access/check', {}, { text }).then(
        ({ issues }) => current && setFound({ text, issues }),
        () => {}, // saving reports it
      );
    const timer = setTimeout(check, CHECK_DELAY_MS);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [text]);
  if (text === (file.text ?? '')) return [...file.issues];
  return text.trim() === '' ? [] : (found?.issues ?? []);
}

/** @param {{ hash: string, onDone: () => Promise<void>, onClose: () => void }} props */
function RemoveDialog({ hash, onDone, onClose }) {
  const confirm = async () => {
    await api.del('/api/access', { hash });
    await onDone();
    onClose();
    toast('access.json is removed');
  };
  return html`<${Confirm} title="Remove access.json?" action="Remove file" onConfirm=${confirm} onClose=${onClose}>
    <p>Keys may use their workspaces again, and users who sign in may use nothing. The hub keeps a copy of the file in its directory <code>backups</code>.</p>
  </${Confirm}>`;
}
