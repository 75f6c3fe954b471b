/** Asks for the name of a copy of a server or workspace, and makes it. */

import { useState } from 'preact/hooks';
import { duplicate } from '../../hub/bulk.mjs';
import { navigateLater } from '../../router.mjs';
import { Button, Dialog, Field, html, Notice } from '../../ui.mjs';
import { displayName } from '../../words.mjs';

/** @param {{ section: 'servers' | 'workspaces', name: string, taken: ReadonlySet<string>, onClose: () => void }} props */
export function Duplicate({ section, name, taken, onClose }) {
  const [to, setTo] = useState(() => freeName(name, taken));
  const [error, setError] = useState(/** @type {any} */ (null));
  const [busy, setBusy] = useState(false);
  const fault = to === '' ? 'Enter a name.' : taken.has(to) ? 'This name is taken.' : '';
  const save = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (fault || busy) return;
    const go = navigateLater();
    setBusy(true);
    try {
      await duplicate(section, name, to);
      onClose();
      go(section, [to]);
    } catch (reason) {
      setError(reason);
    }
    setBusy(false);
  };
  return html`<${Dialog} title=${`Duplicate ${displayName(name)}`} onClose=${onClose}>
    <form onSubmit=${save} noValidate>
      <div class="dialog-body">
        <${Field} label="Name of the copy" required value=${to} onInput=${setTo} error=${fault} help=${section === 'servers' ? 'The copy has the same command or URL, variables and settings, and is in no workspace.' : 'The copy has the same servers and settings, and its own URL.'} />
        ${error && html`<${Notice} error=${error} />`}
      </div>
      <div class="dialog-foot">
        <${Button} onClick=${onClose}>Cancel</${Button}>
        <${Button} type="submit" primary busy=${busy}>Duplicate</${Button}>
      </div>
    </form>
  </${Dialog}>`;
}

/** `time-2`, or the first number that is free. @param {string} name @param {ReadonlySet<string>} taken */
export function freeName(name, taken) {
  const base = name.replace(/-\d+$/, '');
  for (let n = 2; ; n += 1) if (!taken.has(`${base}-${n}`)) return `${base}-${n}`;
}
