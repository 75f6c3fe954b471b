/** Shows a JSON Schema: names, types, constraints and descriptions; the JSON itself on demand. */

import { isObject, options, plain, rules, typeText, variants, variantText } from '../../forms/schema.mjs';
import { requiredOf } from '../../forms/schema_draft.mjs';
import { CopyButton, html } from '../../ui.mjs';

/** @typedef {import('../../forms/schema.mjs').Schema} Schema */

const MAX_DEPTH = 6;

/** @param {{ schema: Schema, none: string }} props `none`: what to say where there is nothing to name */
export function SchemaView({ schema, none }) {
  const resolved = plain(schema, schema);
  const empty = !partsOf(resolved, schema);
  return html`<div class="schema-view">
    ${empty && !resolved.description && html`<p class="muted">${none}</p>`}
    ${resolved.description && html`<p class="prose">${resolved.description}</p>`}
    <${SchemaParts} schema=${resolved} root=${schema} seen=${[]} depth=${0} />
    <${RawJson} value=${schema} label="JSON Schema" />
  </div>`;
}

/** JSON in a collapsible section. @param {{ value: unknown, label: string, open?: boolean }} props */
export function RawJson({ value, label, open = false }) {
  const text = JSON.stringify(value, null, 2) ?? '';
  return html`<details class="raw" open=${open}>
    <summary>${label}</summary>
    <div class="raw-body">
      <${CopyButton} text=${text} label=${label} />
      <pre tabindex="0">${text}</pre>
    </div>
  </details>`;
}

/**
 * Return the parts of a schema: fields of an object, of a list's items, or alternatives; null if there are none.
 *
 * @param {Schema} resolved @param {Schema} root
 * @returns {{ all?: Schema[], items?: Schema, properties?: Record<string, any>, values?: Schema }|null}
 */
function partsOf(resolved, root, depth = 0) {
  if (depth > MAX_DEPTH || options(resolved, root)) return null;
  const all = variants(resolved, root);
  if (all) return all.some((each) => partsOf(each, root, depth + 2)) ? { all } : null;
  if (isObject(resolved.items)) {
    const items = plain(resolved.items, root);
    return partsOf(items, root, depth + 1) ? { items } : null;
  }
  if (isObject(resolved.properties) && Object.keys(resolved.properties).length > 0)
    return { properties: resolved.properties };
  return isObject(resolved.additionalProperties) ? { values: plain(resolved.additionalProperties, root) } : null;
}

/**
 * @param {{ schema: Schema, given?: unknown, root: Schema, seen: string[], depth: number }} props
 *   `given`: as it stands in the JSON; `seen`: references that lead here, so that one in a circle is told once
 * @returns {any}
 */
function SchemaParts({ schema, given, root, seen, depth }) {
  const reference = isObject(given) && typeof given.$ref === 'string' ? given.$ref : null;
  const parts = partsOf(schema, root);
  if (!parts) return null;
  if (depth > MAX_DEPTH || (reference && seen.includes(reference)))
    return html`<p class="muted schema-text">(the same as above)</p>`;
  const further = { root, seen: reference ? [...seen, reference] : seen, depth: depth + 1 };
  if (parts.items) return html`<${SchemaParts} schema=${parts.items} given=${schema.items} ...${further} />`;
  if (parts.all) return html`<${Alternatives} all=${parts.all} given=${schema.oneOf ?? schema.anyOf} ...${further} />`;
  if (parts.values)
    return html`<ul class="schema-rows"><${Row} name="(any name)" given=${schema.additionalProperties} ...${further} /></ul>`;
  const required = requiredOf(schema);
  return html`<ul class="schema-rows">
    ${Object.entries(parts.properties ?? {}).map(
      ([name, each]) =>
        html`<${Row} key=${name} name=${name} given=${each} required=${required.has(name)} ...${further} />`,
    )}
  </ul>`;
}

/** @param {{ all: Schema[], given: unknown[]|undefined, root: Schema, seen: string[], depth: number }} props */
function Alternatives({ all, given, ...further }) {
  return html`<ul class="schema-rows">
    ${all.map(
      (each, index) => html`<li key=${index}>
        <p class="schema-row"><span class="muted">${index === 0 ? 'either' : 'or'}</span><strong>${variantText(each, further.root)}</strong></p>
        ${each.description && html`<p class="schema-text">${each.description}</p>`}
        <${SchemaParts} schema=${each} given=${given?.[index]} ...${further} />
      </li>`,
    )}
  </ul>`;
}

/** @param {{ name: string, given: unknown, root: Schema, seen: string[], depth: number, required?: boolean }} props */
function Row({ name, given, required = false, ...further }) {
  const schema = plain(given, further.root);
  const choices = options(schema, further.root);
  const ruleTexts = rules(schema);
  return html`<li>
    <p class="schema-row">
      <code class="schema-name">${name}</code>
      <span class="schema-type">${typeText(schema, further.root)}</span>
      ${required && html`<span class="tag tag-required">required</span>`}
      ${schema.deprecated && html`<span class="tag">deprecated</span>`}
    </p>
    ${typeof schema.description === 'string' && html`<p class="schema-text">${schema.description}</p>`}
    ${choices && html`<p class="schema-text">${choices.map(({ label }, index) => html`${index > 0 && ' '}<code key=${index}>${label}</code>`)}</p>`}
    ${ruleTexts.length > 0 && html`<p class="schema-text schema-rules">${ruleTexts.join(', ')}</p>`}
    ${schema.default !== undefined && html`<p class="schema-text">Default: <code>${JSON.stringify(schema.default)}</code></p>`}
    <${SchemaParts} schema=${schema} given=${given} ...${further} />
  </li>`;
}
