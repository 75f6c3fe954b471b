/** Many servers, workspaces and tools in the console: only changed rows are updated; bulk edits. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { violations } from '../front/support/axe.mjs';
import { openBrowser } from '../front/support/browser.mjs';
import { mock, PYTHON, ROOT, stdio } from '../front/support/hub.mjs';
import { runHub } from '../front/support/run.mjs';

/** @import {Page} from 'playwright-core' */

const OPTIONS = { timeout: 180_000 };
const KEYS = ['quill1', 'quill2', 'b1', 'b2'];
/** @type {import('../front/support/run.mjs').Run} */
let run;
/** @type {import('../front/support/browser.mjs').Window} */
let browser;

before(async () => {
  const providers = Object.fromEntries(KEYS.map((key) => [key, mock(key)]));
  run = await runHub({ providers, workspaces: { one: ['quill1'], 'Project 00': ['quill1', 'quill2'] } });
  browser = await openBrowser();
});

after(async () => {
  try {
    await browser?.close();
  } finally {
    await run?.stop();
  }
});

/** What the page shows of a hub with many servers while six of them start, fail and start again: changes of the document. */
async function changesWhileSixRetry(/** @type {Page} */ page) {
  return page.evaluate(async () => {
    const store = await import(/** @type {any} */ ('/hub/assets/hub/store.mjs'));
    const frame = () => new Promise((resolve) => setTimeout(resolve, 10));
    store.disconnect();
    const base = store.state.value;
    const since = Date.now() / 1000 - 4000;
    let { seq } = base;
    let servers = Array.from({ length: 51 }, (_, n) => ({
      ...base.servers[0],
      ...{ key: `s${n}`, state: 'ready', since, restarts: 0, workspaces: ['one'] },
    }));
    const workspaces = Array.from({ length: 30 }, (_, n) => ({
      ...base.workspaces[0],
      ...{ name: n ? `w${n}` : 'one', servers: n ? [`s${n + 10}`] : servers.map(({ key }) => key) },
    }));
    const show = () => store.take({ ...base, seq: ++seq, servers, workspaces });
    show();
    await frame();
    let changes = 0;
    const observer = new MutationObserver((records) => {
      changes += records.length;
    });
    observer.observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
    for (let tick = 0; tick < 6; tick += 1) {
      const down = { state: 'backoff', reason: { code: 'SERVER_EXITED', message: 'It exited.', hint: '' } };
      const how = tick % 2 ? { state: 'starting', reason: null } : down;
      servers = servers.map((server, n) => (n < 6 ? { ...server, ...how } : server));
      show();
      await frame();
    }
    observer.disconnect();
    return changes;
  });
}

test('among many tools, the hub searches: the best match comes first', OPTIONS, async () => {
  const visit = await browser.visit(run.url);
  const names = Array.from({ length: 60 }, (_, n) => `quill1_tool${n}`);
  const tools = names.map((name) => ({ name, inputSchema: { type: 'object' } }));
  const best = ['quill1_tool7', 'quill1_tool3'].map((tool) => ({ tool, server: 'quill1', score: 1 }));
  await visit.page.route('**/api/hub/tools?*', (route) => route.fulfill({ json: { tools } }));
  await visit.page.route('**/api/hub/tools/search?*', (route) => route.fulfill({ json: { tools: best } }));
  await visit.page.goto('/hub/#/tools?workspace=one');
  await visit.page.getByRole('searchbox', { name: 'Search tools' }).fill('issues of a project');
  const found = visit.page.getByRole('region', { name: 'Best matches' });
  await found.waitFor();
  assert.deepEqual(await found.getByRole('link').allTextContents(), ['quill1_tool7', 'quill1_tool3']);
  await visit.end();
});

test('while 6 of 51 servers retry, the page updates little more than their rows', OPTIONS, async () => {
  const visit = await browser.visit(run.url);
  const tools = Array.from({ length: 500 }, (_, n) => ({ name: `quill1_tool${n}`, inputSchema: { type: 'object' } }));
  await visit.page.route('**/api/hub/tools*', (route) => route.fulfill({ json: { tools } }));
  const most = { servers: 250, workspaces: 150, 'tools?workspace=one': 150 };
  for (const [page, limit] of Object.entries(most)) {
    await visit.page.goto(`/hub/#/${page}`);
    await visit.program();
    await visit.page.getByRole('heading', { level: 1, name: page.split('?')[0] }).waitFor();
    if (page.startsWith('tools')) await visit.page.getByText('quill1_tool499').waitFor();
    const changes = await changesWhileSixRetry(visit.page);
    assert.ok(changes <= limit, `${page}: ${changes} changes`);
    assert.ok(changes >= 36, `${page}: ${changes} changes are too few to be true`);
  }
  await visit.end();
});

/** @param {Page} page @param {string} name */
const pick = (page, name) => page.getByRole('checkbox', { name: `Select ${name}`, exact: true }).check();

test('servers are filtered, sorted and changed together by keyboard; the last change is undone', OPTIONS, async () => {
  const visit = await browser.visit(run.url, { colorScheme: 'dark' });
  const { page } = visit;
  await page.goto('/hub/#/servers');
  await page.getByLabel('Find a server').fill('quill');
  await page.getByRole('combobox', { name: 'Order' }).selectOption('By name');
  await pick(page, 'quill2');
  await page.getByRole('checkbox', { name: 'Select quill1', exact: true }).focus();
  await page.keyboard.press('Space');
  await page.getByText('2 servers selected').waitFor();
  assert.deepEqual(await violations(page), []);
  await page.getByRole('button', { name: 'Switch off' }).press('Enter');
  await page.getByRole('switch', { name: 'quill2', exact: true, checked: false }).waitFor();
  await page.getByRole('switch', { name: 'b1', exact: true, checked: true }).waitFor({ state: 'detached' });
  const state = await run.state();
  assert.deepEqual(
    state.servers.map(({ enabled }) => enabled),
    [false, false, true, true],
  );
  await page.getByRole('button', { name: 'Undo the last change' }).click();
  await page.getByRole('switch', { name: 'quill2', exact: true, checked: true }).waitFor();
  await page.getByLabel('Find a server').fill('');
  await page.getByRole('checkbox', { name: 'Select all 4' }).check();
  await page.getByRole('button', { name: 'Add to workspace' }).click();
  await page.getByLabel('To workspace').selectOption('one');
  await page.getByRole('dialog').getByRole('button', { name: 'Add', exact: true }).click();
  await page.locator('.toast', { hasText: '4 servers added to the workspace' }).waitFor();
  assert.deepEqual(run.read('workspaces').one, KEYS);
  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete 4 servers' }).click();
  await page.getByText('No servers yet').waitFor();
  await page.getByRole('button', { name: 'Undo the last change' }).click();
  await page.getByRole('switch', { name: 'b2', exact: true }).waitFor();
  assert.deepEqual(Object.keys(run.read('providers')), KEYS);
  await visit.end();
});

test('duplicate and export work on a phone; an export contains secrets only on request', OPTIONS, async () => {
  run.writeProviders({
    ...run.read('providers'),
    s: stdio('s', PYTHON, [`${ROOT}/demo_servers/mock/server.py`], { TOKEN: 'hunter2-do-not-show' }),
  });
  await run.until(({ servers }) => servers.some(({ key }) => key === 's'));
  const visit = await browser.visit(run.url, { viewport: { width: 390, height: 800 } });
  const { page } = visit;
  await page.goto('/hub/#/servers/s');
  await page.getByRole('button', { name: 'Duplicate' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Duplicate' }).click();
  await page.getByRole('heading', { name: 's-2' }).waitFor();
  await visit.go('servers');
  await pick(page, 's-2');
  await page.getByRole('group', { name: 'Selection' }).getByRole('button', { name: 'Export' }).click();
  const shown = page.getByRole('region', { name: 'Configuration' });
  await shown.getByText('"s-2"').waitFor();
  assert.deepEqual(
    JSON.parse((await shown.textContent()) ?? '').mcpServers['s-2'].env.TOKEN,
    ['$', '{TOKEN}'].join(''),
  );
  assert.deepEqual(await violations(page), []);
  await page.getByRole('checkbox', { name: 'Include secrets' }).check();
  await shown.getByText('hunter2-do-not-show').waitFor();
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= 390, `the page is ${wide} px wide`);
  await visit.end();
});

test('a workspace gets its own slug; the previous slug works until it is removed', OPTIONS, async () => {
  const visit = await browser.visit(run.url);
  const { page } = visit;
  await page.goto('/hub/#/edit-workspace/Project%2000');
  const slug = page.getByLabel('URL slug');
  await slug.fill('a b');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Use at most 64 letters').waitFor();
  await slug.fill('p0');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('/mcp/p0/sse').first().waitFor();
  const remove = page.getByRole('button', { name: 'Remove the earlier slug project-00' });
  await remove.waitFor();
  assert.deepEqual(await violations(page), []);
  const opened = async () => (await fetch(`${run.url}/mcp/project-00`, { method: 'DELETE' })).status;
  assert.equal(await opened(), 400, 'it is there, and wants a session');
  await remove.press('Enter');
  await remove.waitFor({ state: 'detached' });
  assert.equal(await opened(), 404);
  await visit.end();
});

/** The State that pages have. @returns {Promise<any>} */
const stateNow = async () => (await fetch(`${run.url}/api/hub/state`)).json();

test('settings of a server are set in groups, and what the hub refuses is told at its field', OPTIONS, async () => {
  const visit = await browser.visit(run.url);
  visit.expect(/\b400\b/);
  const { page } = visit;
  await page.goto('/hub/#/servers/quill1');
  const group = (/** @type {string} */ title) => page.locator('summary', { hasText: title });
  const save = page.getByRole('button', { name: 'Save settings' });
  await group('Limits of the process').waitFor();
  assert.equal(await page.locator('.setting-group[open]').count(), 0, 'it is a short page at first');
  await group('Limits of the process').press('Enter');
  const memory = page.getByLabel('Memory', { exact: true });
  await memory.fill('much');
  await page.getByText('A number and k, m or g, such as 512m; 0 for no limit.').waitFor();
  assert.ok(await save.isDisabled());
  await memory.fill('2g');
  await group('kept results').click();
  await page.getByLabel('Kept results are for').selectOption('Clients with any key');
  assert.deepEqual(await violations(page), []);
  await save.click();
  await page.getByText('Set: Memory').waitFor();
  const { settings } = (await stateNow()).servers.find((/** @type {any} */ { key }) => key === 'quill1');
  assert.deepEqual([settings.limits.memory, settings.limits.pids, settings.cache_shared], ['2g', null, true]);
  await group('Container').click();
  const container = page.getByRole('textbox', { name: 'Container' });
  await container.fill('image = not an image');
  await group('Container').click();
  await save.click();
  await page.getByText('EDIT_INVALID').waitFor();
  assert.equal(await container.getAttribute('aria-invalid'), 'true');
  assert.ok(await container.evaluate((field) => field === document.activeElement));
  assert.deepEqual(await violations(page), []);
  await page.getByRole('button', { name: 'Discard changes' }).click();
  await page.getByText('EDIT_INVALID').waitFor({ state: 'detached' });
  await visit.end();
});

test(
  'a new workspace whose slug is taken is told so at the field, and stored when it is changed',
  OPTIONS,
  async () => {
    const [taken] = (await stateNow()).workspaces;
    const visit = await browser.visit(run.url);
    visit.expect(/\b400\b/);
    const { page } = visit;
    await page.goto('/hub/#/add-workspace');
    await page.getByLabel('Name', { exact: false }).first().fill('kept');
    await page.locator('summary', { hasText: 'kept results' }).click();
    await page.getByLabel('Keep results of read-only tools').fill('60');
    const slug = page.getByLabel('URL slug');
    await slug.fill(taken.slug);
    await page.getByRole('button', { name: 'Add workspace' }).click();
    await page.getByText('EDIT_INVALID').waitFor();
    assert.equal(await slug.getAttribute('aria-invalid'), 'true');
    await slug.fill('');
    await page.getByText('EDIT_INVALID').waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Save' }).click();
    await page.waitForURL(/#\/workspaces\/kept$/);
    const kept = (await stateNow()).workspaces.find((/** @type {any} */ { name }) => name === 'kept');
    assert.deepEqual([kept.slug, kept.cache_read_only, kept.record], ['kept', 60, 'off']);
    await visit.end();
  },
);
