/** The pages Connect and Keys in a protected hub: a client gets its own key, and loses it by revocation. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { violations } from '../front/support/axe.mjs';
import { openBrowser } from '../front/support/browser.mjs';
import { mock } from '../front/support/hub.mjs';
import { runHub } from '../front/support/run.mjs';

/** @import {Page} from 'playwright-core' */

const LIMIT = { timeout: 180_000 };
const TOKEN = 'the-token-of-this-hub-and-no-other';
const KEY = /yh_k[0-9a-f]{7}_[\w-]{43}/;
const NARROW = { width: 390, height: 844 };
/** @type {import('../front/support/run.mjs').Run} */
let hub;
/** @type {import('../front/support/browser.mjs').Window} */
let browser;
/** Of the workspace "my work". */
let slug = '';

before(async () => {
  hub = await runHub({
    providers: { a: mock('a') },
    workspaces: { alpha: ['a'], 'my work': ['a'] },
    env: { HUB_TOKEN: TOKEN },
  });
  slug = (await hub.state()).workspaces.find(({ name }) => name === 'my work')?.slug ?? '';
  browser = await openBrowser();
}, LIMIT);
after(async () => {
  try {
    await browser?.close();
  } finally {
    await hub?.stop();
  }
}, LIMIT);

/** Logged in. @param {import('../front/support/browser.mjs').Look} [look] */
async function visiting(look) {
  const visit = await browser.visit(hub.url, look);
  await visit.page.goto(`/?token=${TOKEN}`);
  return visit;
}

/** The status that an endpoint answers a client with that has this token. @param {string} endpoint @param {string} token */
async function connects(endpoint, token) {
  const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 't', version: '1' } };
  const { status } = await fetch(`${hub.url}/mcp/${endpoint}`, {
    method: 'POST',
    headers: {
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      authorization: `Bearer ${token}`,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params }),
  });
  return status;
}

/** What the page says, attributes included. @param {Page} page */
const everything = (page) => page.content();

test(
  'The Connect page shows instructions for each client; a key created there is filled in and shown once',
  LIMIT,
  async () => {
    const visit = await visiting();
    const { page } = visit;
    const frames = /** @type {string[]} */ ([]);
    page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => frames.push(String(payload))));
    await page.goto('/hub/#/workspaces');
    await page.reload(); // its WebSocket is heard from the beginning
    await page.getByRole('link', { name: 'Connect a client to my work' }).click();
    await page.getByRole('heading', { level: 1, name: 'Connect a client to my work' }).waitFor();
    assert.equal(await page.locator('input[name=client]').count(), 18);
    for (const [name, id] of [
      ['Codex', 'codex'],
      ['smolagents', 'smolagents'],
      ['mcp-remote', 'mcp-remote'],
    ]) {
      await page.getByRole('radio', { name }).check();
      const text = await page.getByRole('region', { name: `Snippet for ${name}` }).innerText();
      assert.match(text, new RegExp(`${hub.url}/mcp/${slug}`), name);
      assert.equal(await page.getByText(`hubctl connect ${id} ${slug}`, { exact: true }).count(), 1, name);
    }
    await page.getByRole('radio', { name: 'Cursor' }).check();
    assert.equal(await page.getByRole('link', { name: 'Add to Cursor' }).count(), 0);
    await page.getByRole('button', { name: 'Copy hubctl command' }).click();
    assert.equal(await visit.clipboard(), `hubctl connect cursor ${slug}`);
    await page.getByRole('button', { name: 'Copy Streamable HTTP URL' }).click();
    assert.equal(await visit.clipboard(), `${hub.url}/mcp/${slug}`);

    await page.getByRole('button', { name: 'Create a key for this client' }).click();
    await page.getByText(`The key “cursor ${slug}” was created.`).waitFor();
    await page.getByRole('button', { name: 'Copy Cursor snippet' }).click();
    const { url, headers } = JSON.parse(await visit.clipboard()).mcpServers[slug];
    const token = headers.Authorization.replace('Bearer ', '');
    assert.match(token, KEY);
    assert.deepEqual([await connects(slug, token), await connects('alpha', token)], [200, 404]);
    const link = String(await page.getByRole('link', { name: 'Add to Cursor' }).getAttribute('href'));
    const config = new URL(link).searchParams.get('config') ?? '';
    assert.deepEqual(JSON.parse(Buffer.from(config, 'base64').toString()), { url, headers });
    await page.getByRole('radio', { name: 'VS Code' }).check();
    assert.doesNotMatch(await everything(page), KEY, 'the key of another client');
    await page.getByRole('radio', { name: 'Cursor' }).check();
    assert.match(await everything(page), KEY);
    await page.getByRole('link', { name: 'Keys', exact: true }).last().click();
    await page.getByRole('row', { name: `cursor ${slug}` }).waitFor();
    assert.doesNotMatch(await everything(page), KEY);
    await page.goBack();
    await page.getByRole('button', { name: 'Create a key for this client' }).waitFor();
    assert.doesNotMatch(await everything(page), KEY);

    await page.getByRole('button', { name: 'Create a key for this client' }).click();
    await page.getByText(`The key “cursor ${slug} 2” was created.`).waitFor();
    assert.ok(frames.length > 0);
    assert.doesNotMatch(frames.join('\n'), /yh_k/);
    assert.doesNotMatch(hub.logs(), /yh_k/);
    await visit.end();
  },
);

test('The Keys page creates and revokes a key by keyboard alone; revocation ends its access', LIMIT, async () => {
  const visit = await visiting({ viewport: NARROW, colorScheme: 'dark' });
  const { page } = visit;
  await page.goto('/hub/#/keys');
  await page.getByRole('button', { name: 'Create key' }).first().focus();
  await page.keyboard.press('Enter');
  await page.getByRole('textbox', { name: /^Name/ }).focus();
  await page.keyboard.press('Enter');
  await page.getByText('Enter a name.').waitFor();
  await page.getByText('Choose at least one.').waitFor();
  assert.deepEqual(await violations(page), []);
  await page.keyboard.type('laptop');
  await page.getByRole('checkbox', { name: 'alpha' }).focus();
  await page.keyboard.press('Space');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Key laptop' }).waitFor();
  const token = KEY.exec(await page.getByRole('dialog').innerText())?.[0] ?? '';
  assert.ok(token);
  assert.deepEqual(await violations(page), []);
  await page.getByRole('button', { name: 'Done' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.doesNotMatch(await everything(page), KEY);
  const row = page.getByRole('row', { name: /laptop/ });
  await row.getByText('Never').waitFor();
  assert.deepEqual([await connects('alpha', token), await connects(slug, token)], [200, 404]);
  await row
    .getByText(/ago|now/)
    .nth(1)
    .waitFor(); // it was created some time ago, too
  assert.deepEqual(await violations(page), []);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false);

  await page.getByRole('button', { name: 'Revoke laptop' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Revoke laptop?' }).waitFor();
  assert.deepEqual(await violations(page), []);
  await page.keyboard.press('Escape');
  assert.equal(await row.count(), 1);
  await page.getByRole('button', { name: 'Revoke laptop' }).press('Enter');
  await page.getByRole('button', { name: 'Revoke key' }).press('Enter');
  await row.waitFor({ state: 'detached' });
  const began = Date.now();
  while ((await connects('alpha', token)) !== 401) {
    assert.ok(Date.now() - began < 100_000, 'it is let in still');
    await pause(50); // the keys are looked at twice a second, of which no event tells
  }
  await visit.end();
});

test('The Connect page is accessible and fits a phone; arrow keys select a client', LIMIT, async () => {
  const visit = await visiting({ viewport: NARROW, colorScheme: 'dark' });
  const { page } = visit;
  await page.goto('/hub/#/connect/alpha?client=claude-code');
  await page.getByRole('radio', { name: 'Claude Code' }).focus();
  await page.keyboard.press('ArrowRight');
  await page.getByRole('region', { name: 'Snippet for Claude Desktop' }).waitFor();
  assert.equal(await page.getByRole('radio', { name: 'Claude Desktop' }).isChecked(), true);
  await page.getByRole('button', { name: 'Create a key for this client' }).press('Enter');
  await page.getByText('is filled in below').waitFor();
  assert.deepEqual(await violations(page), []);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false);
  await visit.end();
});
