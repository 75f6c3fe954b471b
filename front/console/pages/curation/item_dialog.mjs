/** The dialog that changes the name, texts and argument presets of one tool, prompt or resource. */

import { useState } from 'preact/hooks';
import { Button, Dialog, Field, html } from '../../ui.mjs';
import { changed, ofItem } from './edits.mjs';

/**
 * @typedef {import('../../../../bridge/node/types.mjs').WorkspaceItem} Item
 * @typedef {import('../../../../bridge/node/types.mjs').Curation} Curation
 * @typedef {{ how: string, text: string }} Draft  of a preset: `how` is '', 'fixed' or 'default'
 */

const HOW = [
  { value: '', label: 'as the client sends it' },
  { value: 'fixed', label: 'fixed and hidden' },
  { value: 'default', label: 'default' },
];

/** @param {{ item: Item, curation: Curation, save: import('./curation.mjs').Save, onClose: () => void }} props */
export function ItemDialog({ item, curation, save, onClose }) {
  const before = /** @type {Record<string, any>} */ (ofItem(curation, item));
  const [texts, setTexts] = useState(
    /** @type {Record<string, string>} */ ({
      name: before.name ?? '',
      title: before.title ?? '',
      description: before.description ?? '',
    }),
  );
  const [drafts, setDrafts] = useState(() => draftsOf(before.arguments ?? {}));
  const argumentNames = [...new Set([...Object.keys(item.input_schema?.properties ?? {}), ...Object.keys(drafts)])];
  const fault = /^[A-Za-z0-9_-]{0,128}$/.test(texts.name) ? '' : 'Use at most 128 letters, digits, _ and -.';
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (fault) return;
    const fields = Object.fromEntries(Object.entries(texts).map(([field, text]) => [field, text || null]));
    const presets = item.kind === 'tool' ? { arguments: presetsOf(drafts) } : {};
    const saved = await save((now) => changed(now, item, { ...fields, ...presets })).then(
      () => true,
      () => false, // `save` has shown the error
    );
    if (saved) onClose();
  };
  const text = (/** @type {string} */ field) => (/** @type {string} */ value) => setTexts({ ...texts, [field]: value });
  return html`<${Dialog} title=${`Edit ${item.name}`} onClose=${onClose} wide>
    <form onSubmit=${submit} noValidate>
      <div class="dialog-body stack">
        <${Field} label="Name" mono value=${texts.name} onInput=${text('name')} error=${fault} attrs=${{ placeholder: item.name }} help="The tool name format of the workspace is applied to it. Leave a field empty to keep what the server says." />
        <${Field} label="Title" value=${texts.title} onInput=${text('title')} attrs=${{ placeholder: item.title ?? '' }} />
        <${Field} label="Description" kind="textarea" value=${texts.description} onInput=${text('description')} attrs=${{ placeholder: item.description ?? '' }} />
        ${item.kind === 'tool' && argumentNames.length > 0 && html`<${Presets} names=${argumentNames} drafts=${drafts} onChange=${setDrafts} />`}
      </div>
      <div class="dialog-foot">
        <${Button} onClick=${onClose}>Cancel</${Button}>
        <${Button} type="submit" primary>Save</${Button}>
      </div>
    </form>
  </${Dialog}>`;
}

/** @param {{ names: string[], drafts: Record<string, Draft>, onChange: (drafts: Record<string, Draft>) => void }} props */
function Presets({ names, drafts, onChange }) {
  return html`<fieldset class="group">
    <legend>Arguments</legend>
    <p class="help">Clients do not see an argument that is fixed, and may not send it. Values are JSON, or else text. They are not secret.</p>
    ${names.map((name) => {
      const draft = drafts[name] ?? { how: '', text: '' };
      const set = (/** @type {Partial<Draft>} */ part) => onChange({ ...drafts, [name]: { ...draft, ...part } });
      return html`<div class="row" key=${name}>
        <${Field} label=${name} kind="select" options=${HOW} value=${draft.how} onInput=${(/** @type {string} */ how) => set({ how })} />
        ${draft.how && html`<${Field} label=${`Value of ${name}`} mono value=${draft.text} onInput=${(/** @type {string} */ typed) => set({ text: typed })} />`}
      </div>`;
    })}
  </fieldset>`;
}

/** @param {Record<string, any>} presets @returns {Record<string, Draft>} */
function draftsOf(presets) {
  const draft = (/** @type {any} */ preset) =>
    'default' in preset
      ? { how: 'default', text: textOf(preset.default) }
      : { how: 'fixed', text: textOf(preset.value) };
  return Object.fromEntries(Object.entries(presets).map(([name, preset]) => [name, draft(preset)]));
}

/** @param {Record<string, Draft>} drafts */
function presetsOf(drafts) {
  const chosen = Object.entries(drafts).filter(([, { how }]) => how !== '');
  const preset = (/** @type {Draft} */ { how, text }) =>
    how === 'fixed' ? { value: valueOf(text), hidden: true } : { default: valueOf(text) };
  return Object.fromEntries(chosen.map(([name, draft]) => [name, preset(draft)]));
}

/** @param {string} text */
function valueOf(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The text that `valueOf` reads as this value. @param {any} value */
function textOf(value) {
  return typeof value === 'string' && valueOf(value) === value ? value : JSON.stringify(value);
}
