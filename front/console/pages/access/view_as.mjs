/** Shows what a subject sees in each workspace, and what is hidden from it. */

import { useState } from 'preact/hooks';
import { reasonText } from '../../data/access.mjs';
import { api } from '../../hub/store.mjs';
import { Button, html, Notice, Table } from '../../ui.mjs';
import { displayName } from '../../words.mjs';
import { SubjectField } from './subject_field.mjs';

/**
 * @typedef {import('../../../../bridge/node/types.mjs').AccessItem} AccessItem
 * @typedef {import('../../../../bridge/node/types.mjs').AccessView} AccessView
 * @typedef {import('../../../../bridge/node/types.mjs').WorkspaceAccess} WorkspaceAccess
 */

/** @param {{ subjects: string[] }} props */
export function ViewAs({ subjects }) {
  const [subject, setSubject] = useState('');
  const [found, setFound] = useState(/** @type {{ answer?: AccessView, error?: any }} */ ({}));
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    api.get('/api/access/view', { subject }).then(
      (answer) => setFound({ answer }),
      (error) => setFound({ error }),
    );
  };
  const change = (/** @type {string} */ value) => {
    setSubject(value);
    setFound({});
  };
  return html`<form class="form" noValidate onSubmit=${submit}>
    <div class="card"><${SubjectField} id="view" subjects=${subjects} value=${subject} onInput=${change} /></div>
    <div class="form-foot"><${Button} type="submit" disabled=${!subject}>View</${Button}></div>
    ${found.error && html`<${Notice} error=${found.error} />`}
    ${found.answer && html`<p role="status">Role: ${found.answer.role}</p>`}
    ${found.answer?.workspaces.map((each) => html`<${SeenWorkspace} key=${each.name} workspace=${each} />`)}
  </form>`;
}

/** @param {{ workspace: WorkspaceAccess }} props */
function SeenWorkspace({ workspace: { name, usable, items } }) {
  const shown = items.filter(({ allowed }) => allowed).length;
  /** @typedef {AccessItem} Row */
  return html`<h3 class="break">${displayName(name)}</h3>
    ${!usable && html`<p>The workspace does not exist for this subject.</p>`}
    ${usable && html`<p>${shown} of ${items.length} items are listed.</p>`}
    ${
      usable &&
      items.length > 0 &&
      html`<${Table}
        label=${`Items of ${displayName(name)}`}
        rows=${items}
        rowKey=${(/** @type {Row} */ each) => JSON.stringify([each.type, each.server, each.shown_as])}
        columns=${[
          {
            id: 'name',
            title: 'Item',
            cell: (/** @type {Row} */ each) => html`<code class="break">${each.shown_as}</code>`,
          },
          { id: 'type', title: 'Type', cell: (/** @type {Row} */ each) => each.type },
          { id: 'server', title: 'Server', cell: (/** @type {Row} */ each) => displayName(each.server) },
          { id: 'allowed', title: 'Seen', cell: (/** @type {Row} */ each) => (each.allowed ? 'Listed' : 'Hidden') },
          { id: 'why', title: 'Why', cell: reasonText },
        ]}
      />`
    }`;
}
