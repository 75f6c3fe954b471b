/** Explains why a subject may use an item, or not. */

import { useState } from 'preact/hooks';
import { reasonText, ruleText } from '../../data/access.mjs';
import { api, state } from '../../hub/store.mjs';
import { Button, Field, html, Notice, Table } from '../../ui.mjs';
import { displayName } from '../../words.mjs';
import { SubjectField } from './subject_field.mjs';

/**
 * @typedef {import('../../../../bridge/node/types.mjs').AccessDecision} AccessDecision
 * @typedef {import('../../../../bridge/node/types.mjs').AccessExplained} AccessExplained
 */

const ALL = '';
const PREFIX = 'is:'; // before a workspace's name in the choice: any text can be one
const TYPES = ['tool', 'resource', 'prompt'].map((value) => ({ value, label: value }));
const HELP = 'As clients see it, or as its server names it; the URI of a resource.';

/** @param {{ subjects: string[] }} props */
export function Explain({ subjects }) {
  const [asked, setAsked] = useState({ subject: '', name: '', type: 'tool', workspace: ALL });
  const [found, setFound] = useState(/** @type {{ answer?: AccessExplained, error?: any }} */ ({}));
  const change = (/** @type {Partial<typeof asked>} */ part) => {
    setAsked({ ...asked, ...part });
    setFound({});
  };
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const workspace = asked.workspace === ALL ? null : asked.workspace.slice(PREFIX.length);
    const answered = api.get('/api/access/explain', { ...asked, workspace });
    answered.then(
      (answer) => setFound({ answer }),
      (error) => setFound({ error }),
    );
  };
  const spaces = (state.value?.workspaces ?? []).map(({ name }) => ({
    value: PREFIX + name,
    label: displayName(name),
  }));
  return html`<form class="form" noValidate onSubmit=${submit}>
    <div class="card">
      <${SubjectField} id="explain" subjects=${subjects} value=${asked.subject} onInput=${(/** @type {string} */ subject) => change({ subject })} />
      <${Field} label="Item" value=${asked.name} help=${HELP} onInput=${(/** @type {string} */ name) => change({ name })} />
      <${Field} label="Type" kind="select" value=${asked.type} options=${TYPES} onInput=${(/** @type {string} */ type) => change({ type })} />
      <${Field} label="Workspace" kind="select" value=${asked.workspace} options=${[{ value: ALL, label: 'All' }, ...spaces]} onInput=${(/** @type {string} */ workspace) => change({ workspace })} />
    </div>
    <div class="form-foot"><${Button} type="submit" disabled=${!asked.subject || !asked.name}>Explain</${Button}></div>
    ${found.error && html`<${Notice} error=${found.error} />`}
    ${found.answer && html`<${Decisions} answer=${found.answer} />`}
  </form>`;
}

/** @param {{ answer: AccessExplained }} props */
function Decisions({ answer: { decisions, role } }) {
  if (decisions.length === 0) return html`<${Notice} tone="info"><p>No workspace has such an item.</p></${Notice}>`;
  /** @typedef {AccessDecision} Row */
  return html`<p role="status">Role: ${role}</p>
    <${Table}
      label="Decisions"
      rows=${decisions}
      rowKey=${(/** @type {Row} */ each) => JSON.stringify([each.workspace, each.server, each.shown_as])}
      columns=${[
        { id: 'workspace', title: 'Workspace', cell: (/** @type {Row} */ each) => displayName(each.workspace) },
        {
          id: 'name',
          title: 'Item',
          cell: (/** @type {Row} */ each) => html`<code class="break">${each.shown_as}</code>`,
        },
        { id: 'server', title: 'Server', cell: (/** @type {Row} */ each) => displayName(each.server) },
        {
          id: 'allowed',
          title: 'Decision',
          cell: (/** @type {Row} */ { allowed }) => (allowed ? 'Allowed' : 'Denied'),
        },
        { id: 'why', title: 'Why', cell: why },
      ]}
    />`;
}

/** @param {AccessDecision} decision */
function why({ text, listed, ...item }) {
  const absent = listed ? '' : ' The server does not list it now.';
  return html`${reasonText(item)}${absent}${text && html`<br /><span class="muted break">${text.effect === 'deny' ? 'Deny' : 'Allow'} ${text.subject}: ${ruleText(text)}</span>`}`;
}
