/** Settings of hub.json as fields of a form, in groups that are closed at first. */

import { useRef } from 'preact/hooks';
import { isSet, showSetting } from '../../forms/settings_spec.mjs';
import { Field, html } from '../../ui.mjs';

/** @typedef {import('../../forms/settings_spec.mjs').Setting} Setting */

/**
 * The fields of some settings below their title, which says which of them are not at their default.
 *
 * @param {object} props
 * @param {string} props.title
 * @param {Setting[]} props.settings
 * @param {Record<string, any>} props.before the values that the hub has, by name
 * @param {Record<string, string>} props.texts what was typed, by name
 * @param {Record<string, any>} props.faults why a value cannot be used, by name
 * @param {(name: string, text: string) => void} props.onInput
 */
export function SettingGroup({ title, settings, before, texts, faults, onInput }) {
  const changed = settings.filter((setting) => isSet(setting, before[setting.name]));
  return html`<details class="setting-group">
    <summary>
      <span class="setting-group-title">${title}</span>
      ${changed.length > 0 && html` <span class="muted small">Set: ${changed.map(({ label }) => label).join(', ')}</span>`}
    </summary>
    <div class="settings">
      ${settings.map(
        (setting) => html`<${SettingField}
          key=${setting.name}
          setting=${setting}
          text=${texts[setting.name] ?? showSetting(setting, before[setting.name])}
          fault=${faults[setting.name]}
          onInput=${(/** @type {string} */ text) => onInput(setting.name, text)}
        />`,
      )}
    </div>
  </details>`;
}

/** @type {Record<Setting['kind'], 'select'|'textarea'|'number'|'text'>} */
const CONTROLS = {
  pick: 'select',
  flag: 'select',
  by_tool: 'textarea',
  lines: 'textarea',
  container: 'textarea',
  seconds: 'number',
  count: 'number',
  number: 'number',
  size: 'text',
  text: 'text',
};

/** @param {{ setting: Setting, text: string, fault?: any, onInput: (text: string) => void }} props */
function SettingField({ setting, text, fault, onInput }) {
  const { label, help, kind, standard, options = [], min = 0, max, optional, unset, example: placeholder } = setting;
  const normal = showSetting(setting, standard);
  const name = options.find(({ value }) => value === normal)?.label ?? normal;
  const helpText = html`${help} <span class="default">Default: ${name || unset || 'none'}.</span>
    ${text !== normal && html` <button type="button" class="link" aria-label=${`Reset ${label} to its default`} onClick=${() => onInput(normal)}>Reset</button>`}`;
  // A browser shows what is not a number as an empty field, which would stand for the default of an optional one.
  const control = optional && CONTROLS[kind] === 'number' ? 'text' : CONTROLS[kind];
  const number = { min, max, step: kind === 'count' ? 1 : 'any', inputmode: 'decimal' };
  const attrs = { select: {}, textarea: { rows: 3, placeholder }, number, text: { placeholder } }[control];
  return html`<${Field} label=${label} kind=${control} value=${text} options=${options} attrs=${attrs} mono=${control === 'textarea'} help=${helpText} error=${fault} onInput=${onInput} />`;
}

/** Return why the hub refused a value, for its field. @param {{ message: string, code: string }} error */
export const refusal = ({ message, code }) => html`${message} <code>${code}</code>`;

/**
 * Return a reference for a form, and a function that goes to its first field with an error, and opens the group of it.
 *
 * @returns {[{ current: HTMLFormElement|null }, () => void]}
 */
export function useFirstWrong() {
  const form = useRef(/** @type {HTMLFormElement|null} */ (null));
  const go = () =>
    requestAnimationFrame(() => {
      const field = /** @type {HTMLElement|null} */ (form.current?.querySelector('[aria-invalid="true"]') ?? null);
      const group = field?.closest('details');
      if (group) group.open = true;
      field?.focus();
    });
  return [form, go];
}
