/** The switch of a workspace in a real browser, with the hub as `hubctl run` starts it. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openBrowser } from '../front/support/browser.mjs';
import { mock } from '../front/support/hub.mjs';
import { McpClient } from '../front/support/mcp.mjs';
import { runHub } from '../front/support/run.mjs';

/** @import {Page} from 'playwright-core' */
/** @import {Run} from '../front/support/run.mjs' */
/** @import {Window} from '../front/support/browser.mjs' */

const OPTIONS = { timeout: 180_000 };
/** @type {Run} */
let run;
/** @type {Window} */
let browser;

before(async () => {
  const providers = { time: mock('time'), files: mock('files') };
  const workspaces = { dev: ['time', 'files'], other: ['time'] };
  run = await runHub({ providers, workspaces });
  browser = await openBrowser();
});

after(async () => {
  try {
    await browser?.close();
  } finally {
    await run?.stop();
  }
});

/** The switch of a workspace, in that position. @param {Page} page @param {string} name @param {boolean} checked */
const switchOf = (page, name, checked) => page.getByRole('switch', { name, exact: true, checked });

/** Switch a workspace, and wait until the page says that it is so. @param {Page} page @param {string} name @param {boolean} on */
async function turn(page, name, on) {
  await switchOf(page, name, !on).click();
  await switchOf(page, name, on).and(page.locator(':not([aria-busy])')).waitFor();
}

/** @param {'stop' | 'start'} verb @param {string} name */
async function post(verb, name) {
  const answer = await fetch(`${run.url}/api/hub/workspaces/${verb}?name=${name}`, { method: 'POST' });
  assert.equal(answer.status, 200);
}

test('a switch on the page of a workspace applies to that workspace only', OPTIONS, async () => {
  const visit = await browser.visit(run.url);
  const { page } = visit;
  await page.goto('/hub/#/workspaces/dev');
  await turn(page, 'time in dev', false);
  const row = page.getByRole('row').filter({ has: page.getByRole('link', { name: 'time', exact: true }) });
  await row.getByText('Off here', { exact: true }).waitFor();
  await page.getByText('1 of 1 server ready').waitFor();
  await visit.go('workspaces/other');
  await switchOf(page, 'time in other', true).waitFor();
  await page.getByText('1 of 1 server ready').waitFor();
  await visit.go('servers/time');
  await switchOf(page, 'time', true).waitFor();
  await page.getByText('(switched off there)').waitFor();
  await turn(page, 'time', false);
  await visit.go('workspaces/other');
  await page.getByText('Off everywhere', { exact: true }).waitFor();
  await visit.go('servers/time');
  await turn(page, 'time', true);
  await visit.go('workspaces/dev');
  await turn(page, 'time in dev', true);
  await page.getByText('2 of 2 servers ready').waitFor();
  await visit.end();
});

test('unused settings are removed by the button in their notice', OPTIONS, async () => {
  const before = run.read('workspaces');
  run.writeWorkspaces({ ...before, brief: ['time'] });
  await run.until(({ workspaces }) => workspaces.some(({ name }) => name === 'brief'));
  await post('stop', 'brief');
  run.writeWorkspaces(before);
  const visit = await browser.visit(run.url);
  await visit.page.goto('/hub/#/workspaces');
  const button = visit.page.getByRole('button', { name: 'Remove the settings of workspace:brief' });
  await button.click();
  await button.waitFor({ state: 'detached' });
  assert.deepEqual((await run.state()).hub.issues, []);
  await visit.end();
});

for (const [transport, path] of [
  ['SSE', '/mcp/dev/sse'],
  ['Streamable HTTP', '/mcp/dev'],
]) {
  test(
    `a first visit, switch on, copy URL, call, switch off and on: the same session continues (${transport})`,
    OPTIONS,
    async () => {
      await post('stop', 'dev');
      const visit = await browser.visit(run.url);
      const { page } = visit;
      await page.goto('/');
      assert.equal(new URL(page.url()).pathname, '/hub/');
      await page.getByRole('heading', { level: 1, name: 'Workspaces' }).waitFor();
      const card = page.getByRole('listitem').filter({ has: page.getByRole('link', { name: 'dev', exact: true }) });
      await card.getByText('Off', { exact: true }).waitFor();
      await turn(page, 'dev', true);
      await card.getByText('Ready', { exact: true }).waitFor();

      await page.getByRole('button', { name: `Copy ${transport} URL of dev`, exact: true }).click();
      const url = await visit.clipboard();
      assert.equal(url, `${run.url}${path}`);

      const client = await McpClient.connect(url);
      const names = await client.tools();
      assert.ok(names.includes('time_echo') && names.includes('files_echo'), names.join());
      assert.equal(await client.call('time_echo', { text: 'hello' }), 'hello');
      await card.getByText('1 session').waitFor();

      await turn(page, 'dev', false);
      await card.getByText('Off', { exact: true }).waitFor();
      assert.deepEqual(await client.untilTools((tools) => tools.length === 0), []);
      await assert.rejects(client.call('time_echo', { text: 'hello' }), (error) => {
        assert.match(String(error), /workspace 'dev' is switched off/);
        assert.match(String(error), /hubctl enable|\/hub/, 'it says where to switch it on');
        return true;
      });

      await turn(page, 'dev', true);
      assert.deepEqual(await client.untilTools((tools) => tools.length === names.length), names);
      assert.equal(await client.call('files_echo', { text: 'again' }), 'again');
      assert.equal(client.closed, false);
      await client.close();
      await visit.end();
    },
  );
}

test('the switch works by keyboard alone, with an accessible name and state', OPTIONS, async () => {
  const visit = await browser.visit(run.url);
  const { page } = visit;
  await page.goto('/hub/');
  await switchOf(page, 'other', true).waitFor();
  await visit.program();
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute('aria-label'));
  for (let tabs = 0; (await focused()) !== 'other'; tabs += 1) {
    assert.ok(tabs < 60, 'the switch is not reached with Tab');
    await page.keyboard.press('Tab');
  }
  const outline = await page.evaluate(() => {
    const style = getComputedStyle(/** @type {Element} */ (document.activeElement));
    return style.outlineStyle !== 'none' || style.boxShadow !== 'none';
  });
  assert.ok(outline, 'the focus is visible');
  await page.keyboard.press('Space');
  await switchOf(page, 'other', false).and(page.locator(':not([aria-busy])')).waitFor();
  await page.keyboard.press('Enter');
  await switchOf(page, 'other', true).and(page.locator(':not([aria-busy])')).waitFor();
  assert.equal(await focused(), 'other', 'the focus stays where it was');
  await visit.end();
});

test('a switch changed elsewhere changes on every open page', OPTIONS, async () => {
  const visits = await Promise.all([browser.visit(run.url), browser.visit(run.url)]);
  for (const { page } of visits) await page.goto('/hub/');
  await run.hubctl('disable', 'other');
  for (const { page } of visits) await switchOf(page, 'other', false).waitFor();
  await turn(visits[0].page, 'other', true);
  await switchOf(visits[1].page, 'other', true).waitFor();
  for (const visit of visits) await visit.end();
});

test('endpoint URLs use the origin of the page from the first paint on', OPTIONS, async () => {
  const here = run.url.replace('127.0.0.1', 'localhost');
  const visit = await browser.visit(here);
  const { page } = visit;
  const first = await (await page.request.get('/hub/')).text();
  assert.ok(first.includes(`${here}/mcp/other/sse`) && !first.includes(`${run.url}/mcp/other`));
  await page.goto('/hub/');
  await visit.program();
  await page.getByText(`${here}/mcp/other/sse`, { exact: true }).waitFor();
  assert.equal(await page.getByText(`${run.url}/mcp/`).count(), 0);
  await visit.end();
});

test('after several quick clicks the last one wins', OPTIONS, async () => {
  const visit = await browser.visit(run.url);
  const { page } = visit;
  await page.goto('/hub/');
  const toggle = page.getByRole('switch', { name: 'other', exact: true });
  await switchOf(page, 'other', true).waitFor();
  await visit.program(); // a click by script does not wait for the program, as a person's does
  for (const position of [false, true, false, true, false, true]) {
    await toggle.evaluate((element) => /** @type {HTMLElement} */ (element).click());
    await switchOf(page, 'other', position).waitFor();
  }
  await switchOf(page, 'other', true).and(page.locator(':not([aria-busy])')).waitFor();
  await run.until(({ workspaces }) => workspaces.find(({ name }) => name === 'other')?.state === 'ready');
  await visit.end();
});
