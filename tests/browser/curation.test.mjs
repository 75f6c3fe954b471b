/** The section of a workspace's page that chooses its tools, in a real hub with a real client's view of the result. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { violations } from '../front/support/axe.mjs';
import { openBrowser } from '../front/support/browser.mjs';
import { mock } from '../front/support/hub.mjs';
import { runHub } from '../front/support/run.mjs';

const LIMIT = { timeout: 180_000 };
/** @type {import('../front/support/run.mjs').Run} */
let hub;
/** @type {import('../front/support/browser.mjs').Window} */
let browser;

before(async () => {
  hub = await runHub({ providers: { a: mock('a') }, workspaces: { alpha: ['a'], beta: ['a'] } });
  browser = await openBrowser();
}, LIMIT);
after(async () => {
  try {
    await browser?.close();
  } finally {
    await hub?.stop();
  }
}, LIMIT);

/** The tools that clients of a workspace see. @param {string} workspace @returns {Promise<any[]>} */
async function tools(workspace) {
  return (await (await fetch(`${hub.url}/api/hub/tools?workspace=${workspace}`)).json()).tools;
}

/** Change settings of a workspace as another administrator does. @param {string} name @param {object} settings */
async function set(name, settings) {
  const headers = { 'content-type': 'application/json' };
  const url = `${hub.url}/api/hub/workspaces?name=${name}`;
  assert.equal((await fetch(url, { method: 'PATCH', headers, body: JSON.stringify(settings) })).status, 200);
}

/** Change the curation of `alpha`, while the page shows the one before. */
async function changeElsewhere() {
  const { curation } = await (await fetch(`${hub.url}/api/hub/curation?name=alpha`)).json();
  curation.servers.a.tools.items.echo.name = 'told';
  await set('alpha', { curation });
}

test(
  'an administrator switches a tool off, renames it, fixes an argument, and copies the curation',
  LIMIT,
  async () => {
    const visit = await browser.visit(hub.url);
    const { page } = visit;
    /** Answers with the curation reach the page after this. @type {Promise<unknown>} */
    let reads = Promise.resolve(undefined);
    await page.route('**/api/hub/curation?*', async (route) => {
      const response = await route.fetch();
      await reads;
      await route.fulfill({ response });
    });
    await page.goto('/#/workspaces/alpha');
    await page.getByRole('button', { name: 'Choose tools' }).click();
    const table = page.getByRole('table', { name: 'Tools, prompts and resources' });
    const echo = table.getByRole('row', { name: /a_echo\b/ });
    await echo.waitFor();
    assert.deepEqual(await violations(page), []);
    await page.getByText(/^About \d+ tokens$/).waitFor();

    await table.getByRole('switch', { name: 'add of a', exact: true }).click();
    await table
      .getByRole('row', { name: /^add\b/ })
      .getByText('Off')
      .waitFor();
    assert.equal(
      (await tools('alpha')).some(({ name }) => name === 'a_add'),
      false,
    );
    assert.equal(
      (await tools('beta')).some(({ name }) => name === 'a_add'),
      true,
    );

    await table.getByRole('button', { name: 'Edit echo of a', exact: true }).click();
    await page.getByRole('textbox', { name: 'Name', exact: true }).fill('say');
    await page.getByRole('combobox', { name: 'text', exact: true }).selectOption('fixed');
    await page.getByRole('textbox', { name: 'Value of text' }).fill('hello');
    assert.deepEqual(await violations(page), []);
    await page.getByRole('button', { name: 'Save' }).click();
    await table.getByText('a_say').waitFor();
    const said = (await tools('alpha')).find(({ name }) => name === 'a_say');
    assert.equal('text' in said.inputSchema.properties, false);

    await page.getByRole('button', { name: 'Add a rule' }).click();
    await page.getByRole('textbox', { name: 'Name or pattern' }).fill('s*');
    await page.getByRole('button', { name: 'Add rule' }).click();
    await table.getByText('by rule 1').first().waitFor();

    visit.expect(/409 PATCH/, /status of 409/);
    let release = () => {};
    reads = new Promise((resolve) => {
      release = () => resolve(undefined);
    });
    await changeElsewhere();
    await table.getByRole('switch', { name: 'add of a', exact: true }).click();
    await page.getByText('EDIT_CONFLICT').waitFor();
    release();
    await page.unrouteAll({ behavior: 'wait' });
    await table.getByText('a_told').waitFor();
    assert.equal(
      (await tools('alpha')).some(({ name }) => name === 'a_add'),
      false,
    );

    await page.getByRole('button', { name: 'Export, import or copy' }).click();
    await page.getByRole('button', { name: 'Copy to it' }).click();
    await page.getByText('beta: curation replaced').first().waitFor();
    assert.deepEqual(await tools('beta'), await tools('alpha'));
    await visit.end();
  },
);

test('an administrator meets new tools that wait, and the state of the tools of the hub', LIMIT, async () => {
  const curation = { servers: { a: { tools: { new: 'ask', known: [] } } } };
  await set('beta', { curation, hub_tools: true });
  const visit = await browser.visit(hub.url);
  const { page } = visit;
  await page.goto('/#/workspaces');
  await page.getByRole('link', { name: /^\d+ new items wait in beta$/ }).click();
  await page.getByText('wait for your decision').waitFor();
  const own = page.getByRole('table', { name: 'Tools of the hub' });
  await own.getByRole('row', { name: /hub_status.*Works/ }).waitFor();
  assert.deepEqual(await violations(page), []);
  await page.getByRole('button', { name: 'Accept all' }).click();
  await page.getByText('wait for your decision').waitFor({ state: 'detached' });
  assert.ok((await tools('beta')).some(({ name }) => name === 'a_add'));
  await visit.end();
});
