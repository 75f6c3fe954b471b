/** The settings of a server that hub.json keeps. */

import { useState } from 'preact/hooks';
import { changeSettings } from '../../hub/actions.mjs';
import { readSetting, SETTINGS, settingsChanges, showSetting } from '../../forms/settings_spec.mjs';
import { Button, Field, html, Notice, toast } from '../../ui.mjs';
import { displayName } from '../../words.mjs';

/** @typedef {import('../../forms/settings_spec.mjs').Setting} Setting */

/** @param {{ server: import('../../types.mjs').Server }} props */
export function SettingsForm({ server: { key, settings } }) {
  const before = /** @type {Record<string, any>} */ (settings);
  const [texts, setTexts] = useState(/** @type {Record<string, string>} */ ({}));
  const [error, setError] = useState(/** @type {any} */ (null));
  const read = Object.fromEntries(
    SETTINGS.map((setting) => {
      const typed = texts[setting.name];
      return [
        setting.name,
        typed === undefined ? { value: before[setting.name] ?? setting.standard } : readSetting(setting, typed),
      ];
    }),
  );
  const after = Object.fromEntries(Object.entries(read).map(([name, { value }]) => [name, value]));
  const changes = settingsChanges({ ...defaults(), ...before }, after);
  const wrong = Object.values(read).some(({ fault }) => fault);
  const save = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (wrong || Object.keys(changes).length === 0) return;
    setError(null);
    try {
      await changeSettings(key, changes);
      setTexts({});
      toast(`${displayName(key)}: settings saved`);
    } catch (reason) {
      setError(reason);
    }
  };
  return html`<form class="card" onSubmit=${save} noValidate>
    <div class="settings">
      ${SETTINGS.map(
        (setting) => html`<${SettingField}
          key=${setting.name}
          setting=${setting}
          text=${texts[setting.name] ?? showSetting(setting, before[setting.name])}
          fault=${read[setting.name].fault}
          onInput=${(/** @type {string} */ text) => setTexts({ ...texts, [setting.name]: text })}
        />`,
      )}
    </div>
    ${error && html`<${Notice} error=${error} />`}
    <div class="form-foot">
      <${Button} type="submit" primary disabled=${wrong || Object.keys(changes).length === 0}>Save settings</${Button}>
      ${Object.keys(texts).length > 0 && html`<${Button} quiet onClick=${() => setTexts({})}>Discard changes</${Button}>`}
    </div>
  </form>`;
}

function defaults() {
  return Object.fromEntries(SETTINGS.map(({ name, standard }) => [name, standard]));
}

/** @param {{ setting: Setting, text: string, fault?: string, onInput: (text: string) => void }} props */
function SettingField({ setting, text, fault, onInput }) {
  const { label, help, kind, standard, options = [], min = 0, max, example: placeholder } = setting;
  const normal = showSetting(setting, standard);
  const name = options.find(({ value }) => value === normal)?.label ?? normal;
  const helpText = html`${help} <span class="default">Default: ${name || 'none'}.</span>
    ${text !== normal && html` <button type="button" class="link" aria-label=${`Reset ${label} to its default`} onClick=${() => onInput(normal)}>Reset</button>`}`;
  const kinds = { pick: 'select', by_tool: 'textarea', container: 'textarea', seconds: 'number', count: 'number' };
  const number = { min, max, step: kind === 'count' ? 1 : 'any', inputmode: 'decimal' };
  const lines = { rows: 3, placeholder };
  const attrs = { pick: {}, by_tool: lines, container: lines, seconds: number, count: number };
  return html`<${Field} label=${label} kind=${kinds[kind]} value=${text} options=${options} attrs=${attrs[kind]} mono=${kinds[kind] === 'textarea'} help=${helpText} error=${fault} onInput=${onInput} />`;
}
