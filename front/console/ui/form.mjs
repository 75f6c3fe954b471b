/** Form fields with a label, a description and an error message, associated for screen readers. */

import { useId } from 'preact/hooks';
import { html } from './html.mjs';

/**
 * @param {object} props
 * @param {string} props.label
 * @param {any} [props.help]
 * @param {string} [props.error]
 * @param {string} [props.value]
 * @param {(value: string) => void} [props.onInput]
 * @param {'text'|'url'|'number'|'search'|'textarea'|'select'|'password'|'datetime-local'} [props.kind]
 * @param {{ value: string, label: string }[]} [props.options] of a select
 * @param {Record<string, any>} [props.attrs] further attributes of the control (placeholder, rows, min, …)
 * @param {boolean} [props.mono]
 * @param {boolean} [props.hideLabel] the label is for screen readers only
 * @param {boolean} [props.required]
 */
export function Field(props) {
  const id = useId();
  const { label, help, error, hideLabel = false, required = false } = props;
  const described = [help && `${id}-help`, error && `${id}-error`].filter(Boolean).join(' ');
  return html`<div class="field ${error ? 'field-wrong' : ''}">
    <label for=${id} class=${hideLabel ? 'unseen' : ''}>${label}${required && html`<span class="muted"> (required)</span>`}</label>
    <${Control} ...${props} id=${id} described=${described || undefined} />
    ${help && html`<p class="help" id=${`${id}-help`}>${help}</p>`}
    ${error && html`<p class="wrong" id=${`${id}-error`}>${error}</p>`}
  </div>`;
}

/** @param {any} props */
function Control({
  id,
  described,
  error,
  value = '',
  onInput,
  kind = 'text',
  options = [],
  attrs = {},
  mono,
  required,
}) {
  const shared = {
    ...attrs,
    id,
    class: mono ? 'mono' : undefined,
    value,
    required,
    'aria-describedby': described,
    'aria-invalid': error ? 'true' : undefined,
    onInput: (/** @type {any} */ event) => onInput?.(event.target.value),
  };
  if (kind === 'textarea') return html`<textarea rows="4" spellcheck="false" ...${shared}></textarea>`;
  if (kind === 'select')
    return html`<select ...${shared}>
      ${options.map((/** @type {any} */ item) => html`<option value=${item.value} selected=${item.value === value}>${item.label}</option>`)}
    </select>`;
  return html`<input type=${kind} autocomplete="off" spellcheck="false" autocapitalize="off" ...${shared} />`;
}

/**
 * @param {{ label: any, checked: boolean, onChange: (checked: boolean) => void, help?: any, disabled?: boolean }} props
 */
export function Checkbox({ label, checked, onChange, help, disabled }) {
  const id = useId();
  return html`<div class="checkbox">
    <input
      type="checkbox"
      id=${id}
      checked=${checked}
      disabled=${disabled}
      aria-describedby=${help ? `${id}-help` : undefined}
      onChange=${(/** @type {any} */ event) => onChange(event.target.checked)}
    />
    <div>
      <label for=${id}>${label}</label>
      ${help && html`<p class="help" id=${`${id}-help`}>${help}</p>`}
    </div>
  </div>`;
}

/**
 * A choice of a few options, as buttons in a row.
 *
 * @param {{ label: string, value: string, options: { value: string, label: any }[], onChange: (value: string) => void }} props
 */
export function Choice({ label, value, options, onChange }) {
  const name = useId();
  return html`<fieldset class="choice">
    <legend class="unseen">${label}</legend>
    ${options.map(
      (option) => html`<label class="choice-item" key=${option.value}>
        <input
          type="radio"
          name=${name}
          value=${option.value}
          checked=${option.value === value}
          onChange=${() => onChange(option.value)}
        />
        <span>${option.label}</span>
      </label>`,
    )}
  </fieldset>`;
}
