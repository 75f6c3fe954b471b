/** Signing in at an OpenID provider and out again, in a real browser: the login page, the console, the provider. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { violations } from '../front/support/axe.mjs';
import { openBrowser } from '../front/support/browser.mjs';
import { freePort } from '../front/support/hub.mjs';
import { siteFor } from '../front/support/oidc.mjs';
import { RealProvider } from '../front/support/oidc_provider.mjs';

const LIMIT = { timeout: 120_000 };
/** @type {RealProvider} */
let provider;
/** @type {import('../front/support/oidc.mjs').Site} */
let site;
/** @type {import('../front/support/browser.mjs').Window} */
let browser;

before(async () => {
  const port = await freePort();
  const open = async (/** @type {string} */ hub) => {
    provider = new RealProvider(port, hub);
    await provider.start();
    return provider;
  };
  site = await siteFor(open, { HUB_OIDC_NAME: 'Example' });
  await site.start();
  site.give({ subject: 'group:dev', role: 'admin' });
  browser = await openBrowser();
}, LIMIT);
after(async () => {
  await browser?.close();
  await site?.close();
  await provider?.stop();
}, LIMIT);

test('a user signs in, works in the console, and logs out at the hub and at the provider', LIMIT, async () => {
  const context = await browser.browser.newContext({ baseURL: site.url });
  const page = await context.newPage();
  await page.goto('/hub/#/servers');
  const link = page.getByRole('link', { name: 'Sign in with Example' });
  await link.waitFor();
  assert.deepEqual(await violations(page), []);
  await page.getByLabel('Token').waitFor();
  await link.click();
  await page.waitForURL(`${site.url}/hub/**`);
  const logOut = page.getByRole('button', { name: 'Log out' });
  await logOut.waitFor();
  assert.ok(!page.url().includes('hub_page'), 'the page keeps its secret out of the address');
  assert.equal(await page.evaluate(() => document.cookie), '', 'no script sees a cookie');
  await page.getByText('Signed in as Ada Lovelace, by Example').waitFor();
  await logOut.click();
  await page.waitForURL(`${provider.issuer}/**`);
  await page.getByRole('button', { name: 'Yes' }).click();
  await page.waitForURL(`${site.url}/login`);
  const names = (await context.cookies(site.url)).map(({ name }) => name).filter((name) => name.startsWith('yamcp'));
  assert.deepEqual(names, []);
  await page.goto('/hub/');
  await link.waitFor();
  await context.close();
});

test('a user without a role gets to the own account, and logs out there by a form', LIMIT, async () => {
  provider.user = { sub: 'eve', name: 'Eve', email: 'eve@example.com', email_verified: true };
  const context = await browser.browser.newContext({ baseURL: site.url });
  const page = await context.newPage();
  await page.goto('/login');
  await page.getByRole('link', { name: 'Sign in with Example' }).click();
  await page.waitForURL(`${site.url}/account`);
  await page.getByRole('heading', { level: 1, name: 'Your account' }).waitFor();
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.waitForURL(`${provider.issuer}/**`);
  assert.ok(!(await context.cookies(site.url)).some(({ name }) => name === `yamcp_hub_${new URL(site.url).port}`));
  await context.close();
});
