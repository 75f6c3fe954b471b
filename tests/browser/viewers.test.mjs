/** The viewers of prompts, resources and sessions, in a real browser over a real hub. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { violations } from '../front/support/axe.mjs';
import { openBrowser, PHONE } from '../front/support/browser.mjs';
import { mock, PYTHON, startHub, stdio } from '../front/support/hub.mjs';

/** @import {Hub} from '../front/support/hub.mjs' */
/** @import {Window} from '../front/support/browser.mjs' */

const OPTIONS = { timeout: 180_000 };
const INITIALIZE = {
  protocolVersion: '2025-11-25',
  capabilities: { roots: {}, elicitation: {} },
  clientInfo: { name: 'editor', version: '7.1' },
};
/** @type {Hub} */
let hub;
/** @type {Window} */
let browser;

before(async () => {
  const demo = (/** @type {string} */ name) => stdio(name, PYTHON, ['-m', `demo_servers.${name}`]);
  hub = await startHub({
    providers: { clock: demo('clock'), mock: mock('mock') },
    workspaces: { dev: ['clock', 'mock'] },
  });
  browser = await openBrowser();
});

after(async () => {
  try {
    await browser?.close();
  } finally {
    await hub?.close();
  }
});

/** A page of the console. @param {string} hash @param {import('../front/support/browser.mjs').Look} [look] */
async function open(hash, look) {
  const visit = await browser.visit(hub.front, look);
  await visit.page.goto(`/hub/#/${hash}`);
  return { visit, page: visit.page };
}

/** POST a message of a client. @param {any} message @param {Record<string, string>} [headers] */
async function post(message, headers = {}) {
  const state = /** @type {any} */ (await (await fetch(`${hub.front}/api/hub/state`)).json());
  return fetch(state.workspaces[0].http_url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, params: {}, ...message }),
  });
}

/** Begin a session as a client does; the headers of its requests. */
async function connect() {
  const response = await post({ method: 'initialize', params: INITIALIZE });
  const id = String(response.headers.get('mcp-session-id'));
  return { 'mcp-session-id': id, 'mcp-protocol-version': '2025-11-25' };
}

test(
  'a prompt is found and filled in with completions by keyboard alone, and its messages are copied',
  OPTIONS,
  async () => {
    const { visit, page } = await open('prompts?workspace=dev');
    const list = page.getByRole('navigation', { name: 'Prompts of dev' });
    await list.getByRole('link', { name: 'mock_plain' }).waitFor();
    await page.getByRole('searchbox', { name: 'Search prompts' }).focus();
    await page.keyboard.type('greeting');
    await list.getByRole('link', { name: 'mock_plain' }).waitFor({ state: 'detached' });
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 2, name: 'Greeting' }).and(page.locator(':focus')).waitFor();
    await page.getByRole('button', { name: 'Get messages' }).focus();
    await page.keyboard.press('Enter');
    await page.getByText('This field is required.').waitFor();
    await page.getByRole('combobox', { name: 'name (required)' }).and(page.locator(':focus')).waitFor();
    await page.keyboard.type('A');
    const suggested = page.locator('datalist').first().locator('option');
    await suggested.nth(1).waitFor({ state: 'attached' });
    await suggested.nth(2).waitFor({ state: 'detached' }); // those for an empty text may have come before
    const values = () => suggested.evaluateAll((all) => all.map((each) => /** @type {any} */ (each).value));
    assert.deepEqual(await values(), ['Ada', 'Alan']);
    await page.keyboard.type('da');
    await suggested.nth(1).waitFor({ state: 'detached' });
    await page.keyboard.press('Enter');
    const result = page.getByRole('region', { name: 'Result' });
    await result.getByText('Greet Ada in a friendly tone.', { exact: true }).waitFor();
    await result.getByText('user', { exact: true }).waitFor();
    await result.getByRole('button', { name: 'Copy all text of the messages' }).press('Enter');
    await page.getByText('Copied', { exact: true }).waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), 'Greet Ada in a friendly tone.');
    await visit.end();
  },
);

test('messages are shown as images, embedded resources and links', OPTIONS, async () => {
  const { visit, page } = await open('prompts?workspace=dev&prompt=mock_pictures');
  await page.getByText('This prompt takes no arguments.').waitFor();
  await page.getByRole('button', { name: 'Get messages' }).click();
  const result = page.getByRole('region', { name: 'Result' });
  const image = result.getByRole('img', { name: 'Image of the prompt' });
  await image.waitFor();
  assert.ok(await image.evaluate((element) => /** @type {HTMLImageElement} */ (element).decode().then(() => true)));
  await result.getByText('hello', { exact: true }).waitFor();
  await result.getByText('counter', { exact: true }).waitFor();
  await result.getByText('assistant', { exact: true }).waitFor();
  await visit.end();
});

test('a resource is read: text, and an image that can be saved', OPTIONS, async () => {
  const { visit, page } = await open('resources?workspace=dev');
  await page.getByRole('link', { name: /^A greeting/ }).click();
  await page.getByRole('button', { name: 'Read', exact: true }).click();
  const result = page.getByRole('region', { name: 'Result' });
  await result.getByText('hello', { exact: true }).waitFor();
  await page.getByRole('link', { name: /^pixel/ }).click();
  await page.getByText('image/png').first().waitFor();
  await page.getByRole('button', { name: 'Read', exact: true }).click();
  await result.getByRole('img', { name: 'Image of the resource' }).waitFor();
  const saving = page.waitForEvent('download');
  await result.getByRole('button', { name: 'Download' }).click();
  const download = await saving;
  assert.equal(download.suggestedFilename(), 'pixel');
  const bytes = readFileSync(await download.path());
  assert.deepEqual([...bytes.subarray(1, 4)], [...Buffer.from('PNG')]);
  await visit.end();
});

test(
  'a resource template is a form of its variables, with completions, and shows the URI that it reads',
  OPTIONS,
  async () => {
    const { visit, page } = await open('resources?workspace=dev');
    await page.getByRole('link', { name: /^now_in/ }).click();
    await page.getByRole('combobox', { name: 'timezone' }).fill('Europe/Par');
    await page.locator('datalist option[value="Europe/Paris"]').waitFor({ state: 'attached' });
    await page.getByRole('combobox', { name: 'timezone' }).fill('Europe/Paris');
    await page.getByText('clock://clock/now/Europe%2FParis', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Read', exact: true }).click();
    await page
      .getByRole('region', { name: 'Result' })
      .getByText(/Europe\/Paris \(\w+\)/)
      .first()
      .waitFor();
    visit.expect(/\b502\b/);
    await page.getByRole('combobox', { name: 'timezone' }).fill('Nowhere');
    await page.getByRole('button', { name: 'Read', exact: true }).click();
    await page.getByText('No result', { exact: true }).waitFor();
    await page.getByText('SERVER_ANSWERED_ERROR').waitFor();
    await visit.end();
  },
);

test('content of servers is shown as text and as data of listed types only', OPTIONS, async () => {
  const nasty = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
  const svg = Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" onload="document.title=3"/>`).toString('base64');
  const uri = 'javascript:document.title=4';
  const contents = [
    { uri: 'https://evil.test/page', mimeType: 'text/html', text: nasty },
    { uri, mimeType: 'image/svg+xml', blob: svg },
    { uri, mimeType: 'image/png" onerror="document.title=5', blob: svg },
    { uri, mimeType: 'application/json', text: '{"a":[1,2]}' },
    { uri, mimeType: 'audio/wav', blob: 'not base64!' },
    { uri: { toString: nasty }, text: 5 },
    null,
  ];
  const messages = [
    ...contents.map((resource) => ({ role: nasty, content: { type: 'resource', resource } })),
    { role: 'user', content: { type: 'image', mimeType: 'image/svg+xml', data: svg } },
    { role: 'user', content: { type: 'image', mimeType: 'image/png', data: '"><script>' } },
    { role: 'user', content: { type: 'resource_link', uri, name: nasty, description: nasty } },
    { role: 'user', content: { type: 'text', text: nasty } },
    { role: 'user', content: { type: nasty } },
    null,
  ];
  const answered = (/** @type {any} */ result) => ({ json: { result, seconds: 0.1 } });
  for (const [hash, action, result] of /** @type {[string, string, any][]} */ ([
    ['prompts?workspace=dev&prompt=mock_plain', 'Get messages', { description: nasty, messages }],
    ['resources?workspace=dev', 'Read', { contents }],
  ])) {
    const { visit, page } = await open(hash);
    await page.route(/\/api\/hub\/(prompts\/get|resources\/read)$/, (route) => route.fulfill(answered(result)));
    if (action === 'Read') await page.getByRole('link', { name: /^A greeting/ }).click();
    await page.getByRole('button', { name: action, exact: true }).click();
    const region = page.getByRole('region', { name: 'Result' });
    await region.getByText(nasty, { exact: true }).first().waitFor();
    await region.getByText('"a": [').waitFor();
    await region.getByText('The data cannot be shown: it is not valid base64.').waitFor();
    assert.equal(await region.locator('img, audio, script, svg:not(.icon), iframe, object, [onerror]').count(), 0);
    const links = await region.locator('a').evaluateAll((all) => all.map((a) => /** @type {any} */ (a).href));
    assert.deepEqual(links, ['https://evil.test/page'], 'nothing but the web is a link');
    assert.equal(await region.locator('a').getAttribute('rel'), 'noopener noreferrer');
    assert.match(await page.title(), / yamcp-hub$/, 'no script ran');
    await visit.end(); // no request went elsewhere, no error was thrown
  }
});

test('a session is listed with its properties, and ended by keyboard alone: its client gets 404', OPTIONS, async () => {
  const headers = await connect();
  await post({ method: 'tools/list' }, headers);
  const { visit, page } = await open('sessions');
  const row = page.getByRole('row', { name: /editor 7\.1/ });
  await row.getByText('Streamable HTTP, legacy era, 2025-11-25').waitFor();
  await row.getByText('elicitation, roots').waitFor();
  assert.equal(await row.getByRole('cell').nth(6).locator('.cell-value').textContent(), '2');
  assert.ok(!(await page.content()).includes(headers['mcp-session-id']), 'its id is for its client');
  await row.getByRole('button', { name: /^End the session of editor 7\.1/ }).focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'End the session of editor 7.1?' });
  await dialog.getByText('Its next request gets status 404').waitFor();
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  assert.equal((await post({ method: 'tools/list' }, headers)).status, 200);
  await page.keyboard.press('Enter'); // the button has the focus again
  await dialog.getByRole('button', { name: 'End session' }).focus();
  await page.keyboard.press('Enter');
  await row.waitFor({ state: 'detached' });
  assert.equal((await post({ method: 'tools/list' }, headers)).status, 404);
  await page.getByRole('heading', { name: 'No client has a session' }).waitFor();
  await visit.end();
});

test('new clients appear automatically; of many sessions the newest are shown', OPTIONS, async () => {
  const { visit, page } = await open('sessions?workspace=dev');
  await page.getByRole('heading', { name: 'No client has a session' }).waitFor();
  const headers = await connect();
  await page.getByRole('row', { name: /editor 7\.1/ }).waitFor();
  const { sessions } = /** @type {any} */ (await (await fetch(`${hub.front}/api/hub/sessions`)).json());
  const use = { workspace: 'dev', principal: '', requests: 5, last_request: sessions[0].since, listening: 1 };
  const many = Array.from({ length: 100 }, (_, n) => ({ ...sessions[0], id: `${n}`.padStart(12, '0') }));
  await page.route(/\/api\/hub\/sessions\?/, (route) =>
    route.fulfill({ json: { total: 10_000, sessions: many, sessionless: [use] } }),
  );
  await page.getByText('The newest 100 sessions of 10,000.').waitFor();
  assert.equal(await page.getByRole('table', { name: 'Sessions' }).getByRole('row').count(), 101);
  await page.getByRole('table', { name: 'Requests without a session' }).getByText('dev').waitFor();
  await page.unrouteAll();
  await fetch(`${hub.front}/api/hub/sessions?id=${headers['mcp-session-id'].slice(0, 12)}`, { method: 'DELETE' });
  await visit.end();
});

for (const look of /** @type {import('../front/support/browser.mjs').Look[]} */ ([
  { colorScheme: 'light' },
  { colorScheme: 'dark', viewport: PHONE },
])) {
  test(
    `the pages are accessible and fit the screen: ${look.colorScheme}, ${look.viewport ? 'phone' : 'desktop'}`,
    OPTIONS,
    async () => {
      const headers = await connect();
      const { visit, page } = await open('prompts?workspace=dev', look);
      const check = async (/** @type {string} */ what) => {
        assert.deepEqual(await violations(page), [], what);
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${what} fits`);
      };
      await page.getByRole('link', { name: 'mock_plain' }).waitFor();
      await check('the list');
      await page.getByRole('link', { name: /mock_greet/ }).click();
      await page.getByRole('button', { name: 'Get messages' }).click();
      await page.getByText('This field is required.').waitFor();
      await page.getByRole('combobox', { name: 'name (required)' }).fill('Ada');
      await page.getByRole('button', { name: 'Get messages' }).click();
      await page.getByText('Done', { exact: true }).waitFor();
      await check('a prompt');
      await visit.go('resources?workspace=dev');
      await page.getByRole('link', { name: /^item/ }).click();
      await page.getByRole('combobox', { name: 'id' }).fill('7');
      await page.getByRole('button', { name: 'Read', exact: true }).click();
      await page.getByText('item 7', { exact: true }).waitFor();
      await check('a resource');
      await visit.go('sessions');
      await page.getByRole('row', { name: /editor 7\.1/ }).waitFor();
      await check('sessions');
      await page
        .getByRole('button', { name: /^End the session/ })
        .first()
        .click();
      await page.getByRole('dialog').waitFor();
      await check('the question before one is ended');
      await page.getByRole('button', { name: 'End session', exact: true }).click();
      await page.getByRole('row', { name: /editor 7\.1/ }).waitFor({ state: 'detached' });
      assert.equal((await post({ method: 'tools/list' }, headers)).status, 404);
      await visit.end();
    },
  );
}
