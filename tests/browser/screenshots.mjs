/**
 * Pictures for README and docs: of the console, in both themes, and of YAMCP-UI with the hub, each from a hub with demo
 * content of its own.
 *
 *   node tests/browser/screenshots.mjs [DIRECTORY]      (make screenshots: docs/images)
 *
 * HUB_YAMCP_UI_DIR names a built YAMCP-UI; without it the picture of YAMCP-UI stays as it is: the stand-in of the tests
 * looks otherwise.
 */

import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, dirname, join, resolve } from 'node:path';
import { openBrowser, PHONE } from '../front/support/browser.mjs';
import { PYTHON, ROOT, startHub } from '../front/support/hub.mjs';
import { runHub } from '../front/support/run.mjs';

/** @import {Page} from 'playwright-core' */
/** @typedef {{name: string, hash: string, ready: (page: Page) => Promise<unknown>, full?: boolean}} Picture */

const target = resolve(process.argv[2] ?? join(ROOT, 'docs/images'));
const VIEW = { width: 1280, height: 840 };
const WIDE = { width: 1440, height: 840 }; // YAMCP-UI's table has more columns

/** A server of the demo, by a command that reads the same on every machine. */
const demo = (/** @type {string} */ namespace, /** @type {string} */ name, env = {}) => ({
  namespace,
  type: 'stdio',
  providerParameters: { command: 'python', args: ['-m', `demo_servers.${name}`], env },
});

const providers = {
  notes: demo('notes', 'notes'),
  clock: demo('clock', 'clock'),
  tickets: demo('tickets', 'notes', { TEAM: 'support' }),
  weather: {
    namespace: 'weather',
    type: 'stdio',
    providerParameters: { command: 'weather-mcp', args: ['--units', 'metric'] },
  },
};
const workspaces = {
  research: ['notes', 'clock'],
  support: ['tickets', 'clock'],
  travel: ['clock', 'weather'],
  experiments: ['notes', 'tickets'],
};

const heading = (/** @type {string} */ name) => (/** @type {Page} */ page) =>
  page.getByRole('heading', { name, exact: true }).first().waitFor();

/** @type {Picture[]} */
const PICTURES = [
  { name: 'workspaces', hash: '#/workspaces', ready: heading('Workspaces') },
  { name: 'workspace', hash: '#/workspaces/research', ready: heading('research') },
  { name: 'servers', hash: '#/servers', ready: heading('Servers') },
  { name: 'server', hash: '#/servers/weather', ready: heading('weather') },
  { name: 'tools', hash: '#/tools?workspace=research&tool=notes_add_note', ready: called },
  { name: 'activity', hash: '#/activity', ready: (page) => page.getByText('server ready').first().waitFor() },
  { name: 'figures', hash: '#/figures', ready: (page) => page.getByRole('table', { name: 'Calls by tool' }).waitFor() },
];

/** Fill in the form of a tool, and call it. @param {Page} page */
async function called(page) {
  await page.getByRole('textbox', { name: 'title' }).fill('Train to Lyon');
  await page.getByRole('textbox', { name: /^text/ }).fill('Leaves at 9:12, platform 5');
  await page.getByRole('button', { name: 'Call', exact: true }).click();
  await page.getByText('Done', { exact: true }).waitFor();
}

/** An hour of figures, as a hub in use has them: the one of this script has been there for seconds. */
function history() {
  const interval = 10;
  const now = Math.floor(Date.now() / 1000 / interval) * interval;
  const tools = [
    { server: 'notes', tool: 'search_notes', rate: 9, p50: 0.004, errors: 0 },
    { server: 'clock', tool: 'now', rate: 6, p50: 0.002, errors: 0 },
    { server: 'tickets', tool: 'add_note', rate: 3, p50: 0.006, errors: 0.04 },
    { server: 'clock', tool: 'convert', rate: 2, p50: 0.003, errors: 0.1 },
  ];
  const samples = Array.from({ length: 360 }, (_, index) => {
    const busy = 0.55 + 0.45 * Math.sin(index / 23) * Math.cos(index / 61);
    const figures = tools.map(({ rate, errors, ...tool }, at) => {
      const calls = Math.round(rate * busy * (1 + 0.5 * Math.sin(index * (at + 2) * 1.7)));
      const p50 = tool.p50 * (1 + 0.3 * Math.sin(index / (7 + at)));
      return {
        ...tool,
        calls,
        errors: index % 19 < 4 ? Math.ceil(calls * errors) : 0,
        seconds: calls * p50 * 1.2,
        p50,
        p95: p50 * 2.6,
      };
    });
    return { at: now - (359 - index) * interval, figures: figures.filter(({ calls }) => calls > 0) };
  });
  return { interval, now, samples };
}

/** The port, where it is free, so that pictures show the usual addresses. @param {string} name @param {number} port */
async function usual(name, port) {
  const probe = createServer().listen(port, '127.0.0.1');
  const free = await Promise.race([once(probe, 'listening').then(() => true), once(probe, 'error').then(() => false)]);
  if (free) await new Promise((done) => probe.close(done));
  return free ? { [name]: String(port) } : {};
}

/** @param {import('../front/support/hub.mjs').Hub} hub */
async function prepare(hub) {
  const post = (/** @type {string} */ path, body = {}) =>
    fetch(`${hub.front}${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    });
  await post('/api/hub/workspaces/stop?name=experiments');
  for (const tool of ['clock_now', 'notes_list_notes']) await post('/api/hub/call', { workspace: 'research', tool });
  await hub.waitJson(`${hub.front}/api/hub/state`, ({ servers }) =>
    servers.every((/** @type {any} */ each) => each.state !== 'starting'),
  );
}

/**
 * @param {import('../front/support/hub.mjs').Hub} hub @param {Picture} picture @param {'light'|'dark'} colorScheme
 * @param {string} file @param {{width: number, height: number}} viewport
 */
async function take(hub, { hash, ready }, colorScheme, file, viewport = VIEW) {
  const visit = await browser.visit(hub.front, { colorScheme, viewport });
  await visit.page.route(/\/api\/hub\/history/, (route) => route.fulfill({ json: history() }));
  await visit.page.goto(`/hub/${hash}`);
  await ready(visit.page);
  await visit.page.evaluate(() => /** @type {HTMLElement|null} */ (document.activeElement)?.blur());
  await visit.page.mouse.move(0, 0);
  await visit.page.screenshot({ path: join(target, file), animations: 'disabled' });
  await visit.end();
}

/** The console, from a hub that is closed afterwards; the number of pictures. @param {Record<string, string>} env */
async function takeConsole(env) {
  const hub = await startHub({ providers, workspaces, settle: false, env });
  try {
    await hub.waitJson(
      `${hub.front}/api/hub/state`,
      (state) =>
        state.workspaces.length === 4 && state.servers.every((/** @type {any} */ each) => each.state !== 'unknown'),
    );
    await prepare(hub);
    for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
      for (const picture of PICTURES) await take(hub, picture, colorScheme, `${picture.name}-${colorScheme}.png`);
    }
    await take(hub, PICTURES[0], 'light', 'phone-light.png', PHONE);
    return 2 * PICTURES.length + 1;
  } finally {
    await hub.close();
  }
}

/** YAMCP-UI's page of workspaces with what the hub adds. @param {Record<string, string>} env @param {string} directory */
async function takeYamcpUi(env, directory) {
  const run = await runHub({ providers, workspaces, settle: false, env: { ...env, HUB_YAMCP_UI_DIR: directory } });
  try {
    await run.until(
      ({ hub, workspaces: all }) => hub.yamcp_ui === 'ok' && all.every(({ state }) => state !== 'starting'),
    );
    await fetch(`${run.url}/api/hub/workspaces/stop?name=experiments`, { method: 'POST' });
    const visit = await browser.visit(run.url, { colorScheme: 'light', viewport: WIDE });
    await visit.page.goto('/workspaces');
    await visit.page.getByRole('switch', { name: 'Workspace experiments on/off', checked: false }).waitFor();
    await visit.page.getByText('Degraded').first().waitFor();
    await visit.page.mouse.move(0, 0);
    await visit.page.screenshot({ path: join(target, 'yamcp-ui-light.png'), animations: 'disabled' });
    await visit.end();
    return 1;
  } finally {
    await run.stop();
  }
}

mkdirSync(target, { recursive: true });
const env = {
  PATH: [dirname(PYTHON), process.env.PATH].join(delimiter),
  PYTHONPATH: ROOT,
  ...(await usual('HUB_PORT', 8765)),
  ...(await usual('HUB_SIDECAR_PORT', 8766)),
};
const { HUB_YAMCP_UI_DIR = '' } = process.env;
const browser = await openBrowser();
try {
  const taken = await takeConsole(env);
  const more = HUB_YAMCP_UI_DIR ? await takeYamcpUi(env, resolve(HUB_YAMCP_UI_DIR)) : 0;
  if (!more) console.log('screenshots: yamcp-ui-light.png stays as it is (HUB_YAMCP_UI_DIR names no built YAMCP-UI)');
  console.log(`screenshots: ${taken + more} pictures in ${target}`);
} finally {
  await browser.close();
}
