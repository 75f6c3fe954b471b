/** The overlay on YAMCP-UI's pages in a browser. Over the stand-in, or (make test-yamcp-ui) the real YAMCP-UI. */

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, beforeEach, test } from 'node:test';
import { mock } from '../front/support/hub.mjs';
import { McpClient } from '../front/support/mcp.mjs';
import { Stage } from '../front/support/yamcp_ui.mjs';

const OPTIONS = { timeout: 180_000 };
const ODD = 'a b/ü?x#%41';
/** @type {Stage} */
let stage;

before(async () => {
  stage = await Stage.open({
    providers: { time: mock('time'), files: mock('files') },
    workspaces: { dev: ['time', 'files'], [ODD]: ['time'], '<b>&': [] },
  });
});
beforeEach(() => post('start', 'workspaces', 'dev'));
after(() => stage?.close());

/** @param {import('../front/support/yamcp_ui.mjs').Guest} guest @param {string[]} within */
async function violations({ page }, within) {
  const found = await page.evaluate(async (include) => {
    const { axe } = /** @type {any} */ (window);
    await Promise.allSettled(document.getAnimations().map((one) => one.finished)); // half faded in, nothing has contrast
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'];
    return axe.run({ include: include.map((one) => [one]) }, { runOnly: { type: 'tag', values: tags } });
  }, within);
  return found.violations.map(
    (/** @type {any} */ { id, nodes }) => `${id}: ${nodes.map((/** @type {any} */ node) => node.html)}`,
  );
}

/** @param {'stop' | 'start'} verb @param {'workspaces' | 'servers'} kind @param {string} name */
async function post(verb, kind, name) {
  const key = kind === 'servers' ? 'key' : 'name';
  const path = `/api/hub/${kind}/${verb}?${key}=${encodeURIComponent(name)}`;
  assert.equal((await fetch(stage.run.url + path, { method: 'POST' })).status, 200);
}

test('first visit, switch on, copy URL, call, switch off and on: the same session continues', OPTIONS, async () => {
  await post('stop', 'workspaces', 'dev');
  const guest = await stage.visit('/workspaces');
  const row = guest.row('dev');
  await row.getByText('Off', { exact: true }).waitFor();
  await guest.toggle('dev', false).click();
  await guest.toggle('dev', true).waitFor();
  await row.getByText('Ready', { exact: true }).waitFor();
  await row.getByText('2 of 2 ready').waitFor();

  await guest.page.getByRole('button', { name: 'Copy SSE URL of dev', exact: true }).click();
  await row.getByText('Copied', { exact: true }).waitFor();
  const url = await guest.visit.clipboard();
  assert.equal(url, `${stage.run.url}/mcp/dev/sse`);
  const client = await McpClient.connect(url);
  const names = await client.tools();
  assert.equal(await client.call('time_echo', { text: 'hello' }), 'hello');
  await row.getByText('1 connected').waitFor();

  await guest.toggle('dev').focus();
  await guest.page.keyboard.press('Space');
  await guest.toggle('dev', false).waitFor();
  assert.deepEqual(await client.untilTools((tools) => tools.length === 0), []);
  await assert.rejects(client.call('time_echo', { text: 'hello' }), /workspace 'dev' is switched off.*(hubctl|\/hub)/s);

  await guest.page.keyboard.press('Enter');
  await guest.toggle('dev', true).waitFor();
  assert.deepEqual(await client.untilTools((tools) => tools.length === names.length), names);
  assert.equal(await client.call('files_echo', { text: 'again' }), 'again');
  await client.close();
  await guest.end();
});

test('switches change on every open page, for any name, and keep working after navigation', OPTIONS, async () => {
  const guests = [await stage.visit('/workspaces'), await stage.visit('/', { colorScheme: 'dark' })];
  await guests[1].menu('Workspaces');
  for (const guest of guests) await guest.toggle(ODD, true).waitFor();
  await guests[0].toggle(ODD).click();
  await guests[1].toggle(ODD, false).waitFor();
  for (let round = 0; round < 5; round += 1) {
    for (const title of ['Servers', 'Dashboard', 'Workspaces']) await guests[1].menu(title);
    await guests[1].toggle(ODD, false).waitFor();
    assert.equal(await guests[1].page.getByRole('switch').count(), 3);
  }
  await guests[1].toggle(ODD).click();
  await guests[0].toggle(ODD, true).waitFor();
  await guests[0].row('<b>&').getByText('Empty', { exact: true }).waitFor();
  for (const guest of guests) await guest.end();
});

test('rows keep their height, and a URL stays on one line, at any page width', OPTIONS, async () => {
  const before = stage.run.read('workspaces');
  const more = Array.from({ length: 27 }, (_, at) => [`project-${at}`, at % 2 ? ['time', 'files'] : ['time']]);
  stage.run.writeWorkspaces({ dev: before.dev, ...Object.fromEntries(more) });
  await stage.run.until(({ workspaces }) => workspaces.length === 28);
  const guest = await stage.visit('/workspaces');
  await guest.toggle('project-26', true).waitFor();
  await guest.row('project-26').getByText('1 of 1 ready').waitFor();
  for (const width of [390, 768, 1024, 1280, 1440]) {
    await guest.page.setViewportSize({ width, height: 900 });
    const { rows, urls, wider } = await guest.page.evaluate(() => {
      const tall = (/** @type {string} */ selector) =>
        Math.max(...[...document.querySelectorAll(selector)].map((one) => one.getBoundingClientRect().height));
      const box = document.querySelector('main table')?.parentElement;
      return { rows: tall('tbody tr'), urls: tall('.hub-cell code'), wider: box && box.scrollWidth - box.clientWidth };
    });
    assert.ok(rows <= 140, `a row is ${rows} px tall at ${width} px`);
    assert.ok(urls <= 20, `a URL is ${urls} px tall at ${width} px`);
    if (width >= 1280) assert.equal(wider, 0, `the table is ${wider} px too wide at ${width} px`);
  }
  const { sse_url } = (await stage.run.state()).workspaces[0];
  assert.equal(await guest.row('dev').locator('code').first().getAttribute('title'), sse_url);
  await guest.end();
  stage.run.writeWorkspaces(before);
  await stage.run.until(({ workspaces }) => workspaces.length === 3);
});

test('the viewer has the endpoint and a snippet for each client, ready to copy', OPTIONS, async () => {
  const guest = await stage.visit('/workspaces');
  await guest.toggle(ODD, true).waitFor();
  await guest.act(ODD, 'view');
  const block = guest.dialog.getByRole('region', { name: 'Endpoint' });
  const { workspaces } = await stage.run.state();
  const { sse_url, http_url } = workspaces[1];
  await block.getByText(sse_url, { exact: true }).waitFor();
  for (const own of ['MCP Configuration', 'Setup Instructions']) {
    await guest.dialog.getByText(own, { exact: true }).waitFor({ state: 'hidden' });
  }
  assert.doesNotMatch(await guest.dialog.innerText(), /yamcp/, 'nothing that goes past the hub is offered');
  await guest.dialog.getByText('Workspace Details', { exact: true }).waitFor();
  await guest.page.setViewportSize({ width: 390, height: 800 });
  assert.ok(await block.evaluate((one) => one.getBoundingClientRect().right <= innerWidth), 'the block fits a phone');
  const choice = block.getByRole('combobox', { name: 'Client' });
  const clients = await choice.getByRole('option').allTextContents();
  assert.deepEqual(clients, ['smolagents', 'Claude Desktop', 'Cursor', 'VS Code', 'Python', 'TypeScript']);
  for (const title of clients) {
    await choice.selectOption(title);
    const snippet = await block.getByLabel('Snippet', { exact: true }).textContent();
    assert.ok(snippet?.includes(http_url), title);
  }
  await block.getByRole('button', { name: 'Copy snippet' }).click();
  await block.getByText('Copied').waitFor();
  assert.equal(await guest.visit.clipboard(), await block.getByLabel('Snippet', { exact: true }).textContent());
  await post('stop', 'workspaces', ODD);
  await block.getByText('Off', { exact: true }).waitFor();
  await post('start', 'workspaces', ODD);
  await guest.page.keyboard.press('Escape');
  await guest.dialog.waitFor({ state: 'detached' });
  await guest.end();
});

test('the state of a server is shown live, with its reason', OPTIONS, async () => {
  const guest = await stage.visit('/servers');
  await guest.row('files').getByText('Ready', { exact: true }).waitFor();
  await post('stop', 'servers', 'files');
  await guest.row('files').getByText('Off', { exact: true }).waitFor();
  const { files, time } = stage.run.read('providers');
  const away = structuredClone(files);
  away.providerParameters.command = '/nowhere/at/all';
  stage.run.writeProviders({ time, files: away });
  await post('start', 'servers', 'files');
  await guest
    .row('files')
    .getByText(/Retrying|Failed/)
    .waitFor();
  await guest
    .row('files')
    .getByText(/\/nowhere\/at\/all.*not/)
    .waitFor();
  stage.run.writeProviders({ time, files });
  await guest.row('files').getByText('Ready', { exact: true }).waitFor();
  await guest.end();
});

test('an edit made elsewhere is shown, but never while the user types', OPTIONS, async () => {
  const guest = await stage.visit('/workspaces');
  await guest.toggle('dev', true).waitFor();
  await guest.page.getByRole('button', { name: 'Create Workspace' }).click();
  await guest.dialog.locator('#name').fill('half a na');
  const before = stage.run.read('workspaces');
  stage.run.writeWorkspaces({ ...before, elsewhere: ['files'] });
  await stage.run.until(({ workspaces }) => workspaces.some(({ name }) => name === 'elsewhere'));
  await guest.page.waitForTimeout(1_000); // nothing may happen
  assert.equal(await guest.dialog.locator('#name').inputValue(), 'half a na');
  await guest.finish('Cancel');
  await guest.page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement)?.blur());
  await guest.toggle('elsewhere', true).waitFor();
  await guest.toggle('elsewhere').focus();
  stage.run.writeWorkspaces(before);
  await guest.toggle('elsewhere').waitFor({ state: 'detached' });
  assert.equal(new URL(guest.page.url()).pathname, '/workspaces');
  await guest.end();
});

test('the dashboard shows current figures', OPTIONS, async () => {
  const guest = await stage.visit('/');
  const servers = guest.page.locator('main').getByText('Total Servers').locator('xpath=../..');
  await servers.getByText('2 active').waitFor();
  await post('stop', 'servers', 'time');
  await servers.getByText('1 active').waitFor();
  await post('start', 'servers', 'time');
  await servers.getByText('2 active').waitFor();
  await guest.end();
});

test('the added elements meet WCAG 2.1 AA (axe), light and dark', OPTIONS, async () => {
  for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
    const guest = await stage.visit('/workspaces', { colorScheme });
    await guest.toggle('dev', true).waitFor();
    await guest.page.addScriptTag({ path: createRequire(import.meta.url).resolve('axe-core') });
    await guest.toggle('dev').click();
    await guest.toggle('dev', false).waitFor();
    assert.deepEqual(await violations(guest, ['.hub-cell', '.hub-head', '.hub-link']), [], colorScheme);
    await guest.toggle('dev').click();
    await guest.toggle('dev', true).waitFor();
    await guest.act('dev', 'view');
    await guest.dialog.getByLabel('Snippet', { exact: true }).waitFor();
    assert.deepEqual(await violations(guest, ['.hub-viewer']), [], colorScheme);
    await guest.end();
  }
});

test('an error of a switch is shown beside it, with code and hint', OPTIONS, async () => {
  const guest = await stage.visit('/workspaces');
  await guest.toggle('dev', true).waitFor();
  await stage.run.control('stop', 'adapter');
  guest.visit.expect(/503/);
  const alert = guest.row('dev').locator('[role=alert]');
  try {
    await guest.page.getByRole('status').filter({ hasText: 'HUB_AWAY' }).waitFor();
    await guest.toggle('dev').click();
    await alert.filter({ hasText: /HUB_AWAY: The adapter.* doctor/ }).waitFor();
    await guest.toggle('dev', true).waitFor();
  } finally {
    await stage.run.control('start', 'adapter');
  }
  await stage.run.until(({ hub }) => hub.adapter === 'ok');
  await guest.toggle('dev').click();
  await guest.toggle('dev', false).waitFor();
  assert.equal(await alert.textContent(), '');
  await guest.toggle('dev').click();
  await guest.toggle('dev', true).waitFor();
  await guest.end();
});

test('a page that lost its connection says so, and catches up', OPTIONS, async () => {
  const guest = await stage.visit('/workspaces');
  await guest.toggle(ODD, true).waitFor();
  guest.visit.expect(/WebSocket|502|ERR_CONNECTION_REFUSED|503/);
  await stage.run.control('stop', 'front');
  try {
    await guest.page.getByText('The connection to the hub is lost').waitFor();
    await stage.run.hubctl('disable', ODD);
  } finally {
    await stage.run.control('start', 'front');
  }
  await guest.toggle(ODD, false).waitFor();
  await guest.page.getByText('The connection to the hub is lost').waitFor({ state: 'hidden' });
  await guest.toggle(ODD).click();
  await guest.toggle(ODD, true).waitFor();
  await guest.end();
});

test("the menu links to the hub's console, and the Logs page shows the hub's log lines", OPTIONS, async () => {
  const guest = await stage.visit('/logs');
  await guest.page.getByText('server ready').first().waitFor();
  await guest.page.getByText('hub/sidecar.log').first().waitFor();
  const link = guest.page.getByRole('link', { name: 'Hub console' });
  const above = guest.page.getByRole('link', { name: 'Logs', exact: true });
  const parts = (/** @type {import('playwright-core').Locator} */ of) =>
    of.evaluate((one) => {
      const box = (/** @type {Element | Range} */ part) => part.getBoundingClientRect().left;
      const text = document.createRange();
      text.selectNode([...one.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE)[0]);
      return [box(one), box(/** @type {Element} */ (one.querySelector('svg'))), box(text)].map(Math.round);
    });
  assert.deepEqual(await parts(link), await parts(above), 'picture and words stand below those of the others');
  await link.click();
  await guest.page.waitForURL('**/hub/*');
  await guest.page.getByRole('switch').first().waitFor();
  await guest.end();
});
