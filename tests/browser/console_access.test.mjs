/** Accessibility (WCAG 2.1 AA, by axe) and layout of every page of the console: light and dark, desktop and phone. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { violations } from '../front/support/axe.mjs';
import { DESKTOP, openBrowser, PHONE } from '../front/support/browser.mjs';
import { mock, stdio } from '../front/support/hub.mjs';
import { runHub } from '../front/support/run.mjs';

/** @import {Page} from 'playwright-core' */
/** @import {Run} from '../front/support/run.mjs' */
/** @import {Window} from '../front/support/browser.mjs' */

const OPTIONS = { timeout: 180_000 };
const LONG = `a-server-whose-name-is-much-longer-than-a-phone-is-wide-${'x'.repeat(60)}`;
const WIDE = `workspace ${'w'.repeat(120)}`;
const ODD = '.. / ?&#% <b>"日本"';
/** A page's route, and what is on it when it is there. @type {[route: string, sign: (page: Page) => any][]} */
const PAGES = [
  ['workspaces', (page) => page.getByRole('switch', { name: 'dev', exact: true })],
  ['workspaces/dev', (page) => page.getByRole('link', { name: 'Connect a client' })],
  ['connect/dev', (page) => page.getByRole('region', { name: 'Snippet for Claude Code' })],
  [`connect/${encodeURIComponent(WIDE)}`, (page) => page.getByRole('radio', { name: 'Cursor' })],
  ['keys', (page) => page.getByRole('heading', { name: 'This hub requires no token' })],
  [`workspaces/${encodeURIComponent(ODD)}`, (page) => page.getByRole('heading', { name: ODD })],
  [`workspaces/${encodeURIComponent(WIDE)}`, (page) => page.getByRole('heading', { name: WIDE })],
  ['servers', (page) => page.getByRole('table', { name: 'Servers' })],
  ['servers/steady', (page) => page.getByRole('heading', { name: 'Definition' })],
  [
    'servers/broken',
    (page) => page.getByText('Retrying', { exact: true }).or(page.getByText('Failed', { exact: true })),
  ],
  [`servers/${LONG}`, (page) => page.getByRole('heading', { name: LONG })],
  ['add-server', (page) => page.getByRole('textbox', { name: /^Command/ })],
  ['edit-server/steady', (page) => page.getByRole('textbox', { name: /^Command/ })],
  ['add-workspace', (page) => page.getByRole('checkbox', { name: 'steady' })],
  ['edit-workspace/dev', (page) => page.getByRole('checkbox', { name: 'steady' })],
  ['import', (page) => page.getByRole('textbox', { name: 'Configuration' })],
  ['tools', (page) => page.getByRole('link', { name: /echo/ })],
  ['tools?workspace=dev&tool=steady_nested', (page) => page.getByRole('heading', { name: /steady_nested/ })],
  ['activity', (page) => page.getByRole('heading', { name: 'Activity' })],
  ['figures', (page) => page.getByRole('heading', { name: 'Metrics' })],
  ['nowhere', (page) => page.getByRole('heading', { level: 1 })],
];
/** @type {Run} */
let run;
/** @type {Window} */
let browser;

before(async () => {
  const providers = {
    steady: mock('steady'),
    broken: mock('broken', '--exit-at-once', '3', '--stderr', 'no licence'),
    unusable: { namespace: 'unusable', type: 'stdio', providerParameters: { args: [] } },
    [LONG]: stdio('long', '/nowhere/at/all', ['x'.repeat(200)]),
  };
  const workspaces = {
    dev: ['steady', 'broken', 'unusable'],
    off: ['steady'],
    [ODD]: ['steady', LONG],
    none: [],
    [WIDE]: [],
  };
  run = await runHub({
    providers,
    workspaces,
    hub: { version: 1, workspaces: { off: { enabled: false } } },
    settle: false,
  });
  await run.until(({ servers }) => servers.some(({ key, state }) => key === 'steady' && state === 'ready'));
  await run.until(({ servers }) => servers.some(({ key, reason }) => key === 'broken' && reason));
  for (let n = 0; n < 3; n += 1) await run.hubctl('call', 'dev', 'steady_echo', '{"text": "for the figures"}');
  browser = await openBrowser();
});

after(async () => {
  try {
    await browser?.close();
  } finally {
    await run?.stop();
  }
});

for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
  for (const [device, viewport] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
    test(`every page is accessible and fits the screen: ${colorScheme}, ${device}`, OPTIONS, async () => {
      const visit = await browser.visit(run.url, { colorScheme, viewport });
      const { page } = visit;
      await page.goto('/hub/');
      /** @type {string[]} */
      const found = [];
      for (const [route, sign] of PAGES) {
        await visit.go(route);
        await sign(page).first().waitFor();
        found.push(...(await violations(page)).map((line) => `${route}: ${line}`));
        const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (over > 0) found.push(`${route}: ${over} pixels wider than the window`);
        if ((await page.getByRole('heading', { level: 1 }).count()) !== 1) found.push(`${route}: not one h1`);
        if (!/yamcp-hub/.test(await page.title())) found.push(`${route}: no title`);
      }
      assert.deepEqual(found, []);
      await visit.end();
    });
  }
}

for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
  for (const [device, viewport] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
    test(`the API page is accessible and fits the screen: ${colorScheme}, ${device}`, OPTIONS, async () => {
      const visit = await browser.visit(run.url, { colorScheme, viewport });
      const { page } = visit;
      await page.goto(device === 'desktop' ? '/hub/' : '/hub/api'); // the link is left out where there is little room
      if (device === 'desktop') await page.getByRole('link', { name: 'API', exact: true }).click();
      await page.getByRole('heading', { level: 1, name: 'The HTTP API' }).waitFor();
      for (const path of ['GET /api/hub/state', 'PUT /api/hub/servers', 'POST /api/hub/call'])
        await page.getByRole('heading', { name: path, exact: true }).click();
      await page.getByRole('heading', { level: 4, name: 'Example' }).first().waitFor();
      assert.deepEqual(await violations(page), []);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0);
      assert.match(await page.title(), /yamcp-hub/);
      await visit.end();
    });
  }
}

test('dialogs, messages and form errors are accessible', OPTIONS, async () => {
  for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
    const visit = await browser.visit(run.url, { colorScheme, viewport: PHONE });
    const { page } = visit;
    await page.goto('/hub/#/servers/steady');
    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    await page.getByRole('dialog').waitFor();
    assert.deepEqual(await violations(page), []);
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    // The focus comes back to what opened it.
    await page.waitForFunction(() => document.activeElement?.textContent?.trim() === 'Delete');

    await visit.go('add-server');
    await page.getByRole('button', { name: 'Add server', exact: true }).click();
    assert.deepEqual(await violations(page), []);

    await visit.go('import');
    await page.getByRole('textbox', { name: 'Configuration' }).fill('{ "mcpServers": ');
    await page.getByRole('button', { name: 'Preview', exact: true }).click();
    await page.getByRole('alert').waitFor();
    assert.deepEqual(await violations(page), []);
    visit.expect(/^answer: 4.. POST .*import/, /status of 4/);
    await visit.end();
  }
});

test('keyboard: the skip link and the navigation work, and each page focuses its heading', OPTIONS, async () => {
  const visit = await browser.visit(run.url);
  const { page } = visit;
  await page.goto('/hub/');
  await visit.program();
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Skip to content');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'main');
  await page.getByRole('link', { name: 'Servers', exact: true }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('table', { name: 'Servers' }).waitFor();
  await page.waitForFunction(() => document.activeElement?.textContent === 'Servers');
  await visit.end();
});

test('the chosen theme is stored', OPTIONS, async () => {
  const visit = await browser.visit(run.url, { colorScheme: 'light' });
  const { page } = visit;
  await page.goto('/hub/');
  const background = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await background();
  await page.getByRole('radio', { name: 'Dark' }).check();
  assert.notEqual(await background(), light);
  const dark = await background();
  await page.reload();
  assert.equal(await background(), dark);
  await visit.end();
});

test('names and messages are shown as text, never as markup', OPTIONS, async () => {
  const visit = await browser.visit(run.url);
  const { page } = visit;
  await page.goto('/hub/');
  await page.getByRole('heading', { name: ODD }).waitFor();
  assert.equal(await page.locator('main b').count(), 0);
  await visit.end();
});
