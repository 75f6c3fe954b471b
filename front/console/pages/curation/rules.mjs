/** What switches many tools at once: rules by pattern and annotation, and what happens to new tools. */

import { useState } from 'preact/hooks';
import { Button, Choice, Dialog, Field, html } from '../../ui.mjs';
import { displayName } from '../../words.mjs';
import { forNewTools, HINTS, newTools, ruled } from './edits.mjs';

/**
 * @typedef {import('../../types.mjs').Workspace} Workspace
 * @typedef {import('../../../../bridge/node/types.mjs').Curation} Curation
 * @typedef {import('./curation.mjs').Save} Save
 */

const CHOICES = [
  { value: 'on', label: 'shown' },
  { value: 'off', label: 'not shown' },
  { value: 'ask', label: 'pending until accepted' },
];
const SWITCHES = [
  { value: 'off', label: 'Switch off' },
  { value: 'on', label: 'Leave on' },
];

/** @param {{ workspace: Workspace, found: import('./curation.mjs').Found, save: Save }} props */
export function NewTools({ workspace, found: { curation, items }, save }) {
  return html`<details class="setting-group">
    <summary><span class="setting-group-title">New tools</span></summary>
    <p class="help">What happens to tools that a server adds later. The tools that it has now count as known.</p>
    <div class="settings">
      ${workspace.servers.map((server) => {
        const choose = (/** @type {string} */ choice) =>
          save((now) => forNewTools(now, items, server, /** @type {any} */ (choice))).catch(() => {}); // shown by `save`
        return html`<${Field} key=${server} label=${displayName(server)} kind="select" options=${CHOICES} value=${newTools(curation, server)} onInput=${choose} />`;
      })}
    </div>
  </details>`;
}

/** @param {{ workspace: Workspace, save: Save, onClose: () => void }} props */
export function RuleDialog({ workspace, save, onClose }) {
  const [server, setServer] = useState('');
  const [match, setMatch] = useState('*');
  const [hint, setHint] = useState('');
  const [on, setOn] = useState('off');
  const servers = [
    { value: '', label: 'all servers of the workspace' },
    ...workspace.servers.map((key) => ({ value: key, label: displayName(key) })),
  ];
  const hints = [{ value: '', label: 'any' }, ...HINTS.map((name) => ({ value: name, label: name }))];
  const add = async () => {
    const rule = { match, ...(hint && { annotation: hint }), on: on === 'on' };
    await save((now) => ruled(now, server ? [server] : workspace.servers, rule));
    onClose();
  };
  return html`<${Dialog} title="Add a rule for tools" onClose=${onClose}>
    <div class="dialog-body stack">
      <${Field} label="Server" kind="select" options=${servers} value=${server} onInput=${setServer} />
      <${Field} label="Name or pattern" mono value=${match} onInput=${setMatch} help="The server's own name; * stands for any text." error=${match === '' ? 'Enter a name or a pattern.' : ''} />
      <${Field} label="Annotation" kind="select" options=${hints} value=${hint} onInput=${setHint} help="The rule applies only to tools that declare it." />
      <${Choice} label="Effect" value=${on} options=${SWITCHES} onChange=${setOn} />
      <p class="help">The rule comes before the other rules, and applies to tools that are added later, too. A switch of a single tool comes before all rules.</p>
    </div>
    <div class="dialog-foot">
      <${Button} onClick=${onClose}>Cancel</${Button}>
      <${Button} primary disabled=${match === ''} onClick=${add}>Add rule</${Button}>
    </div>
  </${Dialog}>`;
}
