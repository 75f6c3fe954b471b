/** A form generated from a JSON Schema, with a suitable control for each part of the draft. */

import { useId, useRef } from 'preact/hooks';
import { kindOf, options, plain, rules, typeText, variants, variantText } from '../../forms/schema.mjs';
import { pointer } from '../../forms/schema_check.mjs';
import { draftOf, objectDraft, requiredOf } from '../../forms/schema_draft.mjs';
import { Button, Checkbox, Field, html } from '../../ui.mjs';

/**
 * @typedef {import('../../forms/schema.mjs').Schema} Schema
 * @typedef {import('../../forms/schema_draft.mjs').Draft} Draft
 * @typedef {import('../../forms/schema_check.mjs').Problem} Problem
 *
 * @typedef {object} FieldProps
 * @property {string} name
 * @property {unknown} schema
 * @property {Schema} root
 * @property {Draft} draft
 * @property {boolean} required
 * @property {boolean} [item] of a list: it is there, and its name is a number
 * @property {string} path JSON pointer of its value
 * @property {Problem[]} problems of the whole form
 * @property {(draft: Draft) => void} onChange
 *
 * @typedef {FieldProps & { resolved: Schema, label: any, help: any, error: string|undefined }} ControlProps
 */

const LONG_NAMES = /text|content|body|code|query|prompt|message|script|sql|html|markdown|description/i;
const LONG_TEXT_LENGTH = 80; // characters beyond which a text gets several lines

/** @type {Record<string, string>} */
const INPUTS = { email: 'email', uri: 'url', url: 'url', password: 'password' };
/** @type {Record<string, string>} */
const PLACEHOLDERS = { date: '2026-01-31', time: '14:30:00', 'date-time': '2026-01-31T14:30:00Z', uri: 'https://' };

/** The fields of an object: the whole form, or a part of it. @param {Omit<FieldProps, 'name'|'required'>} props */
export function Fields({ schema, root, draft, path, problems, onChange }) {
  const resolved = plain(schema, root);
  const required = requiredOf(resolved);
  const change = (/** @type {string} */ name, /** @type {Draft} */ field) =>
    onChange({ ...draft, fields: { ...draft.fields, [name]: field } });
  return html`<div class="schema-fields stack">
    ${Object.entries(draft.fields ?? {}).map(
      ([name, field]) => html`<${SchemaField}
        key=${name}
        name=${name}
        schema=${resolved.properties?.[name]}
        root=${root}
        draft=${field}
        required=${required.has(name)}
        path=${pointer(path, name)}
        problems=${problems}
        onChange=${(/** @type {Draft} */ next) => change(name, next)}
      />`,
    )}
    ${takesMore(resolved, draft) && html`<${OtherProperties} draft=${draft} onChange=${onChange} />`}
  </div>`;
}

/** @param {Schema} schema @param {Draft} draft */
const takesMore = (schema, draft) => Boolean(draft.other) || (schema.additionalProperties ?? false) !== false;

/**
 * A field for members that the schema allows but does not name.
 * @param {{ draft: Draft, onChange: (draft: Draft) => void }} props
 */
function OtherProperties({ draft, onChange }) {
  const help = 'An object, in JSON. Leave it empty to send none.';
  return html`<${Field}
    label="Other properties"
    kind="textarea"
    mono
    help=${help}
    value=${draft.other ?? ''}
    onInput=${(/** @type {string} */ other) => onChange({ ...draft, other })}
    attrs=${{ rows: 2, placeholder: '{ }' }}
  />`;
}

/** A control for a value of any kind. @param {FieldProps} props */
function SchemaField(props) {
  const resolved = plain(props.schema, props.root);
  const error = props.problems.find((problem) => problem.path === props.path)?.message;
  const controlProps = { ...props, resolved, error, label: labelOf(props, resolved), help: helpOf(resolved) };
  const View = /** @type {Record<string, any>} */ (VIEWS)[props.draft.kind] ?? Json;
  const body = props.draft.isNull ? html`<${NullValue} ...${controlProps} />` : html`<${View} ...${controlProps} />`;
  return resolved.nullable && mayBeNull(props, resolved)
    ? html`<div>${body}<${NullBox} ...${controlProps} /></div>`
    : body;
}

/**
 * Return whether to show the checkbox for null; not if leaving the value out already means null.
 * @param {FieldProps} props @param {Schema} resolved
 */
function mayBeNull({ draft, required }, resolved) {
  return draft.isNull || required || (resolved.default ?? null) !== null;
}

/** @param {ControlProps} props */
function NullBox({ name, draft, onChange }) {
  return html`<${Checkbox}
    label=${html`<code>null</code><span class="unseen"> for ${name}</span>`}
    checked=${Boolean(draft.isNull)}
    onChange=${(/** @type {boolean} */ isNull) => onChange({ ...draft, isNull })}
  />`;
}

/** @param {FieldProps} props @param {Schema} resolved */
function labelOf({ name, root, item }, resolved) {
  const title =
    typeof resolved.title === 'string' && resolved.title.toLowerCase() !== spaced(name) ? resolved.title : '';
  if (item) return html`${name}<span class="schema-type"> ${typeText(resolved, root)}</span>`;
  return html`<code class="schema-name">${name}</code>${title && html` <span>${title}</span>`}
    <span class="schema-type"> ${typeText(resolved, root)}</span>`;
}

const spaced = (/** @type {string} */ name) => name.replaceAll(/[_-]+/g, ' ').toLowerCase();

/** @param {Schema} resolved */
function helpOf(resolved) {
  const ruleText = rules(resolved).join(', ');
  const description = typeof resolved.description === 'string' ? resolved.description : '';
  if (!ruleText && !description) return undefined;
  return html`${description}${description && ruleText && ' '}${ruleText && html`<span class="schema-rules">${ruleText}</span>`}`;
}

// --- one control ----------------------------------------------------------------------------------------------------

/** @param {ControlProps} props */
function Text({ name, resolved, draft, onChange, ...rest }) {
  const value = draft.text ?? '';
  const long = !resolved.format && (LONG_NAMES.test(name) || value.includes('\n') || value.length > LONG_TEXT_LENGTH);
  return html`<${Field}
    ...${fieldProps(rest)}
    value=${value}
    kind=${long ? 'textarea' : (INPUTS[resolved.format] ?? 'text')}
    onInput=${(/** @type {string} */ text) => onChange({ kind: 'string', text })}
    attrs=${{ ...(long && { rows: 2 }), placeholder: PLACEHOLDERS[resolved.format] ?? exampleOf(resolved) }}
  />`;
}

/** @param {Schema} resolved */
function exampleOf(resolved) {
  const example = Array.isArray(resolved.examples) ? resolved.examples[0] : undefined;
  return typeof example === 'string' || typeof example === 'number' ? `e.g. ${example}` : undefined;
}

/** @param {ControlProps} props */
function Numeric({ resolved, draft, onChange, ...rest }) {
  return html`<${Field}
    ...${fieldProps(rest)}
    value=${draft.text ?? ''}
    onInput=${(/** @type {string} */ text) => onChange({ kind: draft.kind, text })}
    attrs=${{ inputmode: draft.kind === 'integer' ? 'numeric' : 'decimal', placeholder: exampleOf(resolved) }}
  />`;
}

/** @param {ControlProps} props */
function Bool({ resolved, draft, required, onChange, ...rest }) {
  if (required || typeof resolved.default === 'boolean') {
    const change = (/** @type {boolean} */ on) => onChange({ kind: 'boolean', on });
    return html`<${Checkbox} label=${rest.label} help=${rest.help} checked=${draft.on} onChange=${change} />`;
  }
  return html`<${Field}
    ...${fieldProps(rest)}
    kind="select"
    value=${draft.absent ? '' : String(draft.on)}
    onInput=${(/** @type {string} */ text) => onChange({ kind: 'boolean', on: text === 'true', absent: text === '' })}
    options=${[LEFT_OUT_OPTION, { value: 'true', label: 'true' }, { value: 'false', label: 'false' }]}
  />`;
}

const LEFT_OUT_OPTION = { value: '', label: '(left out)' };

/** @param {ControlProps} props */
function Enum({ resolved, root, draft, required, onChange, ...rest }) {
  const choices = (options(resolved, root) ?? []).map(({ label }, index) => ({ value: String(index), label }));
  const none = required ? { value: '', label: 'Choose…' } : LEFT_OUT_OPTION;
  const change = (/** @type {string} */ text) => onChange({ kind: 'enum', index: text === '' ? -1 : Number(text) });
  return html`<${Field}
    ...${fieldProps({ ...rest, required })}
    kind="select"
    value=${(draft.index ?? -1) < 0 ? '' : String(draft.index)}
    onInput=${change}
    options=${required && choices.length === 1 ? choices : [none, ...choices]}
  />`;
}

/** @param {ControlProps} props */
function Json({ draft, onChange, ...rest }) {
  return html`<${Field}
    ...${fieldProps(rest)}
    kind="textarea"
    mono
    value=${draft.text ?? ''}
    onInput=${(/** @type {string} */ text) => onChange({ kind: 'json', text })}
    attrs=${{ rows: 3, placeholder: 'JSON' }}
  />`;
}

/** @param {ControlProps} props */
function NullValue({ label }) {
  return html`<p class="schema-fixed">${label}: <code>null</code></p>`;
}

/** Return the properties of a part that a Field takes. @param {any} rest */
const fieldProps = ({ label, help, error, required, item }) => ({ label, help, error, required: required && !item });

// --- of several parts -----------------------------------------------------------------------------------------------

/** @param {{ label: any, help: any, error: string|undefined, required: boolean, item?: boolean, children: any }} props */
function Group({ label, help, error, required, item, children }) {
  const id = useId();
  return html`<fieldset class="schema-group" aria-describedby=${error ? `${id}-error` : undefined}>
    <legend>${label}${required && !item && html`<span class="schema-type"> (required)</span>`}</legend>
    ${help && html`<p class="help">${help}</p>`}
    ${error && html`<p class="wrong" id=${`${id}-error`} tabindex="-1">${error}</p>`}
    ${children}
  </fieldset>`;
}

/** @param {ControlProps} props */
function ObjectFields({ resolved, root, draft, required, onChange, ...rest }) {
  const include = (/** @type {boolean} */ on) =>
    onChange(on ? objectDraft(resolved, {}, root) : { kind: 'object', absent: true });
  return html`<${Group} ...${rest} required=${required}>
    ${!required && html`<${Checkbox} label="Include it" checked=${!draft.absent} onChange=${include} />`}
    ${!draft.absent && html`<${Fields} ...${rest} schema=${resolved} root=${root} draft=${draft} onChange=${onChange} />`}
  </${Group}>`;
}

/** @param {ControlProps} props */
function List({ resolved, root, draft, required, path, problems, onChange, ...rest }) {
  const box = useRef(/** @type {HTMLElement|null} */ (null));
  const items = draft.items ?? [];
  const put = (/** @type {Draft[]} */ next) =>
    onChange({ kind: 'array', items: next, absent: next.length === 0 && !required });
  const add = () => {
    put([...items, draftOf(resolved.items, undefined, root, true)]);
    setTimeout(() => focusLast(box.current));
  };
  const remove = (/** @type {number} */ at) => {
    put(items.filter((_, index) => index !== at));
    /** @type {HTMLElement|null|undefined} */ (box.current?.querySelector(':scope > .schema-add button'))?.focus();
  };
  return html`<${Group} ...${rest} required=${required}>
    <div class="schema-items stack" ref=${box}>
      ${items.map(
        (item, index) => html`<div class="schema-item" key=${index}>
          <${SchemaField}
            name=${`Item ${index + 1}`}
            schema=${resolved.items}
            root=${root}
            draft=${item}
            required
            item
            path=${pointer(path, index)}
            problems=${problems}
            onChange=${(/** @type {Draft} */ next) => put(items.map((each, at) => (at === index ? next : each)))}
          />
          <${Button} icon="trash" quiet label=${`Remove item ${index + 1} of ${rest.name}`} onClick=${() => remove(index)} />
        </div>`,
      )}
      <div class="schema-add"><${Button} icon="plus" onClick=${add}>Add an item</${Button}></div>
    </div>
  </${Group}>`;
}

/** @param {HTMLElement|null} box */
function focusLast(box) {
  const last = [...(box?.querySelectorAll(':scope > .schema-item') ?? [])].at(-1);
  /** @type {HTMLElement|null|undefined} */ (last?.querySelector('input, textarea, select, button'))?.focus();
}

/** @param {ControlProps} props */
function Variant({ resolved, root, draft, required, path, problems, onChange, ...rest }) {
  const all = variants(resolved, root) ?? [];
  const picked = draft.index ?? -1;
  const pick = (/** @type {string} */ text) => {
    const index = text === '' ? -1 : Number(text);
    onChange(
      index < 0 ? { kind: 'choice', index } : { kind: 'choice', index, of: draftOf(all[index], undefined, root, true) },
    );
  };
  const choices = all.map((each, index) => ({ value: String(index), label: variantText(each, root) }));
  return html`<${Group} ...${rest} required=${required} error=${picked < 0 ? undefined : rest.error}>
    <${Field}
      label=${`Kind of ${rest.name}`}
      error=${picked < 0 ? rest.error : undefined}
      kind="select"
      value=${picked < 0 ? '' : String(picked)}
      onInput=${pick}
      options=${[required ? { value: '', label: 'Choose…' } : LEFT_OUT_OPTION, ...choices]}
    />
    ${
      draft.of &&
      html`<${ChosenVariant} ...${{ root, path, problems }} name=${rest.name} schema=${all[picked]} draft=${draft.of} onChange=${(
        /** @type {Draft} */ of,
      ) => onChange({ ...draft, of })} />`
    }
  </${Group}>`;
}

/**
 * The control for the chosen alternative; the fields of an object belong to the group of the choice.
 * @param {FieldProps} props
 */
function ChosenVariant(props) {
  const resolved = plain(props.schema, props.root);
  if (props.draft.kind === 'object' && kindOf(resolved, props.root) === 'object')
    return html`<${Fields} ...${props} />`;
  return html`<${SchemaField} ...${props} required />`;
}

const VIEWS = {
  string: Text,
  number: Numeric,
  integer: Numeric,
  boolean: Bool,
  enum: Enum,
  null: NullValue,
  array: List,
  object: ObjectFields,
  choice: Variant,
};
