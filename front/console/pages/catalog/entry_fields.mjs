/** The fields of an own entry of the catalogue. */

import { isRemote, KINDS } from '../../forms/own_entry.mjs';
import { Button, Checkbox, Field, html } from '../../ui.mjs';

/**
 * @typedef {import('../../forms/own_entry.mjs').Draft} Draft
 * @typedef {import('../../forms/own_entry.mjs').Setting} Setting
 */

const KIND_OPTIONS = Object.entries(KINDS).map(([value, { label }]) => ({ value, label }));
const NEW_SETTING = { name: '', description: '', secret: false, required: false };

/**
 * @param {{ draft: Draft, faults: Record<string, string>, isNew: boolean, onChange: (draft: Draft) => void }} props
 *   `isNew`: its name may be typed
 */
export function EntryFields({ draft, faults, isNew, onChange }) {
  const type = (/** @type {keyof Draft} */ field) => (/** @type {string} */ text) =>
    onChange({ ...draft, [field]: text });
  const kind = KINDS[draft.kind];
  return html`
    ${isNew && html`<${Field} label="Name" required mono value=${draft.name} onInput=${type('name')} error=${faults.name} help="Unique in the catalogue, with a namespace: com.example/notes." />`}
    <${Field} label="Title" value=${draft.title} onInput=${type('title')} error=${faults.title} help="As lists show it; the name without one." />
    <${Field} label="Description" required value=${draft.description} onInput=${type('description')} error=${faults.description} />
    <${Field} label="Version of the entry" required mono value=${draft.version} onInput=${type('version')} error=${faults.version} help="A new one beside the present one is offered as an update." />
    <${Field} label="What it is" kind="select" options=${KIND_OPTIONS} value=${draft.kind} onInput=${type('kind')} />
    <${Field} label=${kind.identifier} required mono value=${draft.identifier} onInput=${type('identifier')} error=${faults.identifier} help=${kind.help} />
    ${!isRemote(draft) && html`<${Field} label="Arguments" kind="textarea" mono value=${draft.arguments} onInput=${type('arguments')} help="What its program is always given, one on each line." />`}
    <${Settings} draft=${draft} faults=${faults} onChange=${(/** @type {Setting[]} */ settings) => onChange({ ...draft, settings })} />
  `;
}

/** @param {{ draft: Draft, faults: Record<string, string>, onChange: (settings: Setting[]) => void }} props */
function Settings({ draft, faults, onChange }) {
  const { settings } = draft;
  const what = isRemote(draft) ? 'Headers' : 'Environment variables';
  const change = (/** @type {number} */ at, /** @type {Partial<Setting>} */ part) =>
    onChange(settings.map((each, index) => (index === at ? { ...each, ...part } : each)));
  return html`<fieldset class="group">
    <legend>${what} that whoever adds it is asked for</legend>
    ${settings.map(
      (setting, at) => html`<div class="entry-setting" key=${at}>
        <${Field} label=${`Name ${at + 1}`} required mono value=${setting.name} error=${faults[`settings.${at}`]} onInput=${(/** @type {string} */ name) => change(at, { name })} />
        <${Field} label=${`Description ${at + 1}`} value=${setting.description} onInput=${(/** @type {string} */ description) => change(at, { description })} />
        <${Checkbox} label="Required" checked=${setting.required} onChange=${(/** @type {boolean} */ required) => change(at, { required })} />
        <${Checkbox} label="Secret" checked=${setting.secret} onChange=${(/** @type {boolean} */ secret) => change(at, { secret })} />
        <${Button} icon="trash" quiet label=${`Remove setting ${at + 1}`} onClick=${() => onChange(settings.filter((_, index) => index !== at))} />
      </div>`,
    )}
    <${Button} icon="plus" onClick=${() => onChange([...settings, NEW_SETTING])}>Add a setting</${Button}>
  </fieldset>`;
}
