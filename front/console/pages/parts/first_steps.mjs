/** What a first visit is told: what to do on an empty hub, and what the sample workspace is. */

import { href } from '../../router.mjs';
import { state } from '../../hub/store.mjs';
import { Button } from '../../ui/controls.mjs';
import { html } from '../../ui/html.mjs';
import { Notice } from '../../ui/notice.mjs';
import { Empty } from '../../ui/page.mjs';
import { count } from '../../words.mjs';

/** @typedef {import('../../types.mjs').Workspace} Workspace */

/** The sample workspace that the adapter creates on a first start (yamcp_ui_adapter/seed.py). */
const SAMPLE = { workspace: 'demo', servers: 'clock,notes' };

/** Return whether the sample is the only workspace. @param {Workspace[]} workspaces */
export function isSample(workspaces) {
  const [only, ...others] = workspaces;
  return others.length === 0 && only?.name === SAMPLE.workspace && [...only.servers].sort().join() === SAMPLE.servers;
}

/** Explains the sample workspace, and what to do next. */
export function AboutDemo() {
  return html`<div class="banner"><${Notice} tone="info" quiet>
    <p><strong>demo</strong> is a sample workspace that the hub created on its first start. <em>notes</em> keeps short notes in memory, <em>clock</em> tells the time.
    <a href=${href('tools', [], { workspace: SAMPLE.workspace })}>Try its tools</a>, or <a href=${href('connect', [SAMPLE.workspace])}>connect a client</a> to it.</p>
    <p>Then <a href=${href('import')}>import your servers from another client</a> or <a href=${href('add-server')}>add a server</a>, and put them into a workspace. You can delete the sample at any time; the hub does not create it again.</p>
  </${Notice}></div>`;
}

/** Explains what to do on a hub without a workspace: add servers, then a workspace. */
export function FirstSteps() {
  const servers = state.value?.servers.length ?? 0;
  if (servers > 0)
    return html`<${Empty} icon="workspaces" title="No workspace yet" actions=${html`<${Button} primary icon="plus" href=${href('add-workspace')}>Add workspace</${Button}>`}>
      <p>The hub has ${count(servers, 'server')}, but clients cannot reach ${servers === 1 ? 'it' : 'them'} yet. Add a workspace: it gives clients one URL for the tools of all its servers.</p>
    </${Empty}>`;
  const actions = html`<${Button} primary icon="import" href=${href('import')}>Import a configuration</${Button}>
    <${Button} icon="plus" href=${href('add-server')}>Add a server</${Button}>`;
  return html`<${Empty} icon="workspaces" title="No servers or workspaces yet" actions=${actions}>
    <ol class="steps">
      <li>Add MCP servers: import the configuration of Claude Desktop, Cursor or VS Code, or add one server.</li>
      <li>Put them into a workspace.</li>
      <li>Copy its address into your client.</li>
    </ol>
  </${Empty}>`;
}
