/** YAMCP-UI stops and starts again: its pages say so, endpoints keep working, and nothing else is restarted. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { mock } from '../front/support/hub.mjs';
import { McpClient } from '../front/support/mcp.mjs';
import { Stage } from '../front/support/yamcp_ui.mjs';

const OPTIONS = { timeout: 180_000 };
/** @type {Stage} */
let stage;

before(async () => {
  stage = await Stage.open({ providers: { time: mock('time') }, workspaces: { dev: ['time'] } });
});
after(() => stage?.close());

test('YAMCP-UI stopped: its pages say so and recover automatically; endpoints are not affected', OPTIONS, async () => {
  const client = await McpClient.connect(`${stage.run.url}/mcp/dev/sse`);
  const [open, fresh] = [await stage.visit('/workspaces'), await stage.visit('/servers')];
  await open.toggle('dev', true).waitFor();
  for (const guest of [open, fresh]) guest.visit.expect(/503/);
  await stage.run.control('stop', 'yamcp-ui');
  await stage.run.until(({ hub }) => hub.yamcp_ui === 'away');

  await open.page.getByRole('status').filter({ hasText: 'YAMCP_UI_AWAY' }).waitFor();
  await open.toggle('dev').click();
  await open.toggle('dev', false).waitFor();
  await open.toggle('dev').click();
  await open.toggle('dev', true).waitFor();
  assert.equal(await client.call('time_echo', { text: 'still here' }), 'still here');

  await fresh.page.reload();
  await fresh.page.getByRole('heading', { name: 'YAMCP-UI does not answer' }).waitFor();
  await fresh.page.getByText('YAMCP_UI_AWAY', { exact: true }).waitFor();
  assert.equal(await fresh.page.getByRole('link', { name: /console/ }).getAttribute('href'), '/hub/');
  const edit = await fetch(`${stage.run.url}/api/workspaces/dev`, { method: 'DELETE' });
  assert.deepEqual([edit.status, (await edit.json()).code], [503, 'YAMCP_UI_AWAY']);
  assert.equal((await fetch(`${stage.run.url}/api/workspaces`)).status, 200, 'what the hub itself knows');

  await stage.run.control('start', 'yamcp-ui');
  await fresh.row('time').getByText('Ready', { exact: true }).waitFor();
  await open.page.getByRole('status').filter({ hasText: 'YAMCP_UI_AWAY' }).waitFor({ state: 'hidden' });
  await client.close();
  for (const guest of [open, fresh]) await guest.end();
});

test('YAMCP-UI killed: the hub restarts it, and edits work again', OPTIONS, async () => {
  process.kill(await stage.run.pid('yamcp-ui'), 'SIGKILL');
  await stage.run.until(({ hub }) => hub.yamcp_ui === 'away');
  await stage.run.until(({ hub }) => hub.yamcp_ui === 'ok');
  const guest = await stage.visit('/workspaces');
  await guest.createWorkspace('after', ['time']);
  await guest.toggle('after', true).waitFor();
  await guest.end();
});

test(
  'a page that was cached from a YAMCP-UI without the hub is not used for the one behind the hub',
  OPTIONS,
  async () => {
    const { url, env } = stage.run;
    const socketPath = join(env.HUB_RUNTIME_DIR, 'yamcp-ui.sock');
    const [direct] = await once(get({ socketPath, path: '/', agent: false }), 'response');
    direct.resume();
    const etag = direct.headers.etag ?? '';
    assert.ok(etag);
    const headers = { accept: 'text/html', 'if-none-match': etag };
    const page = await fetch(`${url}/workspaces`, { headers });
    assert.equal(page.status, 200);
    assert.match(await page.text(), /\/hub\/overlay\/overlay\.mjs.*<\/head>/s);
    assert.equal(page.headers.get('etag'), null);
    assert.equal(page.headers.get('cache-control'), 'no-store');
    const head = await fetch(`${url}/workspaces`, { method: 'HEAD', headers });
    assert.equal(head.status, 200);
    const post = await fetch(`${url}/workspaces`, { method: 'POST' });
    assert.equal(post.status, 405);
  },
);
