/** Logging in and out, in a real browser: by the link that the hub prints, by the form, with and without scripts. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { violations } from '../front/support/axe.mjs';
import { DESKTOP, openBrowser, PHONE } from '../front/support/browser.mjs';
import { mock } from '../front/support/hub.mjs';
import { runHub } from '../front/support/run.mjs';
import { Stage } from '../front/support/yamcp_ui.mjs';

/** @import {Page} from 'playwright-core' */

const LIMIT = { timeout: 180_000 };
const WRONG = 'wr0ng-t0ken-that-nobody-has';
const REFUSED = [
  /^answer: 401 /,
  /^console error: Failed to load resource: the server responded with a status of 401/,
  /^console error: Refused to apply style from /, // of a page that was fetched ahead when the login ended
];
const DISMISSED = /^console error: WebSocket connection to .* failed/;
/** @type {import('../front/support/run.mjs').Run} */
let hub;
/** @type {import('../front/support/browser.mjs').Window} */
let browser;
/** The link that was printed. */
let link = '';

before(async () => {
  const env = { HUB_HOST: '0.0.0.0' };
  hub = await runHub({ providers: { a: mock('a') }, workspaces: { alpha: ['a'] }, env, settle: false });
  [link] = /http:\S+\?token=\S+/.exec(hub.text) ?? [''];
  hub.token = decodeURIComponent(link.split('=')[1]);
  await hub.until((state) => state.hub.settled && state.hub.source === 'adapter');
  browser = await openBrowser();
}, LIMIT);
after(async () => {
  try {
    await browser?.close();
  } finally {
    await hub?.stop();
  }
}, LIMIT);

/** @param {Page} page */
const heading = (page, name = 'Workspaces') => page.getByRole('heading', { level: 1, name, exact: true }).waitFor();
/** @param {Page} page */
const atLogin = (page) => page.getByLabel('Token').waitFor();
/** @param {Page} page @param {string} token */
async function logIn(page, token) {
  await page.getByLabel('Token').fill(token);
  await page.getByRole('button', { name: 'Log in' }).click();
}

test(
  'the printed link opens the console; after log-out the token logs in again, a wrong token does not',
  LIMIT,
  async () => {
    const visit = await browser.visit(hub.url);
    const { page } = visit;
    await page.goto(link);
    await heading(page);
    assert.equal(page.url(), `${hub.url}/hub/`);
    await page.getByRole('button', { name: 'Log out' }).click();
    await atLogin(page);
    assert.deepEqual(await visit.context.cookies(), []);
    await page.goto('/hub/');
    await atLogin(page);
    visit.expect(...REFUSED);
    await logIn(page, WRONG);
    const alert = page.getByRole('alert');
    await alert.waitFor();
    assert.match(await alert.innerText(), /TOKEN_INVALID/);
    assert.ok(!page.url().includes('token'));
    assert.ok(!(await page.content()).includes(WRONG));
    await logIn(page, hub.token);
    await heading(page);
    assert.equal(page.url(), `${hub.url}/hub/`);
    assert.equal(await page.evaluate(() => document.cookie), '', 'no script sees the cookie');
    await visit.end();
  },
);

test(
  'a console whose login has expired goes to the login page, and returns to the same page afterwards',
  LIMIT,
  async () => {
    const visit = await browser.visit(hub.url);
    const { page } = visit;
    await page.goto(link);
    await page.goto('/hub/#/servers/a');
    await heading(page, 'a');
    const other = await visit.context.newPage();
    await other.goto('/hub/');
    visit.expect(...REFUSED, DISMISSED);
    await other.getByRole('button', { name: 'Log out' }).click();
    await page.waitForURL(/\/login\?next=/);
    await logIn(page, hub.token);
    await heading(page, 'a');
    assert.equal(page.url(), `${hub.url}/hub/#/servers/a`);
    await visit.end();
  },
);

test('an API request with an expired login also leads to the login page', LIMIT, async () => {
  const visit = await browser.visit(hub.url);
  const { page } = visit;
  await page.goto(link);
  await visit.program();
  visit.expect(...REFUSED, DISMISSED);
  await visit.context.clearCookies();
  await page.getByRole('switch').first().click();
  await page.waitForURL(/\/login\?next=%2Fhub%2F/);
  await visit.end();
  assert.equal((await hub.state()).workspaces[0].enabled, true);
});

test('the login page works without scripts', LIMIT, async () => {
  const context = await browser.browser.newContext({ javaScriptEnabled: false, baseURL: hub.url });
  const page = await context.newPage();
  await page.goto('/hub/assets/favicon.svg');
  await logIn(page, hub.token);
  await page.waitForURL(new RegExp(`^${hub.url}/hub/assets/favicon\\.svg#hub_page=`));
  await context.close();
});

test('the snippet of a workspace shows where the token goes', LIMIT, async () => {
  const visit = await browser.visit(hub.url);
  await visit.page.goto(link);
  await visit.page.goto('/hub/#/workspaces/alpha');
  await visit.page.getByRole('link', { name: 'Connect a client' }).waitFor();
  assert.equal(await visit.page.getByText('Direct URLs, without the web front').count(), 0);
  await visit.page.getByRole('link', { name: 'Connect a client' }).click();
  await visit.page.getByText('This hub requires a token from clients').waitFor();
  assert.match(await visit.page.getByRole('region', { name: 'Snippet for' }).first().innerText(), /YOUR_TOKEN/);
  assert.deepEqual(await violations(visit.page), []);
  await visit.end();
});

for (const viewport of [DESKTOP, PHONE]) {
  for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
    test(`the login page is accessible: ${colorScheme}, ${viewport.width} px wide`, LIMIT, async () => {
      const visit = await browser.visit(hub.url, { viewport, colorScheme });
      const { page } = visit;
      await page.goto('/');
      await atLogin(page);
      assert.deepEqual(await violations(page), []);
      assert.equal(await page.evaluate(() => document.activeElement?.id), 'token');
      visit.expect(...REFUSED);
      await logIn(page, WRONG);
      await page.getByRole('alert').waitFor();
      assert.deepEqual(await violations(page), []);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false);
      await visit.end();
    });
  }
}

test('the pages of YAMCP-UI require the login, and can end it', LIMIT, async () => {
  const token = 'the-token-of-this-hub';
  const stage = await Stage.open({
    providers: { a: mock('a') },
    workspaces: { alpha: ['a'] },
    env: { HUB_TOKEN: token },
  });
  try {
    const { visit, page } = await stage.visit('/workspaces');
    await logIn(page, token);
    await page.waitForURL(`${stage.run.url}/workspaces`);
    await page.getByRole('switch').first().waitFor();
    visit.expect(...REFUSED, DISMISSED);
    await page.getByRole('button', { name: 'Log out' }).first().click();
    await atLogin(page);
    await visit.end();
  } finally {
    await stage.close();
  }
});
