/** The pages for tools, activity and metrics, in a real browser over a real hub. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { violations } from '../front/support/axe.mjs';
import { openBrowser, PHONE } from '../front/support/browser.mjs';
import { mock, PYTHON, startHub, stdio } from '../front/support/hub.mjs';

/** @import {Hub} from '../front/support/hub.mjs' */
/** @import {Window} from '../front/support/browser.mjs' */

const OPTIONS = { timeout: 180_000 };
/** @type {Hub} */
let hub;
/** @type {Window} */
let browser;

before(async () => {
  const notes = stdio('notes', PYTHON, ['-m', 'demo_servers.notes']);
  hub = await startHub({
    providers: { notes, mock: mock('mock') },
    workspaces: { dev: ['notes', 'mock'], 'a/b ?': ['mock'] },
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

/** A page of the console, with the tool chosen. @param {string} tool */
async function toolPage(tool) {
  const visit = await browser.visit(hub.front);
  const { page } = visit;
  await page.goto(`/hub/#/tools?workspace=dev&tool=${tool}`);
  await page.getByRole('heading', { level: 2, name: tool }).waitFor();
  return { visit, page, call: () => page.getByRole('button', { name: 'Call', exact: true }).click() };
}

/** @param {string} tool @param {Record<string, unknown>} args @param {string} workspace */
function post(tool, args = {}, workspace = 'dev') {
  const body = JSON.stringify({ workspace, tool, arguments: args });
  return fetch(`${hub.front}/api/hub/call`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
}

test('tools are found by search and selected; the page shows the server of each', OPTIONS, async () => {
  const visit = await browser.visit(hub.front);
  const { page } = visit;
  await page.goto('/hub/#/tools?workspace=dev');
  await page.getByRole('searchbox', { name: 'Search tools' }).fill('oldest note');
  const list = page.getByRole('navigation', { name: 'Tools of dev' });
  await list.getByRole('link').nth(1).waitFor({ state: 'detached' });
  await list.getByRole('link', { name: 'notes_list_notes' }).click();
  await page.getByRole('heading', { level: 2, name: 'notes_list_notes' }).waitFor();
  await page.getByText('This tool takes no arguments.').waitFor();
  await page.getByRole('article').getByRole('link', { name: 'notes', exact: true }).waitFor();
  await page.getByText('read-only').waitFor();
  await visit.end();
});

test(
  'a form is filled in by keyboard, invalid values are shown at their fields, and the result is shown',
  OPTIONS,
  async () => {
    const { visit, page, call } = await toolPage('notes_add_note');
    await call();
    await page.getByText('Correct these 2 problems').waitFor();
    const title = page.getByRole('textbox', { name: 'title' });
    await page.locator('input:focus').and(title).waitFor(); // the first wrong field has the focus
    assert.equal(await title.getAttribute('aria-invalid'), 'true');
    await page.keyboard.type('Shopping');
    await page.getByRole('textbox', { name: /^text/ }).fill('Milk');
    await page.getByRole('button', { name: 'Add an item' }).click();
    await page
      .locator('input:focus')
      .and(page.getByRole('textbox', { name: /^Item 1/ }))
      .waitFor();
    await page.keyboard.type('home');
    await page.keyboard.press('Control+Enter');
    await page.getByText('Done', { exact: true }).waitFor();
    const result = page.getByRole('region', { name: 'Result' });
    assert.match((await result.locator('pre').first().textContent()) ?? '', /"title": "Shopping".*"tags": \["home"\]/s);
    await visit.end();
  },
);

test('form values convert to the JSON view and back, and both are validated', OPTIONS, async () => {
  const { visit, page, call } = await toolPage('notes_add_note');
  await page.getByRole('textbox', { name: 'title' }).fill('A');
  await page.getByRole('radio', { name: 'JSON' }).check();
  const json = page.getByRole('textbox', { name: 'Arguments' });
  assert.deepEqual(JSON.parse(await json.inputValue()), { title: 'A', tags: [] });
  await json.fill('{"title": 5}');
  await call();
  await page.getByText('title: Must be text.').first().waitFor();
  await json.fill('{"title": "B", "text": "", "tags": ["x", "y"]}');
  await page.getByRole('radio', { name: 'Form' }).check();
  assert.equal(await page.getByRole('textbox', { name: 'title' }).inputValue(), 'B');
  assert.equal(await page.getByRole('textbox', { name: /^Item 2/ }).inputValue(), 'y');
  await call();
  await page.getByText('Done', { exact: true }).waitFor();
  await visit.end();
});

test('a schema with every feature gets a form, and the tool receives the entered values', OPTIONS, async () => {
  const { visit, page, call } = await toolPage('mock_nested');
  await page.getByLabel('Kind of filter').selectOption('object with all');
  await page.getByRole('group', { name: /^all / }).getByRole('button', { name: 'Add an item' }).click();
  await page.getByLabel('Kind of Item 1').selectOption({ index: 1 });
  await page.getByRole('textbox', { name: /^field/ }).fill('size');
  await page.getByLabel('Kind of when').selectOption('whole number');
  await page
    .getByRole('textbox', { name: /whole number/ })
    .last()
    .fill('1.5');
  await call();
  await page.getByText('“1.5” is not a whole number.').first().waitFor();
  await page
    .getByRole('textbox', { name: /whole number/ })
    .last()
    .fill('7');
  await page.getByRole('textbox', { name: /^labels/ }).fill('{"a": "b"}');
  await call();
  await page.getByText('Done', { exact: true }).waitFor();
  await page.getByText('Whole result').click();
  const whole = JSON.parse(
    (await page.getByRole('region', { name: 'Result' }).locator('pre').last().textContent()) ?? '',
  );
  const { filter, when, labels, limit } = whole.structuredContent.arguments;
  assert.deepEqual({ when, labels, limit }, { when: 7, labels: { a: 'b' }, limit: 10 });
  assert.equal(filter.all[0].field, 'size');
  await visit.end();
});

test('images and audio are shown; tool errors differ from protocol errors', OPTIONS, async () => {
  const image = await toolPage('mock_image');
  await image.call();
  const picture = image.page.getByRole('img', { name: 'Image returned by the tool' });
  await picture.waitFor();
  assert.ok(await picture.evaluate((element) => /** @type {HTMLImageElement} */ (element).decode().then(() => true)));
  await image.visit.end();
  const audio = await toolPage('mock_audio');
  await audio.call();
  await audio.page.locator('audio').waitFor();
  await audio.visit.end();
  const failing = await toolPage('mock_tool_error');
  await failing.call();
  await failing.page.getByText('The tool reports an error', { exact: true }).waitFor();
  await failing.visit.end();
  const refused = await toolPage('mock_fail');
  await refused.call();
  await refused.page.getByText('SERVER_ANSWERED_ERROR').waitFor();
  await refused.visit.end();
});

test('the result of a tool is shown as text, whatever it contains', OPTIONS, async () => {
  const { visit, page, call } = await toolPage('mock_echo');
  const nasty = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
  await page.getByRole('textbox', { name: 'text' }).fill(nasty);
  await call();
  assert.equal(await page.getByRole('region', { name: 'Result' }).locator('pre').first().textContent(), nasty);
  assert.equal(await page.getByRole('region', { name: 'Result' }).locator('img, script').count(), 0);
  await visit.end();
});

test('a call that takes too long ends at the given timeout', OPTIONS, async () => {
  const { visit, page, call } = await toolPage('mock_never');
  await page.getByRole('textbox', { name: 'Timeout (seconds)' }).fill('0.3');
  await call();
  await page.getByText('No result', { exact: true }).waitFor();
  await visit.end();
});

test(
  'a disabled workspace says so in place of its tools, and shows them when it is enabled again',
  OPTIONS,
  async () => {
    const visit = await browser.visit(hub.front);
    const { page } = visit;
    await page.goto(`/hub/#/tools?${new URLSearchParams({ workspace: 'a/b ?' })}`);
    await page.getByRole('link', { name: 'mock_echo' }).waitFor();
    await fetch(`${hub.front}/api/hub/workspaces/stop?${new URLSearchParams({ name: 'a/b ?' })}`, { method: 'POST' });
    await page.getByRole('heading', { name: 'a/b ? is switched off' }).waitFor();
    await fetch(`${hub.front}/api/hub/workspaces/start?${new URLSearchParams({ name: 'a/b ?' })}`, { method: 'POST' });
    await page.getByRole('link', { name: 'mock_echo' }).waitFor();
    await visit.end();
  },
);

test(
  'the activity page shows server output and state changes, with filter, pause and auto-scroll',
  OPTIONS,
  async () => {
    const visit = await browser.visit(hub.front);
    const { page } = visit;
    await page.goto('/hub/#/activity');
    await page.getByRole('region', { name: 'Lines, newest last' }).getByText('server ready').first().waitFor();
    await post('mock_stderr', { text: 'first words' });
    await page.getByText('first words').waitFor();
    await page.getByRole('button', { name: 'Pause' }).click();
    await post('mock_stderr', { text: 'said while paused' });
    await page.getByRole('button', { name: /Resume \(1 new line\)/ }).waitFor();
    assert.equal(await page.getByText('said while paused').count(), 0);
    await page.getByRole('button', { name: /Resume/ }).click();
    await page.getByText('said while paused').waitFor();
    await page.getByRole('searchbox', { name: 'Search' }).fill('first');
    await page.getByText('said while paused').waitFor({ state: 'detached' });
    await page.getByText('first words').waitFor();
    await visit.end();
  },
);

test('100 lines per second cause no layout shift; the page keeps at most 1,000 lines', OPTIONS, async () => {
  const visit = await browser.visit(hub.front);
  const { page } = visit;
  const { connected } = await following(page);
  await page.goto('/hub/#/activity');
  await page.getByRole('region', { name: 'Lines, newest last' }).waitFor();
  await page.evaluate(() => {
    const seen = { shift: 0 };
    Object.assign(globalThis, { seen });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) seen.shift += /** @type {any} */ (entry).value;
    }).observe({ type: 'layout-shift' });
  });
  const time = Date.now();
  for (let tens = 0; tens < 120; tens += 1) {
    for (let line = 0; line < 10; line += 1) {
      const record = {
        time: new Date(time + tens * 100 + line).toISOString(),
        level: 'info',
        process: 'sidecar',
        message: `line ${tens * 10 + line}`,
      };
      (await connected).send(JSON.stringify({ type: 'log', record }));
    }
    await page.waitForTimeout(30); // three times as fast as is promised
  }
  await page.getByText('line 1199', { exact: true }).waitFor();
  assert.equal(await page.locator('.log-line').count(), 1000);
  await page.getByText('1,000 lines; older lines were removed').waitFor();
  const box = page.getByRole('region', { name: 'Lines, newest last' });
  assert.ok(
    await box.evaluate((log) => log.scrollHeight - log.clientHeight - log.scrollTop < 5),
    'the end is in sight',
  );
  const { shift } = await page.evaluate(() => /** @type {any} */ (globalThis).seen);
  assert.ok(shift < 0.01, `layout shift ${shift}`);
  await visit.end();
});

/**
 * The page's connection to the hub, once it is made, into which a test can speak.
 *
 * @param {import('playwright-core').Page} page
 */
async function following(page) {
  /** @type {(route: import('playwright-core').WebSocketRoute) => void} */
  let made;
  const connected = new Promise((/** @type {typeof made} */ resolve) => {
    made = resolve;
  });
  await page.routeWebSocket(/\/api\/hub\/live$/, (route) => {
    route.connectToServer();
    made(route);
  });
  return { connected };
}

test('the metrics page counts calls by server and tool, in charts and in a table', OPTIONS, async () => {
  for (let calls = 0; calls < 5; calls += 1) await post('mock_pid');
  await post('mock_tool_error', { message: 'no' });
  const visit = await browser.visit(hub.front);
  const { page } = visit;
  await page.goto('/hub/#/figures');
  const table = page.getByRole('table', { name: 'Calls by tool' });
  await table.getByRole('link', { name: 'pid', exact: true }).click();
  await page.getByRole('img', { name: /^Calls and errors over time: 5 calls, 0 errors/ }).waitFor();
  assert.equal(await table.getByRole('row').count(), 2);
  assert.equal(await page.locator('canvas').count(), 2);
  await page.getByLabel('Tool', { exact: true }).selectOption('tool_error');
  await page.getByText(/\(100 %\)/).waitFor();
  await page.getByLabel('Server', { exact: true }).selectOption('notes');
  await page.getByLabel('Server', { exact: true }).selectOption('All servers');
  await page.goto(`/hub/#/figures?${new URLSearchParams({ server: 'nobody' })}`);
  await page.getByRole('heading', { name: 'No calls in the last hour' }).waitFor();
  await visit.end();
});

for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
  for (const viewport of [undefined, PHONE]) {
    test(
      `the pages are accessible and fit the screen: ${colorScheme}, ${viewport ? 'phone' : 'desktop'}`,
      OPTIONS,
      async () => {
        await post('mock_pid');
        const visit = await browser.visit(hub.front, { colorScheme, viewport });
        const { page } = visit;
        const look = async (/** @type {string} */ what) => {
          assert.deepEqual(await violations(page), [], what);
          assert.equal(
            await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
            true,
            `${what} fits`,
          );
        };
        await page.goto('/hub/#/tools?workspace=dev');
        await page.getByRole('link', { name: 'mock_nested' }).waitFor();
        await look('the list');
        await page.getByRole('link', { name: 'mock_nested' }).click();
        await page.getByRole('textbox', { name: /^limit/ }).fill('0');
        await page.getByRole('button', { name: 'Call', exact: true }).click();
        await page.getByText('Correct these 2 problems').waitFor();
        await look('a form with errors');
        await page.getByRole('tab', { name: 'Input' }).click();
        await page.getByText('JSON Schema').click();
        await look('a schema');
        await visit.go('tools?workspace=dev&tool=mock_structured');
        await page.getByRole('heading', { name: /mock_structured/ }).waitFor();
        await page.getByRole('button', { name: 'Call', exact: true }).click();
        await page.getByText('Done', { exact: true }).waitFor();
        await look('a result');
        await visit.go('activity');
        await page.getByText('server ready').first().waitFor();
        await look('activity');
        await visit.go('figures');
        await page.getByRole('table', { name: 'Calls by tool' }).waitFor();
        await look('figures');
        await visit.end();
      },
    );
  }
}
