/** Roles and permissions: edit access.json, explain a decision, see what a subject sees. */

import { useEffect, useState } from 'preact/hooks';
import { contentOf, subjectsOf } from '../../data/access.mjs';
import { api, state } from '../../hub/store.mjs';
import { html, Notice, Page, Section } from '../../ui.mjs';
import { AccessNav } from './access_nav.mjs';
import { Editor } from './editor.mjs';
import { Explain } from './explain.mjs';
import { Summary } from './summary.mjs';
import { ViewAs } from './view_as.mjs';

/** @typedef {import('../../../../bridge/node/types.mjs').AccessText} AccessText */

const LEAD = 'Who is an admin or owner, and which workspaces, servers and tools each key and user may use.';

/** The page. */
export default function Access() {
  const { file, keys, error, look } = useFile();
  const guarded = state.value?.hub.protected ?? true;
  const content = file?.text ? contentOf(file.text) : null;
  const subjects = subjectsOf(content, keys);
  return html`<${Page} title="Roles and rules" lead=${LEAD}>
    ${guarded && html`<${AccessNav} current="access" />`}
    ${!guarded && html`<${Notice} tone="warn"><p>This hub requires no token: everybody who reaches it may use everything, and this file has no effect.</p></${Notice}>`}
    ${error && html`<${Notice} error=${error} />`}
    ${!file && !error && html`<p class="muted" aria-busy="true">Loading…</p>`}
    ${content && html`<${Summary} content=${content} />`}
    ${file && html`<${Section} title="access.json"><${Editor} key=${file.hash} file=${file} onSaved=${look} /></${Section}>`}
    ${file && guarded && html`<${Section} title="Explain a decision"><${Explain} subjects=${subjects} /></${Section}>`}
    ${file && guarded && html`<${Section} title="View as"><${ViewAs} subjects=${subjects} /></${Section}>`}
  </${Page}>`;
}

/** Return the file and the keys, and a function that requests the file again. */
function useFile() {
  const [found, setFound] = useState(/** @type {{ file?: AccessText, error?: any }} */ ({}));
  const [keys, setKeys] = useState(/** @type {{ name: string }[]} */ ([]));
  const look = () =>
    api.get('/api/access').then(
      (file) => setFound({ file }),
      (error) => setFound(({ file }) => ({ file, error })),
    );
  useEffect(() => {
    look();
    api.get('/api/hub/keys').then(
      (answer) => setKeys(answer.keys),
      () => {}, // the page Keys reports it; here they are proposals only
    );
  }, []);
  return { ...found, keys, look };
}
