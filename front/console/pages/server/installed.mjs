/** Where a server was installed from, on its page: its version, and buttons to update, roll back and remove it. */

import { useEffect, useState } from 'preact/hooks';
import { isRunning, jobState } from '../catalog/job_state.mjs';
import { api, refresh, state } from '../../hub/store.mjs';
import { href, navigateLater } from '../../router.mjs';
import { Button, Confirm, Facts, html, Notice, Section, StateBadge, Time, toast } from '../../ui.mjs';
import { displayName } from '../../words.mjs';
import { useJob } from '../catalog/progress.mjs';

/** @typedef {import('../../../../bridge/node/types.mjs').InstalledServer} Installed */
/** @typedef {import('../../../../bridge/node/types.mjs').CatalogSummary} Summary */

/** The section; nothing for a server that is not from the catalogue. @param {{ name: string }} props */
export function InstalledSection({ name }) {
  const [installed, setInstalled] = useState(/** @type {Installed|null} */ (null));
  const [offered, setOffered] = useState(/** @type {Summary|null|undefined} */ (undefined));
  const [update, setUpdate] = useState('');
  const { job, error } = useJob(update);
  const [removing, setRemoving] = useState(false);
  const { activations, role } = state.value?.hub ?? {};
  const look = async () => {
    const { servers } = await api.get('/api/installed');
    const found = servers.find((/** @type {Installed} */ { key }) => key === name) ?? null;
    setInstalled(found);
    if (found) setOffered(await atSource(found));
  };
  useEffect(() => {
    if (role !== 'owner') look().catch(() => setInstalled(null));
  }, [name, activations, role]);
  if (!installed) return null;
  const busy = update !== '' && !error && (job === null || isRunning(job));
  const begin = async () => {
    const { job: started, version } = await api.post('/api/installed/update', { key: name }, {});
    if (started === null) toast(`${displayName(name)}: version ${version} is the newest`);
    setUpdate(started ?? '');
  };
  const rollBack = async () => {
    await api.post('/api/installed/roll-back', { key: name });
    await look();
    toast(`${displayName(name)}: version ${installed.previous}`);
  };
  const newer = newerOf(installed, offered);
  const actions = html`${newer && html`<${Button} primary icon="restart" disabled=${busy} onClick=${begin}>Update to ${newer}</${Button}>`}
    ${installed.previous && html`<${Button} icon="back" disabled=${busy} onClick=${rollBack}>Return to ${installed.previous}</${Button}>`}
    <${Button} icon="trash" disabled=${busy} onClick=${() => setRemoving(true)}>Uninstall</${Button}>`;
  return html`<${Section} title="Installed from the catalogue" actions=${actions}>
    <div class="card stack">
      <${Facts} facts=${factsOf(installed, offered)} />
      ${error && html`<${Notice} error=${error} />`}
      ${job && html`<${UpdateProgress} job=${job} />`}
    </div>
    ${removing && html`<${RemoveDialog} name=${name} onClose=${() => setRemoving(false)} />`}
  </${Section}>`;
}

/** What the source has of a server's entry by now; null if it has it no more, undefined if that is unknown. @param {Installed} installed */
async function atSource({ name, source }) {
  return api.get('/api/catalog/entry', { name, ...(source && { source }) }).then(
    (/** @type {{ summary: Summary }} */ { summary }) => summary,
    (error) => (error.code === 'NO_SUCH_ENTRY' ? null : undefined),
  );
}

/** The version to which a server can be updated; nothing if it has it. @param {Installed} installed @param {Summary|null|undefined} offered */
function newerOf(installed, offered) {
  return offered && offered.status !== 'deleted' && offered.version !== installed.entry_version ? offered.version : '';
}

/** @param {Installed} installed @param {Summary|null|undefined} offered @returns {string|undefined} */
function wordsOn(installed, offered) {
  if (offered === undefined) return undefined;
  if (offered === null) return 'Not there any more';
  if (offered.status !== 'active') return `Version ${offered.version}, ${offered.status}`;
  return newerOf(installed, offered) ? `Version ${offered.version}, which is newer` : 'The same version';
}

/** @param {Installed} installed @param {Summary|null|undefined} offered @returns {[any, any][]} */
function factsOf(installed, offered) {
  const { name, source, version, previous, kind, digest, installed: at } = installed;
  const query = /** @type {Record<string, string>} */ (source ? { source } : {});
  return [
    ['Entry', html`<a href=${href('catalog', [name], query)}>${name}</a>`],
    ['Version', version],
    ['At its source', wordsOn(installed, offered)],
    ['Earlier version', previous],
    ['Kind', kind],
    ['Digest', digest && html`<code class="break">${digest}</code>`],
    ['Installed', html`<${Time} at=${at} />`],
  ];
}

/** @param {{ job: import('../../../../bridge/node/types.mjs').ActivationJob }} props */
function UpdateProgress({ job }) {
  return html`<div role="status"><${StateBadge} ...${jobState(job)} /> ${isRunning(job) && job.step}</div>
    ${job.error && html`<${Notice} error=${job.error} />`}`;
}

/** @param {{ name: string, onClose: () => void }} props */
function RemoveDialog({ name, onClose }) {
  const confirm = async () => {
    const go = navigateLater();
    const { variables } = await api.del('/api/installed', { key: name });
    await refresh();
    onClose();
    toast(`${displayName(name)}: uninstalled`);
    go(variables.length > 0 ? 'variables' : 'servers');
  };
  return html`<${Confirm} title=${`Uninstall ${displayName(name)}?`} action="Uninstall server" onConfirm=${confirm} onClose=${onClose}>
    <p>Its entry, its place in workspaces, its settings and its folder are removed. Variables that only it used stay; the page Variables removes them.</p>
  </${Confirm}>`;
}
