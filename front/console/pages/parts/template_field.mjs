/** The field of a workspace's tool name format: a usual one by its name, or a text of one's own. */

import { DEFAULT_TEMPLATE, exampleName } from '../../forms/members.mjs';
import { serversByKey } from '../../hub/store.mjs';
import { Field, html } from '../../ui.mjs';
import { displayName } from '../../words.mjs';

const USUAL = [
  { value: DEFAULT_TEMPLATE, label: '{namespace}_{name}: usual' },
  { value: 'mcp_{namespace}_{name}', label: 'mcp_{namespace}_{name}: as MCP registries name tools' },
  { value: '{namespace}__{name}', label: '{namespace}__{name}: two underscores' },
  { value: '{name}', label: '{name}: for a single server' },
];

/** @param {{ template: string, picked: string[], onInput: (text: string) => void, fault: string }} props */
export function TemplateField({ template, picked, onInput, fault }) {
  const namespace = serversByKey.value.get(picked[0])?.namespace ?? 'files';
  const example = exampleName(template, namespace, 'read_file');
  const usual = USUAL.some(({ value }) => value === template);
  const options = usual ? USUAL : [...USUAL, { value: template, label: 'Your own' }];
  const help = html`The format of tool names that clients see. The tool read_file of the namespace ${displayName(namespace)} is named <code>${example}</code>.`;
  return html`<${Field} label="Naming scheme" kind="select" options=${options} value=${template} onInput=${onInput} />
    <${Field} label="Tool name format" mono value=${template} onInput=${onInput} help=${help} error=${fault} />`;
}
