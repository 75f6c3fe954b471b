/** Shows a JSON Schema: names, types, constraints and descriptions; the JSON itself on demand. */

import { isObject, options, plain, rules, typeText, variants, variantText } from '../../forms/schema.mjs';
import { requiredOf } from '../../forms/schema_draft.mjs';
import { CopyButton, html } from '../../ui.mjs';

/** @typedef {import('../../forms/schema.mjs').Schema} Schema */

const MAX_DEPTH = 6;

/** @param {{ schema: Schema, none: string }} props `none`: what to say where there is nothing to name */
export function SchemaView({ schema, none }) {
  const found = plain(schema, schema);
  const empty = !inside(found, schema);
  return html`<div class="schema-view">
    ${empty && !found.description && html`<p class="muted">${none}</p>`}
    ${found.description && html`<p class="prose">${found.description}</p>`}
    <${Inside} schema=${found} root=${schema} seen=${[]} depth=${0} />
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
 * @param {Schema} found @param {Schema} root
 * @returns {{ all?: Schema[], items?: Schema, properties?: Record<string, any>, values?: Schema }|null}
 */
function inside(found, root, depth = 0) {
  if (depth > MAX_DEPTH || options(found, root)) return null;
  const all = variants(found, root);
  if (all) return all.some((each) => inside(each, root, depth + 2)) ? { all } : null;
  if (isObject(found.items)) {
    const items = plain(found.items, root);
    return inside(items, root, depth + 1) ? { items } : null;
  }
  if (isObject(found.properties) && Object.keys(found.properties).length > 0) return { properties: found.properties };
  return isObject(found.additionalProperties) ? { values: plain(found.additionalProperties, root) } : null;
}

/**
 * @param {{ schema: Schema, given?: unknown, root: Schema, seen: string[], depth: number }} props
 *   `given`: as it stands in the JSON; `seen`: references that lead here, so that one in a circle is told once
 * @returns {any}
 */
function Inside({ schema, given, root, seen, depth }) {
  const reference = isObject(given) && typeof given.$ref === 'string' ? given.$ref : null;
  const held = inside(schema, root);
  if (!held) return null;
  if (depth > MAX_DEPTH || (reference && seen.includes(reference)))
    return html`<p class="muted schema-text">(the same as above)</p>`;
  const further = { root, seen: reference ? [...seen, reference] : seen, depth: depth + 1 };
  if (held.items) return html`<${Inside} schema=${held.items} given=${schema.items} ...${further} />`;
  if (held.all) return html`<${Alternatives} all=${held.all} given=${schema.oneOf ?? schema.anyOf} ...${further} />`;
  if (held.values)
    return html`<ul class="schema-rows"><${Row} name="(any name)" given=${schema.additionalProperties} ...${further} /></ul>`;
  const required = requiredOf(schema);
  return html`<ul class="schema-rows">
    ${Object.entries(held.properties ?? {}).map(
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
        <${Inside} schema=${each} given=${given?.[index]} ...${further} />
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
    <${Inside} schema=${schema} given=${given} ...${further} />
  </li>`;
}
