/** The settings of a server that hub.json keeps. */

import { useEffect, useState } from 'preact/hooks';
import { changeSettings } from '../../hub/actions.mjs';
import { GROUPS, isSet, readAll, refusedOf, SETTINGS, settingsChanges, valuesOf } from '../../forms/settings_spec.mjs';
import { Button, html, Notice, toast } from '../../ui.mjs';
import { displayName } from '../../words.mjs';
import { refusal, SettingGroup, useFirstWrong } from './setting_fields.mjs';

/** @param {{ server: import('../../types.mjs').Server }} props */
export function SettingsForm({ server: { key, type, settings } }) {
  const before = valuesOf(SETTINGS, settings);
  const [texts, setTexts] = useState(/** @type {Record<string, string>} */ ({}));
  const [error, setError] = useState(/** @type {any} */ (null));
  const [form, goToWrong] = useFirstWrong();
  const read = readAll(SETTINGS, texts, before);
  const after = Object.fromEntries(Object.entries(read).map(([name, { value }]) => [name, value]));
  const changes = settingsChanges(before, after);
  /** @type {Record<string, any>} */
  const faults = Object.fromEntries(Object.entries(read).map(([name, { fault }]) => [name, fault]));
  const wrong = Object.values(faults).some(Boolean);
  const refused = refusedOf(SETTINGS, error);
  if (refused) faults[refused] ??= refusal(error);
  useEffect(() => {
    if (refused) goToWrong();
  }, [error]);
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
  const input = (/** @type {string} */ name, /** @type {string} */ text) => {
    setTexts({ ...texts, [name]: text });
    if (name === refused) setError(null);
  };
  const discard = () => {
    setTexts({});
    setError(null);
  };
  return html`<form class="card" ref=${form} onSubmit=${save} noValidate>
    ${groupsFor(type, before).map((group) => html`<${SettingGroup} key=${group.title} ...${group} before=${before} texts=${texts} faults=${faults} onInput=${input} />`)}
    ${error && !refused && html`<${Notice} error=${error} />`}
    <div class="form-foot">
      <${Button} type="submit" primary disabled=${wrong || Object.keys(changes).length === 0}>Save settings</${Button}>
      ${Object.keys(texts).length > 0 && html`<${Button} quiet onClick=${discard}>Discard changes</${Button}>`}
    </div>
  </form>`;
}

/**
 * Return the groups with the settings that are for this kind of server, and others that are set all the same.
 * @param {string} type @param {Record<string, any>} values
 */
function groupsFor(type, values) {
  const kind = type === 'stdio' ? 'stdio' : 'remote';
  return GROUPS.map(({ title, settings }) => ({
    title,
    settings: settings.filter((setting) => (setting.only ?? kind) === kind || isSet(setting, values[setting.name])),
  })).filter(({ settings }) => settings.length > 0);
}
