/** Imports the servers of another client's configuration. */

import { useState } from 'preact/hooks';
import { href } from '../router.mjs';
import { api, refresh, state } from '../hub/store.mjs';
import { Button, Checkbox, Field, html, Notice, Page, Section, StateBadge, Table, toast } from '../ui.mjs';
import { count, displayName } from '../words.mjs';

/** @typedef {{ key: string, type: string, outcome: string, message: string }} Imported */
/** @typedef {{ text: string, workspace: string, fresh: string, replace: boolean }} Wanted */

const NONE = '';
const FRESH = 'new:';
const PREFIX = 'is:'; // before a workspace's name in the choice: any text can be one

const SAMPLE = `{
  "mcpServers": {
    "files": {
      "command": "npx",
      "args": ["-y", "@modelcontextprotocol/server-filesystem", "/srv/docs"]
    }
  }
}`;

/** The page. */
export default function Import() {
  const [wanted, setWanted] = useState(() => ({ text: '', workspace: firstChoice(), fresh: 'main', replace: false }));
  const [preview, setPreview] = useState(/** @type {Imported[]|null} */ (null));
  const [done, setDone] = useState(/** @type {{ servers: Imported[], workspace: string|null }|null} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  const change = (/** @type {Partial<Wanted>} */ part) => {
    setWanted({ ...wanted, ...part });
    setPreview(null);
    setDone(null);
    setError(null);
  };
  const run = async (/** @type {boolean} */ dryRun) => {
    setError(null);
    try {
      const answer = await api.post('/api/hub/import', {}, request(wanted, dryRun));
      if (dryRun) return setPreview(answer.servers);
      await refresh();
      setDone(answer);
      setPreview(null);
      toast('Imported');
    } catch (reason) {
      setPreview(null);
      setError(reason);
    }
  };
  const lead =
    'Paste the configuration of Claude Desktop, Cursor, VS Code, Codex, Goose, Continue or another client, or a server.json.';
  return html`<${Page} title="Import" lead=${lead}>
    <form class="form" noValidate onSubmit=${(/** @type {Event} */ event) => [event.preventDefault(), run(true)]}>
      <div class="card">
        <${Field} label="Configuration" kind="textarea" mono value=${wanted.text} attrs=${{ rows: 12, placeholder: SAMPLE }} help="JSON (the whole file or a part of it), TOML or YAML, also in a Markdown code block. Comments and trailing commas are allowed." onInput=${(/** @type {string} */ text) => change({ text })} />
        <${Target} wanted=${wanted} onChange=${change} />
        <${Checkbox} label="Replace existing servers" checked=${wanted.replace} onChange=${(/** @type {boolean} */ replace) => change({ replace })} help="Otherwise existing servers are not changed." />
      </div>
      ${error && html`<div class="after"><${Notice} error=${error} /></div>`}
      <div class="form-foot"><${Button} type="submit" primary=${!preview} disabled=${wanted.text.trim() === ''}>Preview</${Button}></div>
    </form>
    ${preview && html`<${Preview} servers=${preview} onImport=${() => run(false)} />`}
    ${done && html`<${Done} done=${done} />`}
  </${Page}>`;
}

function firstChoice() {
  const workspaces = state.value?.workspaces ?? [];
  return workspaces.length === 0 ? FRESH : NONE;
}

/** @param {Wanted} wanted @param {boolean} dryRun */
function request({ text, workspace, fresh, replace }, dryRun) {
  const target = workspace === FRESH ? fresh : workspace.startsWith(PREFIX) ? workspace.slice(PREFIX.length) : null;
  const into = target === null || (workspace === FRESH && target === '') ? {} : { workspace: target };
  return { text, replace, dry_run: dryRun, ...into };
}

/** @param {{ wanted: Wanted, onChange: (part: Partial<Wanted>) => void }} props */
function Target({ wanted, onChange }) {
  const options = [
    { value: NONE, label: 'None' },
    ...(state.value?.workspaces ?? []).map(({ name }) => ({ value: `${PREFIX}${name}`, label: displayName(name) })),
    { value: FRESH, label: 'A new workspace' },
  ];
  return html`
    <${Field} label="Add to workspace" kind="select" value=${wanted.workspace} options=${options} onInput=${(/** @type {string} */ workspace) => onChange({ workspace })} />
    ${wanted.workspace === FRESH && html`<${Field} label="Name of the new workspace" value=${wanted.fresh} onInput=${(/** @type {string} */ fresh) => onChange({ fresh })} />`}
  `;
}

/** @type {Record<string, { tone: string, word: string }>} */
const OUTCOMES = {
  added: { tone: 'ok', word: 'New' },
  replaced: { tone: 'busy', word: 'Replaces' },
  same: { tone: 'off', word: 'Unchanged' },
  exists: { tone: 'warn', word: 'Already exists' },
  unusable: { tone: 'bad', word: 'Invalid' },
};

/** @param {{ servers: Imported[] }} props */
function Outcomes({ servers }) {
  /** @type {any[]} */
  const columns = [
    {
      id: 'outcome',
      title: 'Outcome',
      cell: (/** @type {Imported} */ { outcome }) =>
        html`<${StateBadge} ...${OUTCOMES[outcome] ?? { tone: 'off', word: outcome }} />`,
    },
    {
      id: 'key',
      title: 'Server',
      cell: (/** @type {Imported} */ { key }) => html`<strong class="break">${displayName(key)}</strong>`,
    },
    { id: 'type', title: 'Type', cell: (/** @type {Imported} */ { type }) => type || '–' },
    {
      id: 'message',
      title: 'Note',
      cell: (/** @type {Imported} */ { message }) => html`<span class="muted">${message || '–'}</span>`,
    },
  ];
  return html`<${Table} label="Result for each server" columns=${columns} rows=${servers} rowKey=${(/** @type {Imported} */ server) => server.key} />`;
}

/** @param {{ servers: Imported[], onImport: () => Promise<void> }} props */
function Preview({ servers, onImport }) {
  const usable = servers.filter(({ outcome }) => outcome !== 'unusable').length;
  const taken = servers.filter(({ outcome }) => outcome === 'added' || outcome === 'replaced').length;
  return html`<${Section} title="Preview" note="Nothing is written yet.">
    <div role="status" class="unseen">${count(servers.length, 'server')} found, ${taken} to be imported</div>
    ${servers.length > 0 ? html`<${Outcomes} servers=${servers} />` : html`<p class="muted">The text contains no server.</p>`}
    <div class="form-foot"><${Button} primary disabled=${usable === 0} onClick=${onImport}>Import ${taken > 0 && count(taken, 'server')}</${Button}></div>
  </${Section}>`;
}

/** @param {{ done: { servers: Imported[], workspace: string|null } }} props */
function Done({ done: { servers, workspace } }) {
  const to = workspace === null ? href('servers') : href('workspaces', [workspace]);
  return html`<${Section} title="Imported">
    <${Outcomes} servers=${servers} />
    <div class="form-foot"><${Button} primary href=${to}>${workspace === null ? 'Go to servers' : `Go to ${displayName(workspace)}`}</${Button}></div>
  </${Section}>`;
}
