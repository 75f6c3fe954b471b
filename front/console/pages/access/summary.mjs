/** The roles and rules of access.json as tables. */

import { roleText, ruleText } from '../../data/access.mjs';
import { html, Section, Table } from '../../ui.mjs';

/** @typedef {import('../../data/access.mjs').Content} Content */

/** Most rows of a table. */
const MOST = 200;

/** @param {{ content: Content }} props */
export function Summary({ content: { roles, rules } }) {
  return html`
    ${roles.length > 0 && html`<${Section} title="Roles"><${Entries} label="Roles" entries=${roles} text=${roleText} /></${Section}>`}
    ${rules.length > 0 && html`<${Section} title="Rules"><${Entries} label="Rules" entries=${rules} text=${ruleText} effect /></${Section}>`}
  `;
}

/** @param {{ label: string, entries: any[], text: (entry: any) => string, effect?: boolean }} props */
function Entries({ label, entries, text, effect = false }) {
  const rows = entries.slice(0, MOST).map((entry, at) => ({ entry, number: at + 1 }));
  /** @typedef {{ entry: any, number: number }} Row */
  const columns = [
    { id: 'number', title: 'No.', cell: (/** @type {Row} */ { number }) => number },
    {
      id: 'subject',
      title: 'For',
      cell: (/** @type {Row} */ { entry }) => html`<span class="break">${entry.subject}</span>`,
    },
    ...(effect
      ? [
          {
            id: 'effect',
            title: 'Effect',
            cell: (/** @type {Row} */ { entry }) => (entry.effect === 'deny' ? 'Deny' : 'Allow'),
          },
        ]
      : []),
    {
      id: 'what',
      title: 'What',
      cell: (/** @type {Row} */ { entry }) => html`<span class="break">${text(entry)}</span>`,
    },
  ];
  return html`<${Table} label=${label} rows=${rows} rowKey=${(/** @type {Row} */ { number }) => String(number)} columns=${columns} />
    ${entries.length > MOST && html`<p class="muted">${entries.length - MOST} more are in the text below.</p>`}`;
}
