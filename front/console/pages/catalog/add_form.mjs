/** The form that adds an entry of the catalogue: its settings, and the workspaces that get it. */

import { useState } from 'preact/hooks';
import { answersOf, asked, faultOf, initial } from '../../forms/catalog_inputs.mjs';
import { api, state } from '../../hub/store.mjs';
import { Button, Checkbox, html, Notice, Section } from '../../ui.mjs';
import { displayName } from '../../words.mjs';
import { useFirstWrong } from '../parts/setting_fields.mjs';
import { InputField } from './input_field.mjs';
import { Progress } from './progress.mjs';

/** @typedef {import('../../../../bridge/node/types.mjs').CatalogCard} Card */

const FIRST_WORKSPACE = 'main'; // what the workspace of a hub that has none is called

/** @param {{ card: Card }} props */
export function AddForm({ card }) {
  const [started, setStarted] = useState(/** @type {{ job: string, workspace?: string }|null} */ (null));
  if (started) return html`<${Progress} ...${started} onAgain=${() => setStarted(null)} />`;
  return html`<${SettingsForm} card=${card} onStarted=${setStarted} />`;
}

/** @param {{ card: Card, onStarted: (started: { job: string, workspace?: string }) => void }} props */
function SettingsForm({ card: { inputs, summary }, onStarted }) {
  const fields = asked(inputs);
  const [texts, setTexts] = useState(() => Object.fromEntries(fields.map((input) => [input.name, initial(input)])));
  const [workspaces, setWorkspaces] = useState(firstChoice);
  const [tried, setTried] = useState(false);
  const [error, setError] = useState(/** @type {any} */ (null));
  const [busy, setBusy] = useState(false);
  const [form, goToWrong] = useFirstWrong();
  const refused = error?.code === 'SETTINGS_INVALID' ? (error.data?.inputs ?? {}) : {};
  const faults = Object.fromEntries(
    fields.map((input) => [input.name, faultOf(input, texts[input.name]) || refused[input.name] || '']),
  );
  const add = async () => {
    setTried(true);
    if (fields.some((input) => faultOf(input, texts[input.name]))) return goToWrong();
    setBusy(true);
    setError(null);
    try {
      const { name, version, source } = summary;
      const body = { name, version, source, workspaces, ...answersOf(inputs, texts) };
      const { job } = await api.post('/api/catalog/activate', {}, body);
      onStarted({ job, workspace: workspaces[0] });
    } catch (reason) {
      setError(reason);
      goToWrong();
    }
    setBusy(false);
  };
  const type = (/** @type {string} */ name) => (/** @type {string} */ text) => setTexts({ ...texts, [name]: text });
  return html`<${Section} title="Add to this hub">
    <form class="form" noValidate ref=${form} onSubmit=${(/** @type {Event} */ event) => [event.preventDefault(), add()]}>
      <div class="card">
        ${fields.map((input) => html`<${InputField} key=${input.name} input=${input} text=${texts[input.name]} fault=${(tried && faults[input.name]) || ''} onInput=${type(input.name)} />`)}
        <${Workspaces} chosen=${workspaces} onChange=${setWorkspaces} />
      </div>
      ${error && html`<div class="after"><${Notice} error=${error} /></div>`}
      <div class="form-foot"><${Button} type="submit" primary icon="plus" busy=${busy}>Add</${Button}></div>
    </form>
  </${Section}>`;
}

/** @returns {string[]} */
function firstChoice() {
  const names = (state.value?.workspaces ?? []).map(({ name }) => name);
  return [names[0] ?? FIRST_WORKSPACE];
}

/** @param {{ chosen: string[], onChange: (names: string[]) => void }} props */
function Workspaces({ chosen, onChange }) {
  const names = (state.value?.workspaces ?? []).map(({ name }) => name);
  const listed = names.length > 0 ? names : [FIRST_WORKSPACE];
  const toggle = (/** @type {string} */ name, /** @type {boolean} */ on) =>
    onChange(listed.filter((each) => (each === name ? on : chosen.includes(each))));
  return html`<fieldset class="group">
    <legend>Workspaces that get it</legend>
    ${listed.map((name) => html`<${Checkbox} key=${name} label=${displayName(name)} checked=${chosen.includes(name)} onChange=${(/** @type {boolean} */ on) => toggle(name, on)} help=${names.length === 0 && 'It is created.'} />`)}
    ${chosen.length === 0 && html`<p class="help">In no workspace, the server is installed, but neither started nor checked.</p>`}
  </fieldset>`;
}
