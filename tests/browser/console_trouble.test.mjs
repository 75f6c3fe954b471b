/** What the console shows during failures, and that it recovers automatically. */

import assert from 'node:assert/strict';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { openBrowser } from '../front/support/browser.mjs';
import { mock } from '../front/support/hub.mjs';
import { McpClient } from '../front/support/mcp.mjs';
import { runHub } from '../front/support/run.mjs';

/** @import {Page} from 'playwright-core' */
/** @import {Run} from '../front/support/run.mjs' */
/** @import {Window, Visit} from '../front/support/browser.mjs' */

const OPTIONS = { timeout: 180_000 };
/** What Chromium itself writes to the console while nobody listens on the hub's port, or the front is away. */
const AWAY = [
  /net::ERR_(CONNECTION_(RESET|CLOSED)|EMPTY_RESPONSE)/,
  /WebSocket connection to .* failed/,
  /net::ERR_CONNECTION_REFUSED/,
  /net::ERR_INCOMPLETE_CHUNKED_ENCODING/,
  /answer: 503 GET .*\/hub\/assets\//,
  /status of 503 \(Service Unavailable\)/,
];
/** @type {Run} */
let run;
/** @type {Window} */
let browser;
/** @type {Visit} */
let visit;
/** @type {Page} */
let page;
/** Where the server `frail` looks for the file without which it does not start. @type {string} */
let permit;

before(async () => {
  run = await runHub({ workspaces: { dev: ['steady'] }, providers: { steady: mock('steady') } });
  browser = await openBrowser();
  permit = join(run.root, 'permit');
});

beforeEach(async () => {
  visit = await browser.visit(run.url);
  page = visit.page;
});

after(async () => {
  try {
    await browser?.close();
  } finally {
    await run?.stop();
  }
});

/** @param {string} name @param {boolean} checked */
const switchOf = (name, checked) =>
  page.getByRole('switch', { name, exact: true, checked }).and(page.locator(':not([aria-busy])'));

/** @param {string} word */
const badge = (word) => page.locator('main').getByText(word, { exact: true }).first();

test('a server that crashes shows its reason and its last stderr lines, and recovers', OPTIONS, async () => {
  writeFileSync(permit, '');
  const flags = ['--start-when-file', permit, '--exit-at-once', '3', '--stderr', 'no permit, no service'];
  run.writeProviders({ steady: mock('steady'), frail: mock('frail', ...flags) });
  run.writeWorkspaces({ dev: ['steady', 'frail'] });
  await page.goto('/hub/#/servers/frail');
  await badge('Ready').waitFor();
  const client = await McpClient.connect(`${run.url}/mcp/dev/sse`);
  rmSync(permit);
  await assert.rejects(client.call('frail_crash', { code: 7 }));
  await badge('Retrying').waitFor();
  await page
    .getByText(/ended with (exit )?code 3|exit(ed)? .*3/i)
    .first()
    .waitFor();
  await page.getByRole('region', { name: 'Last lines on stderr' }).getByText('no permit, no service').first().waitFor();
  await visit.go('workspaces');
  await badge('Degraded').waitFor();
  assert.equal(await client.call('steady_echo', { text: 'the other one' }), 'the other one');
  await visit.go('servers');
  await page.getByText(/Last output: no permit, no service/).waitFor();
  await visit.go('tools?workspace=dev');
  const missing = page.getByRole('list', { name: 'Servers that are not ready' });
  await missing.getByText(/frail.*no permit, no service/).waitFor();
  await page.getByText('steady_echo', { exact: true }).first().waitFor();
  await visit.go('activity?server=frail');
  await page.getByText(/no permit, no service \(\d+ times\)/).waitFor();

  await visit.go('servers/frail');
  writeFileSync(permit, '');
  await page.getByRole('button', { name: 'Restart', exact: true }).click();
  await badge('Ready').waitFor();
  await page.getByText('Retrying', { exact: true }).waitFor({ state: 'detached' });
  assert.equal(await client.call('frail_echo', { text: 'back' }), 'back');
  await client.close();
  await visit.end();
});

test('a page that lost its connection says so, and catches up after it reconnects', OPTIONS, async () => {
  await page.goto('/hub/');
  await switchOf('dev', true).waitFor();
  visit.expect(...AWAY);
  await run.control('stop', 'front');
  const banner = badge('Not connected');
  await banner.waitFor();
  await run.hubctl('disable', 'dev');
  await switchOf('dev', true).waitFor();
  await run.control('start', 'front');
  await switchOf('dev', false).waitFor();
  await banner.waitFor({ state: 'detached' });
  await switchOf('dev', false).click();
  await switchOf('dev', true).waitFor();
  await page.getByRole('link', { name: 'History' }).click();
  await page.getByRole('heading', { level: 1, name: 'Calls' }).waitFor(); // whatever could not be loaded meanwhile
  await visit.end();
});

for (const name of /** @type {const} */ (['adapter', 'sidecar'])) {
  test(`without the ${name} the page shows what is unavailable, and recovers without a reload`, OPTIONS, async () => {
    await page.goto('/hub/');
    await badge('Ready').waitFor();
    await run.control('stop', name);
    const notice = page.locator('main .notice').filter({ hasText: new RegExp(name, 'i') });
    await notice.waitFor();
    const health = await fetch(`${run.url}/healthz`);
    assert.equal(health.status, 503);
    await run.control('start', name);
    await notice.waitFor({ state: 'detached' });
    await page.getByText('Connected', { exact: true }).waitFor();
    await badge('Ready').waitFor();
    await switchOf('dev', true).click();
    await switchOf('dev', false).waitFor();
    await switchOf('dev', false).click();
    await switchOf('dev', true).waitFor();
    await visit.end();
  });
}

test('a switch survives a restart of all processes, and the page that stayed open shows it', OPTIONS, async () => {
  await page.goto('/hub/');
  await switchOf('dev', true).click();
  await switchOf('dev', false).waitFor();
  visit.expect(...AWAY);
  await run.interrupt();
  await badge('Not connected').waitFor();
  await run.start();
  await page.getByText('Connected', { exact: true }).waitFor();
  await switchOf('dev', false).waitFor();
  const state = await run.until(({ hub }) => hub.settled);
  assert.equal(state.workspaces.find(({ name }) => name === 'dev')?.state, 'off');
  await visit.end();
});

test('a workspace that is renamed in the file, and then on its page, keeps its switch', OPTIONS, async () => {
  await page.goto('/hub/');
  await switchOf('dev', false).waitFor();
  run.writeWorkspaces({ play: run.read('workspaces').dev });
  await switchOf('play', false).waitFor();
  await page.goto('/hub/#/edit-workspace/play');
  await page.getByRole('textbox', { name: /^Name \(required\)/ }).fill('work');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('heading', { name: 'work', exact: true }).waitFor();
  assert.deepEqual(Object.keys(run.read('workspaces')), ['work']);
  await switchOf('work', false).click();
  await badge('Ready').waitFor();
  await visit.end();
});

test('a broken file is reported with its position, and its last valid content stays in force', OPTIONS, async () => {
  await page.goto('/hub/');
  const file = join(run.yamcpDir, 'workspaces.json');
  renameSync(file, `${file}.good`);
  writeFileSync(file, '{ "work": [');
  await page
    .getByText(/workspaces\.json/)
    .first()
    .waitFor();
  await switchOf('work', true).waitFor();
  renameSync(`${file}.good`, file);
  await page
    .getByText(/workspaces\.json/)
    .first()
    .waitFor({ state: 'detached' });
  await switchOf('work', true).waitFor();
  await visit.end();
});

test('a page whose module failed to load says so, and its Reload button loads it', OPTIONS, async () => {
  visit.expect(/net::ERR_CONNECTION_RESET/);
  let reloaded = false;
  // The console fetches what failed again when the browser is idle, so the code stays away until the page is reloaded.
  await page.route('**/arguments.mjs', (route) => (reloaded ? route.continue() : route.abort('connectionreset')));
  await page.goto('/hub/#/add-server');
  await page.getByText('PAGE_NOT_LOADED').waitFor();
  page.on('request', (request) => (reloaded ||= request.isNavigationRequest()));
  await page.getByRole('button', { name: 'Reload', exact: true }).click();
  await page.getByRole('heading', { name: 'Add a server' }).waitFor();
  await page.unroute('**/arguments.mjs');
  await visit.end();
});
