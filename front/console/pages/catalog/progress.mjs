/** Shows how far an installation is, and where its tools are when it is done. */

import { useEffect, useRef, useState } from 'preact/hooks';
import { isRunning, jobState } from './job_state.mjs';
import { serverOf } from '../../data/tool_list.mjs';
import { api, state, workspacesByName } from '../../hub/store.mjs';
import { href } from '../../router.mjs';
import { announce, Button, html, Notice, Section, StateBadge } from '../../ui.mjs';
import { displayName } from '../../words.mjs';

/** @typedef {import('../../../../bridge/node/types.mjs').ActivationJob} Job */

/**
 * Return a job, asked for again whenever the hub tells that one got on; null before the first answer, and for an empty id.
 * @param {string} id
 * @returns {{ job: Job|null, error: any }}
 */
export function useJob(id) {
  const [job, setJob] = useState(/** @type {Job|null} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  const last = useRef(0);
  const told = state.value?.hub.activations;
  useEffect(() => {
    if (id === '') return;
    const mine = (last.current += 1);
    const take = (/** @type {{ jobs: Job[] }} */ { jobs }) => {
      if (mine !== last.current) return;
      setJob(jobs.find((each) => each.id === id) ?? null);
    };
    api.get('/api/catalog/jobs').then(take, setError);
  }, [id, told]);
  return { job: job?.id === id ? job : null, error };
}

/** @param {{ job: string, workspace?: string, onAgain: () => void }} props `workspace`: one that gets the server */
export function Progress({ job: id, workspace, onAgain }) {
  const { job, error } = useJob(id);
  const word = job ? jobState(job).word : '';
  useEffect(() => {
    if (word) announce(`Installation: ${word}`);
  }, [word]);
  if (error) return html`<${Notice} error=${error} />`;
  if (!job) return html`<p class="muted" aria-busy="true">Loading…</p>`;
  const cancel = () => api.del('/api/catalog/jobs', { id });
  return html`<${Section} title=${`Adding ${displayName(job.key)}`}>
    <div class="card stack" aria-busy=${isRunning(job)}>
      <div class="row"><${StateBadge} ...${jobState(job)} />${isRunning(job) && html`<span class="muted">${job.step}</span>`}</div>
      ${isRunning(job) && job.line && html`<p class="catalog-line"><code>${job.line}</code></p>`}
      ${job.error && html`<${Notice} error=${job.error} quiet />`}
      ${job.note && html`<${Notice} tone="warn" quiet><p>${job.note}</p></${Notice}>`}
      <div class="actions">
        ${isRunning(job) && html`<${Button} onClick=${cancel}>Cancel</${Button}>`}
        ${job.state === 'done' && html`<${Open} server=${job.key} workspace=${workspace} />`}
        ${(job.state === 'failed' || job.state === 'cancelled') && html`<${Button} onClick=${onAgain}>Back to the settings</${Button}>`}
      </div>
    </div>
  </${Section}>`;
}

/** Links to the first tool of a server in a workspace, and to the server. @param {{ server: string, workspace?: string }} props */
function Open({ server, workspace }) {
  const [tool, setTool] = useState(/** @type {string|undefined} */ (undefined));
  const place = workspacesByName.value.get(workspace ?? '');
  const known = state.value?.servers.some(({ key }) => key === server);
  useEffect(() => {
    if (!place || !known) return;
    const first = (/** @type {{ tools: { name: string }[] }} */ { tools }) =>
      setTool(tools.find(({ name }) => serverOf(name, place, state.value?.servers ?? []) === server)?.name);
    api.get('/api/hub/tools', { workspace: place.name }).then(first, () => setTool(undefined));
  }, [place?.name, place?.tools, known, server]);
  const tools = place && href('tools', [], { workspace: place.name, ...(tool !== undefined && { tool }) });
  return html`${tools && html`<${Button} primary icon="tools" href=${tools}>Open tools</${Button}>`}
    <${Button} href=${href('servers', [server])}>Go to server</${Button}>`;
}
