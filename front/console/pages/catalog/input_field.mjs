/** The field of one setting of a catalogue entry, by its type. */

import { isNeeded } from '../../forms/catalog_inputs.mjs';
import { Field, html } from '../../ui.mjs';

/** @typedef {import('../../../../bridge/node/types.mjs').CatalogInput} Input */

const SECRET_HELP = 'Stored in variables.json of the hub, and nowhere else; or ${NAME} for a variable that exists.';

/** @param {{ input: Input, text: string, fault: string, onInput: (text: string) => void }} props */
export function InputField({ input, text, fault, onInput }) {
  const { label, name, description, secret, repeated, placeholder, default: standard } = input;
  const hints = [
    description,
    secret && SECRET_HELP,
    repeated && 'One value per line.',
    !secret && standard && `Default: ${standard}`,
  ];
  const help = hints.filter(Boolean).join(' ');
  const attrs = placeholder ? { placeholder } : {};
  const shared = { label: label || name, help, error: fault, value: text, required: isNeeded(input), attrs, onInput };
  if (secret)
    return html`<${Field} ...${shared} kind="password" attrs=${{ ...attrs, autocomplete: 'new-password' }} />`;
  if (repeated) return html`<${Field} ...${shared} kind="textarea" mono />`;
  const options = optionsOf(input);
  if (options) return html`<${Field} ...${shared} kind="select" options=${options} />`;
  return html`<${Field} ...${shared} kind="text" mono=${input.format === 'filepath'} attrs=${input.format === 'number' ? { ...attrs, inputmode: 'decimal' } : attrs} />`;
}

/** Return the choices of an input; null if it has none. @param {Input} input */
function optionsOf({ choices, format, default: standard }) {
  const values = choices.length > 0 ? choices : format === 'boolean' ? ['true', 'false'] : [];
  if (values.length === 0) return null;
  const listed = values.map((value) => ({ value, label: value }));
  return standard ? listed : [{ value: '', label: 'Not set' }, ...listed];
}
