/** The table of a workspace's tools, prompts and resources, each with its switch and estimated tokens. */

import { useState } from 'preact/hooks';
import { Button, html, StateBadge, Switch, Table } from '../../ui.mjs';

/** @typedef {import('../../../../bridge/node/types.mjs').WorkspaceItem} Item */

const BADGES = {
  on: { tone: 'good', word: 'On' },
  off: { tone: 'off', word: 'Off' },
  pending: { tone: 'warn', word: 'Pending' },
};

/** @param {{ items: Item[], onSwitch: (item: Item, on: boolean) => Promise<void>, onEdit: (item: Item) => void }} props */
export function ItemTable({ items, onSwitch, onEdit }) {
  const edit = (/** @type {Item} */ item) =>
    html`<${Button} icon="edit" quiet label=${`Edit ${item.name} of ${item.server}`} onClick=${() => onEdit(item)} />`;
  return html`<${Table}
    label="Tools, prompts and resources"
    rows=${items}
    rowKey=${(/** @type {Item} */ item) => JSON.stringify([item.server, item.kind, item.name])}
    columns=${[
      {
        id: 'switch',
        title: 'Switch',
        hide: true,
        cell: (/** @type {Item} */ item) => html`<${ItemSwitch} item=${item} onSwitch=${onSwitch} />`,
      },
      { id: 'name', title: 'Name', bare: true, cell: nameOf },
      { id: 'server', title: 'Server', cell: (/** @type {Item} */ { server }) => server },
      { id: 'kind', title: 'Kind', cell: (/** @type {Item} */ { kind }) => kind },
      { id: 'state', title: 'State', cell: stateOf },
      { id: 'tokens', title: 'Tokens', align: 'end', cell: (/** @type {Item} */ { tokens }) => tokens },
      { id: 'edit', title: 'Edit', hide: true, align: 'end', cell: edit },
    ]}
  />`;
}

/** @param {Item} item */
function nameOf({ name, exposed, description }) {
  return html`<strong class="break">${name}</strong>
    ${exposed && exposed !== name && html`<div class="small muted break">shown as <code>${exposed}</code></div>`}
    ${description && html`<div class="small muted clamp">${description.slice(0, 160)}</div>`}`;
}

/** @param {Item} item */
function stateOf({ state, why }) {
  return html`<${StateBadge} ...${BADGES[state]} /> ${why && html`<span class="small muted">by ${why}</span>`}`;
}

/** Shows its new position until the hub has applied it. @param {{ item: Item, onSwitch: (item: Item, on: boolean) => Promise<void> }} props */
function ItemSwitch({ item, onSwitch }) {
  const [target, setTarget] = useState(/** @type {boolean|undefined} */ (undefined));
  const change = async (/** @type {boolean} */ on) => {
    setTarget(on);
    await onSwitch(item, on).catch(() => {}); // `save` has shown the error
    setTarget(undefined);
  };
  return html`<${Switch} on=${item.state === 'on'} target=${target} label=${`${item.name} of ${item.server}`} disabled=${target !== undefined} onChange=${change} />`;
}
