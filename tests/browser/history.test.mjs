/** The history pages over a real hub with a real recorder: live calls, 100,000 recorded calls, changes. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { violations } from '../front/support/axe.mjs';
import { openBrowser, PHONE } from '../front/support/browser.mjs';
import { mock, PYTHON, ROOT, startHub } from '../front/support/hub.mjs';

/** @import {Page} from 'playwright-core' */

const OPTIONS = { timeout: 180_000 };
const MANY = 100_000;
const run = promisify(execFile);
const data = mkdtempSync(join(tmpdir(), 'history'));
/** @type {import('../front/support/hub.mjs').Hub} */
let hub;
/** @type {import('../front/support/browser.mjs').Window} */
let browser;

before(async () => {
  const env = { HUB_HISTORY: 'on', HUB_DATA_DIR: data }; // the recorder comes later: the first test is about that
  [hub, browser] = await Promise.all([
    startHub({ providers: { mock: mock('mock') }, workspaces: { dev: ['mock'] }, env }),
    openBrowser(),
    run(PYTHON, ['-m', 'tests.support.fill_history', data, String(MANY)], { cwd: ROOT }),
  ]);
  await ask('PATCH', '/api/hub/workspaces?name=dev', { record: 'redacted' });
});

after(async () => {
  try {
    await browser?.close();
  } finally {
    await hub?.close();
    rmSync(data, { recursive: true, force: true });
  }
});

/** A request to the API. @param {string} method @param {string} path @param {object} [body] */
async function ask(method, path, body) {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(hub.front + path, { method, headers, body: body && JSON.stringify(body) });
  return /** @type {any} */ (await response.json());
}

/** A page of the console. @param {string} hash @param {import('../front/support/browser.mjs').Look} [look] */
async function open(hash, look) {
  const visit = await browser.visit(hub.front, look);
  await visit.page.goto(`/hub/#/${hash}`);
  return { visit, page: visit.page };
}

/** Call a tool, as the explorer does. @param {string} text */
const echo = (text) => ask('POST', '/api/hub/call', { workspace: 'dev', tool: 'mock_echo', arguments: { text } });

/** @param {Page} page */
const calls = (page) => page.getByRole('table', { name: 'Calls', exact: true }).locator('tbody tr');

test(
  'while the recorder is unavailable the pages say so and what to do, and work again when it is back',
  OPTIONS,
  async () => {
    const { visit, page } = await open('calls');
    visit.expect(/\b503\b/);
    await page.getByText('HISTORY_UNAVAILABLE').first().waitFor();
    await page.getByText('Calls go on; their records wait on disk.').waitFor();
    assert.ok((await echo('while it is away')).result, 'calls are not concerned');
    hub.start('recorder');
    await hub.waitJson(`${hub.front}/api/hub/records`, ({ state }) => state === 'ok');
    await page.getByRole('button', { name: 'Try again' }).click();
    await calls(page).first().getByText('echo').waitFor();
    await page.getByText(`${(MANY + 1).toLocaleString('en')} calls stored`).waitFor();
    await visit.end();
  },
);

test(
  'a call is listed live; its page shows the recorded arguments and the parts of its duration',
  OPTIONS,
  async () => {
    const { visit, page } = await open('calls?tool=echo');
    await calls(page).first().waitFor();
    const before_ = await calls(page).count();
    await echo('as it comes');
    await calls(page).nth(before_).waitFor();
    const row = calls(page).first();
    for (const cell of ['OK', 'echo', 'mock', 'dev', 'local']) await row.getByText(cell, { exact: true }).waitFor();
    await row.getByRole('link').focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'echo' }).waitFor();
    await page.getByRole('region', { name: 'Arguments' }).getByText('"as it comes"').waitFor();
    await page.getByRole('region', { name: 'Result' }).getByText('as it comes').first().waitFor();
    await page.getByText('Server and connection').waitFor();
    await page.getByRole('link', { name: 'Call again' }).press('Enter');
    await page.getByText('The recorded arguments are filled in.').waitFor();
    assert.equal(await page.getByRole('textbox', { name: /^text/ }).inputValue(), 'as it comes');
    await page.getByRole('button', { name: 'Call', exact: true }).click();
    await page.getByText('Done', { exact: true }).waitFor();
    await visit.end();
  },
);

test('100,000 calls: filters are in the URL, and pages are loaded on demand', OPTIONS, async () => {
  const { visit, page } = await open('calls?outcome=failed&principal=ann');
  await calls(page).nth(99).waitFor();
  assert.equal(await calls(page).count(), 100);
  assert.equal(await calls(page).getByText('OK', { exact: true }).count(), 0);
  const first = await calls(page).first().getByRole('link').getAttribute('href');
  /** @type {string[]} */
  const requests = [];
  page.on('request', (request) => request.url().includes('/api/hub/calls?') && requests.push(request.url()));
  for (let turned = 0; turned < 3; turned += 1) {
    const shown = await calls(page).first().getByRole('link').getAttribute('href');
    await page.getByRole('link', { name: 'Older' }).click();
    await page.locator(`tbody a[href="${shown}"]`).waitFor({ state: 'detached' });
    await calls(page).nth(99).waitFor();
    assert.equal(await calls(page).count(), 100, 'what is drawn does not grow');
  }
  const older = requests.filter((url) => url.includes('before='));
  assert.ok(older.length >= 3 && older.length <= 9, `${older.length} requests for 3 pages`);
  assert.match(page.url(), /outcome=failed&principal=ann&before=\d+$/);
  await page.getByRole('link', { name: 'Newest' }).click();
  await page.locator(`tbody a[href="${first}"]`).waitFor();
  await page.getByRole('combobox', { name: 'Outcome' }).selectOption('ok');
  await page.getByRole('searchbox', { name: 'Tool' }).fill('tool3');
  await page.waitForURL(/outcome=ok&principal=ann&tool=tool3$/);
  await calls(page).first().getByText('tool3').waitFor();
  await page.getByRole('combobox', { name: 'Time' }).selectOption('hour');
  await page.waitForURL(/last=hour/);
  await visit.end();
});

test('the filtered list is exported as a file, page by page', OPTIONS, async () => {
  const { visit, page } = await open('calls?tool=tool3');
  await calls(page).first().waitFor();
  const saving = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Export as CSV' }).click();
  const download = await saving;
  assert.equal(download.suggestedFilename(), 'calls.csv');
  const lines = readFileSync(await download.path(), 'utf8')
    .trim()
    .split('\r\n');
  assert.equal(lines.length - 1, Math.ceil((MANY - 3) / 7));
  assert.ok(lines.slice(1).every((line) => line.includes(',tool3,')));
  await visit.end();
});

test('usage is charted by tool and by principal, over an hour and a month', OPTIONS, async () => {
  const { visit, page } = await open('usage?range=month');
  const table = page.getByRole('table', { name: 'Calls by tool' });
  await table.getByRole('link', { name: 'mock/tool3', exact: true }).waitFor();
  await page.getByRole('img', { name: /^Duration over time: .*99th percentile/ }).waitFor();
  await page.locator('.chart canvas').nth(1).waitFor();
  await page.getByRole('radio', { name: 'By principal' }).check();
  await page.getByRole('link', { name: 'ann', exact: true }).click();
  await page
    .getByText(/^Principal/)
    .first()
    .waitFor();
  assert.match(page.url(), /name=ann/);
  await page.getByRole('link', { name: 'List calls of bob' }).click();
  await calls(page).first().waitFor();
  assert.match(page.url(), /principal=bob/);
  await visit.end();
});

test(
  'a change is shown with its author and diff and undone by keyboard; an edit of a file cannot be undone',
  OPTIONS,
  async () => {
    const { visit, page } = await open('servers/mock');
    await page.locator('summary').filter({ hasText: 'Calls' }).click();
    await page.getByLabel('Calls at once').fill('7');
    await page.getByRole('button', { name: 'Save' }).first().click();
    await page.locator('.toast').first().waitFor();
    await visit.go('changes');
    const change = page.getByRole('listitem').filter({ hasText: 'Set server' }).first();
    await change.getByText('by the console').waitFor();
    await change.getByText('What changed').press('Enter');
    await change.getByText(/^\+.*"max_inflight": 7/).waitFor();
    await change.getByRole('button', { name: /^Undo/ }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').getByRole('button', { name: 'Undo' }).press('Enter');
    await page.getByText('This change is itself an undo.').waitFor();
    await change.getByText('Cannot be undone here. It was already undone').waitFor();
    hub.write({ mock: mock('mock'), more: mock('more') }, undefined);
    await page
      .getByRole('listitem')
      .filter({ hasText: 'by an edit of a file' })
      .getByText('copies of earlier files')
      .first()
      .waitFor();
    await visit.end();
  },
);

for (const look of /** @type {import('../front/support/browser.mjs').Look[]} */ ([
  { colorScheme: 'light' },
  { colorScheme: 'dark', viewport: PHONE },
])) {
  test(`the pages are accessible and fit the screen: ${look.colorScheme}`, OPTIONS, async () => {
    const { visit, page } = await open('calls', look);
    /** @type {string[]} */
    const found = [];
    const check = async (/** @type {string} */ what) => {
      found.push(...(await violations(page)).map((line) => `${what}: ${line}`));
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (over > 0) found.push(`${what}: ${over} pixels wider than the window`);
    };
    await calls(page).nth(99).waitFor();
    await check('calls');
    await visit.go('calls?last=day&since=1&tool=nothing');
    await page.getByRole('heading', { name: 'No calls match these filters' }).waitFor();
    await check('no calls');
    await visit.go('calls?tool=echo');
    await calls(page).first().getByRole('link').click();
    await page.getByRole('region', { name: 'Arguments' }).waitFor();
    await check('call');
    await visit.go('changes');
    await page.getByText('What changed').first().click();
    await check('changes');
    for (const [hash, sign] of [
      ['usage?range=day', 'By tool'],
      ['sign-ins', 'No sign-ins'],
      ['past-sessions', 'No recorded sessions'],
    ]) {
      await visit.go(hash);
      await page.getByRole('heading', { name: sign }).waitFor();
      await check(hash);
    }
    assert.deepEqual(found, []);
    await visit.end();
  });
}
