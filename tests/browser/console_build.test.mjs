/** Adding, changing and deleting servers and workspaces with the console's pages, from an empty hub on. */

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openBrowser } from '../front/support/browser.mjs';
import { PYTHON, ROOT } from '../front/support/hub.mjs';
import { McpClient } from '../front/support/mcp.mjs';
import { runHub } from '../front/support/run.mjs';

/** @import {Page} from 'playwright-core' */
/** @import {Run} from '../front/support/run.mjs' */
/** @import {Window, Visit} from '../front/support/browser.mjs' */

const OPTIONS = { timeout: 180_000 };
const MOCK = join(ROOT, 'demo_servers/mock/server.py');
const SECRET = 'hunter2-hunter2';
/** @type {Run} */
let run;
/** @type {Window} */
let browser;
/** @type {Visit} */
let visit;
/** @type {Page} */
let page;

before(async () => {
  run = await runHub({});
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

/** @param {string} name @param {string} value */
const fill = (name, value) =>
  page.getByRole('textbox', { name: new RegExp(`^${name}( \\(required\\))?$`) }).fill(value);

/** @param {'button' | 'link' | 'heading'} role @param {string} name */
const named = (role, name) => page.getByRole(role, { name, exact: true });

test('the first server, added to an empty hub, creates a workspace that serves it', OPTIONS, async () => {
  await page.goto('/hub/#/tools');
  await named('heading', 'No servers or workspaces yet').waitFor();
  await named('link', 'Import a configuration').click();
  await page.getByRole('textbox', { name: 'Configuration' }).waitFor();
  await page.goto('/');
  await named('heading', 'No servers or workspaces yet').waitFor();
  await named('link', 'Add a server').click();
  await named('button', 'Add server').click();
  assert.equal(await page.getByRole('textbox', { name: /^Name/ }).first().getAttribute('aria-invalid'), 'true');
  await fill('Name', 'clock');
  await fill('Command', PYTHON);
  await fill('Arguments', MOCK);
  await named('button', 'Add variable').click();
  await fill('Name of variable 1', 'TOKEN');
  await fill('Value of TOKEN', SECRET);
  assert.equal(await page.getByRole('textbox', { name: 'New workspace' }).inputValue(), 'main');
  await named('button', 'Add server').click();
  await named('heading', 'clock').waitFor();
  await page.getByText('Ready', { exact: true }).first().waitFor();
  assert.deepEqual(run.read('workspaces'), { main: ['clock'] });
  const { providerParameters } = run.read('providers').clock;
  assert.deepEqual(providerParameters, { command: PYTHON, args: [MOCK], env: { TOKEN: SECRET } });
  assert.ok(!(await page.content()).includes(SECRET), 'a page never shows a secret');
});

test(
  'the form offers to split a command line in the wrong field, and a pasted command line fills it in',
  OPTIONS,
  async () => {
    await page.goto('/hub/#/add-server');
    await fill('Command', `${PYTHON} -I`);
    await fill('Arguments', `-u ${MOCK}`);
    await named('button', 'Split it').click();
    await named('button', 'Move them there').click();
    const value = (/** @type {string} */ name) =>
      page.getByRole('textbox', { name: new RegExp(`^${name}( \\(required\\))?$`) }).inputValue();
    assert.deepEqual([await value('Command'), await value('Arguments')], [PYTHON, `-I\n-u\n${MOCK}`]);
    await fill('Paste', '{"mcpServers": {"far": {"url": "https://example.org/mcp"}}}');
    await page.getByText('The fields below are filled in.').waitFor();
    assert.deepEqual([await value('Name'), await value('URL')], ['far', 'https://example.org/mcp']);
    await fill('Paste', `${PYTHON} ${MOCK} --prefix x_`);
    await page.getByRole('textbox', { name: /^Command/ }).waitFor();
    assert.deepEqual([await value('Command'), await value('Arguments')], [PYTHON, `${MOCK}\n--prefix\nx_`]);
  },
);

test('a pasted VS Code configuration with comments is previewed and imported', OPTIONS, async () => {
  await visit.go('import');
  const server = { type: 'stdio', command: PYTHON, args: [MOCK, '--prefix', 'x_'], env: { KIND: 'files' } };
  await fill('Configuration', `{\n  // mine\n  "servers": { "files": ${JSON.stringify(server)}, },\n}`);
  await named('button', 'Preview').click();
  await page.getByRole('cell', { name: 'New' }).waitFor();
  assert.equal(run.read('providers').files, undefined, 'a preview writes nothing');
  await named('button', 'Import 1 server').click();
  await named('heading', 'Imported').waitFor();
  assert.equal(run.read('providers').files.providerParameters.env.KIND, 'files');
});

test('a remote server and a workspace of all three are added; a client finds the tools of each', OPTIONS, async () => {
  await visit.go('add-server');
  await fill('Name', 'far');
  await page.getByRole('radio', { name: 'Remote URL' }).check();
  await fill('URL', 'ftp://example.org/');
  await named('button', 'Add server').click();
  assert.equal(await page.getByRole('textbox', { name: /^URL/ }).getAttribute('aria-invalid'), 'true');
  await fill('URL', `${run.url}/mcp/main`);
  await named('button', 'Add server').click();
  await named('heading', 'far').waitFor();

  await visit.go('add-workspace');
  await fill('Name', 'my work / äöü');
  for (const name of ['clock', 'files', 'far']) await page.getByRole('checkbox', { name, exact: true }).check();
  await named('button', 'Add workspace').click();
  await named('heading', 'my work / äöü').waitFor();
  await page.getByText('3 of 3 servers ready').waitFor();
  for (const label of ['Copy Streamable HTTP URL', 'Copy SSE URL']) {
    await named('button', label).click();
    const client = await McpClient.connect(await visit.clipboard());
    const names = await client.tools();
    for (const name of ['clock_echo', 'files_x_echo', 'far_clock_echo']) assert.ok(names.includes(name), name);
    assert.equal(await client.call('far_clock_echo', { text: 'twice through the hub' }), 'twice through the hub');
    await client.close();
  }
  assert.deepEqual(run.read('workspaces')['my work / äöü'], ['clock', 'files', 'far']);
});

test('a renamed server keeps its secret, its workspaces and its switch', OPTIONS, async () => {
  await visit.go('servers');
  await page.getByRole('switch', { name: 'clock', exact: true, checked: true }).click();
  await page.getByRole('switch', { name: 'clock', exact: true, checked: false }).waitFor();
  await visit.go('edit-server/clock');
  await page.getByText('Stored, not shown').waitFor();
  await fill('Name', 'files');
  await named('button', 'Save').click();
  assert.equal(await page.getByRole('textbox', { name: /^Name/ }).first().getAttribute('aria-invalid'), 'true');
  await fill('Name', 'watch');
  await named('button', 'Save').click();
  await named('heading', 'watch').waitFor();
  await page.getByRole('switch', { name: 'watch', exact: true, checked: false }).waitFor();
  assert.equal(run.read('providers').watch.providerParameters.env.TOKEN, SECRET);
  assert.equal(run.read('providers').clock, undefined);
  assert.deepEqual(run.read('workspaces').main, ['watch']);
  await page.getByRole('switch', { name: 'watch', exact: true }).click();
  await page.getByText('Ready', { exact: true }).first().waitFor();
});

test('the later of two concurrent edits of a server gets a conflict, and nothing is lost', OPTIONS, async () => {
  await visit.go('edit-server/files');
  await fill('Namespace', 'mine');
  const providers = run.read('providers');
  providers.files.namespace = 'theirs';
  run.writeProviders(providers);
  await run.until(({ servers }) => servers.some(({ namespace }) => namespace === 'theirs'));
  await named('button', 'Save').click();
  await page.getByText('Somebody else has changed this server since you opened it.').waitFor();
  assert.equal(run.read('providers').files.namespace, 'theirs');
  await named('button', 'Overwrite with mine').click();
  await named('heading', 'files').waitFor();
  assert.equal(run.read('providers').files.namespace, 'mine');
  visit.expect(/^answer: 409 PUT/, /status of 409/);
});

test(
  'deleting a server asks for confirmation and removes it from its workspaces; other servers stay',
  OPTIONS,
  async () => {
    await page.goto('/hub/#/servers/far');
    await named('button', 'Delete').click();
    const dialog = page.getByRole('dialog', { name: 'Delete far?' });
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    await dialog.waitFor({ state: 'detached' });
    await named('button', 'Delete').click();
    await dialog.getByRole('button', { name: 'Delete server' }).click();
    await named('heading', 'Servers').waitFor();
    assert.deepEqual(run.read('workspaces')['my work / äöü'], ['watch', 'files']);
    assert.deepEqual(Object.keys(run.read('providers')).sort(), ['files', 'watch']);
    await visit.end();
  },
);
