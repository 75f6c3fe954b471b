/** The page Roles and rules in a protected hub, and the console of an owner. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { violations } from '../front/support/axe.mjs';
import { openBrowser } from '../front/support/browser.mjs';
import { mock } from '../front/support/hub.mjs';
import { runHub } from '../front/support/run.mjs';

const LIMIT = { timeout: 180_000 };
const TOKEN = 'the-token-of-this-hub-and-no-other';
const RULES = {
  roles: [{ subject: 'key:lead', role: 'owner', workspaces: ['alpha'] }],
  rules: [{ effect: 'deny', subject: 'key:ci', servers: ['a'], tools: ['echo'] }],
};
/** @type {import('../front/support/run.mjs').Run} */
let hub;
/** @type {import('../front/support/browser.mjs').Window} */
let browser;

before(async () => {
  hub = await runHub({
    providers: { a: mock('a') },
    workspaces: { alpha: ['a'], beta: ['a'] },
    env: { HUB_TOKEN: TOKEN },
  });
  browser = await openBrowser();
}, LIMIT);
after(async () => {
  try {
    await browser?.close();
  } finally {
    await hub?.stop();
  }
}, LIMIT);

/** Logged in with a token. @param {string} token */
async function visiting(token) {
  const visit = await browser.visit(hub.url);
  await visit.page.goto('/login'); // by a link, only admins log in
  await visit.page.getByLabel('Token').fill(token);
  await visit.page.getByRole('button', { name: 'Log in' }).click();
  return visit;
}

test('an admin writes rules, sees what they decide, and an owner sees its part of the console', LIMIT, async () => {
  const made = async (/** @type {string} */ name) => JSON.parse(await hub.hubctl('keys', 'add', name, '--json')).token;
  const lead = await made('lead');
  await made('ci');
  const visit = await visiting(TOKEN);
  const { page } = visit;
  await page.getByRole('link', { name: 'Keys', exact: true }).first().click();
  await page.getByRole('link', { name: 'Roles and rules' }).click();
  await page.getByRole('button', { name: 'Insert an example' }).click();
  const content = page.getByRole('textbox', { name: 'Content' });
  await content.fill(JSON.stringify({ ...RULES, rulez: [] }));
  await page.getByText('rulez: nothing reads this field').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Save' }).isDisabled(), true);
  assert.deepEqual(await violations(page), []);
  await content.fill(JSON.stringify(RULES));
  await page.getByText('rulez: nothing reads this field').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('table', { name: 'Rules' }).getByText('tools echo of a').waitFor();
  await page.getByRole('table', { name: 'Roles' }).getByText('owner of workspaces alpha').waitFor();

  await page.getByRole('combobox', { name: 'Subject' }).first().fill('key:ci');
  await page.getByRole('textbox', { name: 'Item' }).fill('a_echo');
  await page.getByRole('button', { name: 'Explain' }).click();
  const decisions = page.getByRole('table', { name: 'Decisions' });
  await decisions.getByText('Rule 1 decides.').first().waitFor();
  assert.deepEqual(await decisions.getByText('Denied').count(), 2);

  await page.getByRole('combobox', { name: 'Subject' }).last().fill('key:ci');
  await page.getByRole('button', { name: 'View' }).click();
  const row = page.getByRole('table', { name: 'Items of alpha' }).getByRole('row', { name: /\ba_echo\b/ });
  await row.getByText('Hidden').waitFor();
  assert.deepEqual(await violations(page), []);
  await visit.end();

  const owner = await visiting(lead);
  await owner.page.getByRole('switch', { name: 'alpha' }).waitFor();
  assert.equal(await owner.page.getByRole('switch', { name: 'beta' }).count(), 0);
  assert.equal(await owner.page.getByRole('link', { name: 'Keys', exact: true }).count(), 0);
  await owner.page.getByRole('switch', { name: 'alpha' }).click();
  await hub.until(({ workspaces }) => workspaces.some(({ name, enabled }) => name === 'alpha' && !enabled));
  await owner.end();
});
