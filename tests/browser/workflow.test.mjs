/** docs/workflow.md, followed from its first step to its last: the console's controls by their names in the document, and
 * the lines of hubctl as they are printed. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { openBrowser } from '../front/support/browser.mjs';
import { PYTHON, ROOT } from '../front/support/hub.mjs';
import { McpClient } from '../front/support/mcp.mjs';
import { runHub } from '../front/support/run.mjs';

/** @import {Page} from 'playwright-core' */
/** @import {Run} from '../front/support/run.mjs' */
/** @import {Window, Visit} from '../front/support/browser.mjs' */
/** @typedef {{controls: Set<string>, lines: string[], text: string}} Section */

const OPTIONS = { timeout: 180_000 };
const PARTS = new Set(['In the console', 'In YAMCP-UI', 'With hubctl']);
const execute = promisify(execFile);
/** @type {Run} */
let run;
/** @type {Window} */
let browser;
/** @type {Visit} */
let visit;
/** @type {Page} */
let page;
/** What stands for /srv/data. */
let data = '';

/** The numbered sections of the document: what is in bold, and the lines of shell. */
const SECTIONS = readFileSync(join(ROOT, 'docs/workflow.md'), 'utf8')
  .split(/^## \d+\. /m)
  .slice(1)
  .map(parsed);

/** @param {string} text @returns {Section} */
function parsed(text) {
  const bold = [...text.matchAll(/\*\*([^*]+)\*\*/g)].map(([, name]) => name).filter((name) => !PARTS.has(name));
  const lines = [...text.matchAll(/^```sh\n(.*?)^```/gms)].flatMap(([, block]) => block.trim().split('\n'));
  return { controls: new Set(bold), lines, text };
}

/** A control that the section names; each is used once at least. @param {number} section @param {string} name */
function control(section, name) {
  const { controls, text } = SECTIONS[section - 1];
  assert.ok(text.includes(`**${name}**`), `section ${section} names no ${name}`);
  controls.delete(name);
  return name;
}

/** What a line of the document prints; it has to succeed. @param {number} section @param {string} start */
async function type(section, start) {
  const line = SECTIONS[section - 1].lines.find((each) => each.startsWith(start));
  assert.ok(line, `section ${section} has no line ${start}`);
  const env = { ...run.env, HOME: run.root, PATH: `${join(ROOT, '.venv/bin')}:${process.env.PATH}` };
  const { stdout } = await execute('bash', ['-c', line.replaceAll('/srv/data', data)], { env, cwd: run.root });
  return stdout;
}

/** @param {'button' | 'link' | 'heading'} role @param {string} name */
const named = (role, name) => page.getByRole(role, { name, exact: true }).first();
/** A page of the menu. @param {string} name */
const menu = (name) =>
  page
    .getByRole('navigation')
    .getByRole('link', { name: new RegExp(`^${name}`) })
    .click();
/** @param {string} name */
const box = (name) => page.getByRole('textbox', { name: new RegExp(`^${name}( \\(required\\))?$`) });
const ready = () => page.getByText('Ready', { exact: true }).first().waitFor({ timeout: 60_000 });

before(async () => {
  const sample = (/** @type {string} */ name) => ({
    namespace: name,
    type: 'stdio',
    providerParameters: { command: PYTHON, args: [join(ROOT, `demo_servers/${name}.py`)] },
  });
  const providers = { notes: sample('notes'), clock: sample('clock') };
  run = await runHub({ providers, workspaces: { demo: ['notes', 'clock'] } });
  // npx finds the package here, where a user's npx downloads it.
  symlinkSync(join(ROOT, 'tests/real/node_modules'), join(run.root, 'node_modules'));
  data = join(run.root, 'srv');
  mkdirSync(data);
  writeFileSync(join(data, 'a.txt'), 'hello');
  browser = await openBrowser();
  visit = await browser.visit(run.url);
  page = visit.page;
});

after(async () => {
  try {
    await browser?.close();
  } finally {
    await run?.stop();
  }
});

test('1. try the sample', OPTIONS, async () => {
  await page.goto('/');
  await page.getByText('is a sample workspace').waitFor();
  await menu(control(1, 'Tools'));
  await page.getByRole('link', { name: new RegExp(`^${control(1, 'clock_now')}`) }).click();
  await named('button', control(1, 'Call')).click();
  await page.getByText('weekday').first().waitFor();
  assert.match(await type(1, 'hubctl tools'), /clock_now/);
  assert.match(await type(1, 'hubctl call'), /weekday/);
});

test('2. add a server and a workspace', OPTIONS, async () => {
  await menu(control(2, 'Servers'));
  await named('link', control(2, 'Add server')).click();
  const [, line] = /`(npx [^`]+)`/.exec(SECTIONS[1].text) ?? [];
  await box(control(2, 'Paste')).fill(line.replace('/srv/data', data));
  await box(control(2, 'Name')).first().fill('files');
  await box(control(2, 'New workspace')).fill('my work');
  await named('button', 'Add server').click();
  await named('heading', 'files').waitFor();
  await ready();
  await menu(control(2, 'Import'));
  await box('Configuration').waitFor();

  await type(9, 'hubctl remove');
  await type(2, 'hubctl add');
  await run.until(({ servers }) => servers.some(({ key, state }) => key === 'files' && state === 'ready'));
  assert.match(await type(2, 'hubctl status'), /my work +ready/);
  assert.deepEqual(run.read('workspaces')['my work'], ['files']);
});

test('3. connect agents', OPTIONS, async () => {
  await menu(control(3, 'Workspaces'));
  const label = `${control(3, 'Copy')} Streamable HTTP URL of my work`;
  await named('button', label).click();
  const url = await visit.clipboard();
  assert.ok((await type(3, 'hubctl url')).includes(url));
  const client = await McpClient.connect(url);
  assert.match(await client.call('files_list_directory', { path: data }), /a\.txt/);
  await client.close();
  await named('link', `${control(3, 'Connect')} a client to my work`).click();
  await named('heading', 'Connect a client to my work').waitFor();
  await type(3, 'hubctl connect');
  const written = JSON.parse(readFileSync(join(run.root, '.cursor/mcp.json'), 'utf8'));
  assert.deepEqual(Object.values(written.mcpServers), [{ url }]);
});

test('4. try a tool of the new server', OPTIONS, async () => {
  await menu(control(4, 'Tools'));
  await page.getByLabel('Workspace', { exact: true }).selectOption('my work');
  await page.getByRole('link', { name: /^files_list_directory / }).click();
  await page.getByRole('textbox', { name: /^path/ }).fill(data);
  await named('button', control(4, 'Call')).click();
  await page.getByText('a.txt').first().waitFor();
  assert.match(await type(4, 'hubctl call'), /a\.txt/);
});

test('7. switch the workspace off and on', OPTIONS, async () => {
  await menu(control(7, 'Workspaces'));
  const toggle = (/** @type {boolean} */ checked) =>
    page.getByRole('switch', { name: 'my work', exact: true, checked });
  await toggle(true).click();
  await toggle(false).click();
  await toggle(true).waitFor();
  await run.until(({ workspaces }) => workspaces.every(({ state }) => state === 'ready'));
  assert.equal(await type(7, 'hubctl disable'), 'Workspace my work is off.\n');
  await toggle(false).waitFor();
  assert.match(await type(7, 'hubctl enable'), /^Workspace my work is on/m);
  await run.until(({ workspaces }) => workspaces.every(({ state }) => state === 'ready'));
});

test('8. find a problem', OPTIONS, async () => {
  await menu(control(8, 'Activity'));
  await page.getByText('server ready').first().waitFor();
  assert.match(await type(8, 'hubctl doctor'), /Nothing is wrong\.\n$/);
  assert.match(await type(8, 'hubctl logs'), /files/);
  assert.match(await type(8, 'hubctl restart'), /files/);
});

test('9. remove the server', OPTIONS, async () => {
  await page.goto('/hub/#/servers/files');
  await named('button', control(9, 'Delete')).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete server' }).click();
  await named('heading', 'Servers').waitFor();
  assert.deepEqual(run.read('workspaces')['my work'], []);
  await type(2, 'hubctl add');
  await type(9, 'hubctl remove');
  assert.deepEqual(Object.keys(run.read('providers')), ['notes', 'clock']);
  await visit.end();
});

test('every control that the document names was used', () => {
  assert.deepEqual(
    SECTIONS.flatMap(({ controls }) => [...controls]),
    [],
  );
});
