/** From the catalogue to a call: a package is found, added, called and removed; with its settings, and by a proposal. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openBrowser } from '../front/support/browser.mjs';
import { PYTHON, ROOT } from '../front/support/hub.mjs';
import { runHub } from '../front/support/run.mjs';

/** @import {Page} from 'playwright-core' */
/** @import {Run} from '../front/support/run.mjs' */
/** @import {Window, Visit} from '../front/support/browser.mjs' */

const OPTIONS = { timeout: 180_000 };
const SECRET = 'marked-Kw3Pz7Lm9Qx';
const MOST_CLICKS = 4;
const MOST_MS = 60_000; // ms
/** Makes a package of npm, and prints its entry twice: without settings, and with some. */
const PACKAGES = `
import json, sys
from pathlib import Path
from tests.support.packages import entry, tarball
path = tarball(Path(sys.argv[1]))
settings = [{"name": "API_KEY", "isSecret": True, "isRequired": True, "description": "The key of the service."}]
depth = [{"type": "named", "name": "--depth", "format": "number", "default": "3"}]
print(json.dumps([entry(path, "test/greeter"),
    entry(path, "test/keyed", environmentVariables=settings, packageArguments=depth)]))
`;

/** @type {Run} */
let run;
/** @type {Window} */
let browser;
/** @type {Visit} */
let visit;
/** @type {Page} */
let page;

/** @param {'button' | 'link' | 'heading'} role @param {string} name */
const named = (role, name) => page.getByRole(role, { name, exact: true }).first();

before(async () => {
  const nowhere = 'http://127.0.0.1:9'; // no registry can be reached
  run = await runHub({ workspaces: { dev: [] }, env: { npm_config_registry: nowhere, https_proxy: nowhere } });
  const printed = execFileSync(PYTHON, ['-c', PACKAGES, run.root], { cwd: ROOT, encoding: 'utf8' });
  mkdirSync(join(run.env.HUB_DATA_DIR, 'catalog'), { recursive: true });
  writeFileSync(join(run.env.HUB_DATA_DIR, 'catalog/own.json'), JSON.stringify({ servers: JSON.parse(printed) }));
  browser = await openBrowser();
  visit = await browser.visit(run.url);
  page = visit.page;
}, OPTIONS);

after(async () => {
  try {
    await browser?.close();
  } finally {
    await run?.stop();
  }
});

test('from the catalogue to the first call: four clicks, under a minute', OPTIONS, async () => {
  await page.goto('/hub/#/catalog');
  await visit.program();
  const began = Date.now();
  let clicks = 0;
  const click = async (/** @type {import('playwright-core').Locator} */ what) => {
    clicks += 1;
    await what.click({ timeout: MOST_MS });
  };
  await page.getByRole('searchbox', { name: 'Search the catalogue' }).fill('greeter');
  await click(named('link', 'greeter'));
  await click(named('button', 'Add'));
  await click(page.getByRole('link', { name: 'Open tools' }).and(page.locator('[href*="tool="]')));
  await page.getByRole('heading', { name: 'greeter_greet' }).waitFor();
  await click(named('button', 'Call'));
  await page.getByText('hello from 1.0.0').first().waitFor();
  assert.ok(clicks <= MOST_CLICKS, `${clicks} clicks`);
  assert.ok(Date.now() - began < MOST_MS, `${Date.now() - began} ms`);
  assert.deepEqual(run.read('workspaces').dev, ['greeter']);
});

test('settings are typed and checked, and a secret is in one file only', OPTIONS, async () => {
  await visit.go('catalog/test%2Fkeyed');
  await page.getByText('What it runs').waitFor();
  await named('button', 'Add').click();
  await page.getByText('Enter a value.').waitFor();
  const key = page.getByLabel(/^API_KEY/);
  assert.equal(await key.getAttribute('type'), 'password');
  await key.fill(SECRET);
  await page.getByRole('textbox', { name: /^--depth/ }).fill('many');
  await named('button', 'Add').click();
  await page.getByText('many is not a number.').waitFor();
  await page.getByRole('textbox', { name: /^--depth/ }).fill('5');
  await named('button', 'Add').click();
  await page.getByRole('link', { name: 'Open tools' }).waitFor({ timeout: MOST_MS });
  assert.doesNotMatch(await page.content(), new RegExp(SECRET));
  assert.doesNotMatch(JSON.stringify([run.read('providers'), await run.state()]), new RegExp(SECRET));
  const stored = JSON.parse(readFileSync(join(run.env.HUB_DATA_DIR, 'variables.json'), 'utf8'));
  assert.deepEqual(stored, { API_KEY: SECRET });
});

test('a server from the catalogue is uninstalled on its page', OPTIONS, async () => {
  await visit.go('servers/greeter');
  await named('heading', 'Installed from the catalogue').waitFor();
  await named('button', 'Uninstall').click();
  await page.getByRole('dialog').getByRole('button', { name: 'Uninstall server' }).click();
  await named('heading', 'Servers').waitFor();
  assert.deepEqual(run.read('workspaces').dev, ['keyed']);
  assert.ok(!existsSync(join(run.env.HUB_DATA_DIR, 'servers/greeter')));
});

test('variables are listed without their values, set and removed', OPTIONS, async () => {
  await visit.go('variables');
  await page.getByRole('row', { name: /API_KEY.*keyed/ }).waitFor();
  await named('button', 'Set a variable').click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel(/^Name/).fill('OTHER');
  await dialog.getByLabel(/^Value/).fill('x');
  await dialog.getByRole('button', { name: 'Set', exact: true }).click();
  await named('button', 'Remove OTHER').click();
  await dialog.getByRole('button', { name: 'Remove variable' }).click();
  await named('button', 'Remove OTHER').waitFor({ state: 'detached' });
});
