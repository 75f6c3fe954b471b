/** Edits in YAMCP-UI's pages, which YAMCP-UI writes: they take effect at once, and secrets are preserved. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { mock, PYTHON, ROOT, stdio } from '../front/support/hub.mjs';
import { McpClient } from '../front/support/mcp.mjs';
import { Stage } from '../front/support/yamcp_ui.mjs';

const OPTIONS = { timeout: 180_000 };
const MOCK = `${ROOT}/demo_servers/mock/server.py`;
const MASK = '********';
const SECRET = 'hunter2-do-not-show';
/** @type {Stage} */
let stage;

before(async () => {
  const secret = stdio('secret', PYTHON, [MOCK], { TOKEN: SECRET });
  stage = await Stage.open({ providers: { secret, plain: mock('plain') }, workspaces: { first: ['secret'] } });
});
after(() => stage?.close());

/** @param {import('../front/support/yamcp_ui.mjs').Guest} guest */
const names = (guest) => guest.page.locator('tbody td:first-child').allTextContents();

test(
  'three servers and a workspace are added in the pages: the tools of all three are available',
  OPTIONS,
  async () => {
    const guest = await stage.visit('/servers');
    for (const key of ['one', 'two', 'three']) {
      await guest.addServer(key, PYTHON, MOCK, `NAME=${key}`);
      await guest.row(key).waitFor();
    }
    await guest.menu('Workspaces');
    await guest.createWorkspace('trio', ['one', 'two', 'three']);
    await guest.toggle('trio', true).waitFor();
    await guest.row('trio').getByText('3 of 3 ready').waitFor();
    const client = await McpClient.connect(`${stage.run.url}/mcp/trio`);
    const tools = await client.tools();
    for (const key of ['one', 'two', 'three']) assert.ok(tools.includes(`${key}_echo`), tools.join());
    assert.equal(await client.call('two_env', { name: 'NAME' }), 'two');
    await client.close();
    await guest.end();
  },
);

test(
  'a workspace that is added, renamed and deleted has the right switch, and an edit is in force when it is answered',
  OPTIONS,
  async () => {
    const guest = await stage.visit('/workspaces');
    await guest.toggle('first', true).waitFor();
    await guest.createWorkspace('draft', ['plain']);
    const added = await stage.run.state();
    assert.ok(
      added.workspaces.some(({ name }) => name === 'draft'),
      'the hub has it as soon as the dialog is closed',
    );
    await guest.toggle('draft', true).waitFor();
    await guest.toggle('draft').click();
    await guest.toggle('draft', false).waitFor();

    await guest.act('draft', 'edit');
    await guest.dialog.locator('#name').fill('final');
    await guest.finish('Update Workspace');
    await guest.toggle('final', false).waitFor();
    assert.ok((await stage.run.state()).workspaces.some(({ name, enabled }) => name === 'final' && !enabled));
    await guest.toggle('final').click();
    await guest.toggle('final', true).waitFor();
    await guest.toggle('final').click();
    await guest.toggle('final', false).waitFor();
    await guest.toggle('first', true).waitFor();
    assert.deepEqual(
      (await names(guest)).filter((name) => name !== 'trio'),
      ['first', 'final'],
    );

    await guest.act('final', 'delete');
    await guest.finish('Delete workspace');
    await guest.toggle('final').waitFor({ state: 'detached' });
    assert.ok(!('final' in stage.run.read('workspaces')));
    const { hub, workspaces } = await stage.run.state();
    assert.ok(!workspaces.some(({ name }) => name === 'final'));
    assert.deepEqual(hub.issues, [], 'its settings in hub.json are gone with it');
    await guest.end();
  },
);

test('the last workspace is deleted, and one is added on the empty page', OPTIONS, async () => {
  const before = stage.run.read('workspaces');
  stage.run.writeWorkspaces({ lonely: ['plain'] });
  await stage.run.until(({ workspaces }) => workspaces.length === 1);
  const guest = await stage.visit('/workspaces');
  await guest.toggle('lonely', true).waitFor();
  await guest.act('lonely', 'delete');
  await guest.finish('Delete workspace');
  await guest.page.getByRole('switch').waitFor({ state: 'detached' });
  await guest.menu('Dashboard');
  await guest.menu('Workspaces');
  await guest.page.getByText('No workspaces', { exact: true }).waitFor();
  await guest.createWorkspace('again', ['plain']);
  await guest.toggle('again', true).waitFor();
  stage.run.writeWorkspaces(before);
  await guest.toggle('first', true).waitFor();
  await guest.end();
});

test('names with ?, /, # and % are edited and deleted, and no other entry is affected', OPTIONS, async () => {
  const before = stage.run.read('workspaces');
  const odd = ['keep?me', '../servers/plain', 'a#b', '50%25', 'x/y'];
  stage.run.writeWorkspaces({
    ...before,
    keep: ['plain'],
    ...Object.fromEntries(odd.map((name) => [name, ['plain']])),
  });
  await stage.run.until(({ workspaces }) => workspaces.some(({ name }) => name === 'x/y'));
  const guest = await stage.visit('/workspaces');
  for (const name of odd) await guest.toggle(name, true).waitFor();
  await guest.act('a#b', 'edit');
  await guest.dialog.locator('#name').fill('a#c');
  await guest.finish('Update Workspace');
  await guest.toggle('a#c', true).waitFor();
  for (const name of ['keep?me', '../servers/plain', 'a#c', '50%25', 'x/y']) {
    await guest.act(name, 'delete');
    await guest.finish('Delete workspace');
    await guest.toggle(name).waitFor({ state: 'detached' });
  }
  assert.deepEqual(Object.keys(stage.run.read('workspaces')), [...Object.keys(before), 'keep']);
  assert.ok('plain' in stage.run.read('providers'));
  stage.run.writeWorkspaces(before);
  await guest.end();
});

test('a secret is masked on every page, and kept when its server is edited there', OPTIONS, async () => {
  const guest = await stage.visit('/servers');
  /** @type {string[]} */
  const answers = [];
  guest.page.on('response', async (answer) => answers.push(await answer.text().catch(() => '')));
  await guest.row('secret').waitFor();
  await guest.act('secret', 'edit');
  const values = guest.dialog.getByPlaceholder('Variable value');
  assert.deepEqual(await values.evaluateAll((all) => all.map((one) => /** @type {HTMLInputElement} */ (one).value)), [
    MASK,
    MASK,
  ]);
  await guest.dialog.locator('#args').fill(`${MOCK} --only-tools`);
  await guest.finish('Update Server');
  await guest.row('secret').getByText('--only-tools').waitFor();
  const { providerParameters } = stage.run.read('providers').secret;
  assert.deepEqual(providerParameters.env, { TEST_SERVER: 'secret', TOKEN: SECRET });
  assert.deepEqual(providerParameters.args, [MOCK, '--only-tools']);

  await guest.page.getByRole('button', { name: 'Edit providers.json' }).click();
  const text = guest.dialog.locator('#json-editor textarea');
  await text.waitFor({ state: 'attached' });
  const content = await (await fetch(`${stage.run.url}/api/config/providers`)).json();
  assert.equal(content.secret.providerParameters.env.TOKEN, MASK);
  content.secret.providerParameters.args = [MOCK];
  await text.focus();
  await guest.page.keyboard.press('Control+A');
  await guest.page.keyboard.insertText(JSON.stringify(content));
  await guest.finish('Save Changes');
  const saved = stage.run.read('providers').secret.providerParameters;
  assert.deepEqual(saved, { ...providerParameters, args: [MOCK] });
  await guest.menu('Workspaces');
  await guest.toggle('first', true).waitFor();
  assert.ok(!answers.some((answer) => answer.includes(SECRET)), 'no answer holds the secret');
  assert.ok(!(await guest.page.content()).includes(SECRET));
  await guest.end();
});

test('a server is renamed and deleted in the pages; workspaces follow', OPTIONS, async () => {
  stage.run.writeProviders({ ...stage.run.read('providers'), old: mock('old') });
  stage.run.writeWorkspaces({ ...stage.run.read('workspaces'), its: ['old'] });
  await stage.run.until(({ workspaces }) => workspaces.some(({ name, state }) => name === 'its' && state === 'ready'));
  const guest = await stage.visit('/servers');
  await guest.act('old', 'edit');
  await guest.dialog.locator('#namespace').fill('new');
  await guest.finish('Update Server');
  await guest.row('new').getByText('Ready', { exact: true }).waitFor();
  assert.deepEqual(stage.run.read('workspaces').its, ['new']);
  assert.equal(stage.run.read('providers').new.providerParameters.env.TEST_SERVER, 'old');
  await fetch(`${stage.run.url}/api/hub/servers/stop?key=new`, { method: 'POST' });
  await guest.row('new').getByText('Off', { exact: true }).waitFor();
  await guest.act('new', 'delete');
  await guest.finish('Delete server');
  await guest.row('new').waitFor({ state: 'detached' });
  assert.deepEqual((await stage.run.state()).hub.issues, [], 'its settings in hub.json are gone with it');
  assert.ok(!(await stage.run.state()).servers.some(({ key }) => key === 'new'));
  await guest.end();
});

test('an edit that YAMCP-UI or the hub refuses shows an error message', OPTIONS, async () => {
  const { url } = stage.run;
  const put = (/** @type {string} */ path, /** @type {string} */ method, /** @type {string} */ body) =>
    fetch(url + path, { method, body, headers: { 'content-type': 'application/json' } });
  const env = { env: { TOKEN: MASK } };
  for (const [method, path, body, status, code] of /** @type {const} */ ([
    ['PUT', '/api/workspaces/nobody', '{"name":"x","servers":[]}', 404, 'YAMCP_UI_REFUSED'],
    ['PUT', '/api/config/providers', '[]', 400, 'BODY_INVALID'],
    ['PUT', '/api/config/workspaces', '', 400, 'BODY_NOT_JSON'],
    ['PUT', '/api/config/workspaces', '{"a": [}', 400, 'BODY_NOT_JSON'],
    ['POST', '/api/workspaces', '{"servers":[]}', 400, 'BODY_INVALID'],
    ['POST', '/api/servers', JSON.stringify({ name: 'x', type: 'stdio', command: 'x', ...env }), 400, 'MASKED_VALUE'],
    ['PUT', '/api/config/workspaces', JSON.stringify({ big: ['x'.repeat(200_000)] }), 413, 'YAMCP_UI_REFUSED'],
    ['PATCH', '/api/workspaces/first', '{}', 405, 'METHOD_NOT_ALLOWED'],
    ['GET', '/api/unknown', '', 404, 'NOT_FOUND'],
    ['GET', '/API/servers', '', 404, 'PATH_INVALID'],
    ['GET', '/api/log-files/..%2f..%2f..%2f..%2fetc/hostname', '', 404, 'PATH_INVALID'],
  ])) {
    const answer = method === 'GET' ? await fetch(url + path) : await put(path, method, body);
    const said = await answer.json();
    assert.deepEqual([answer.status, said.code], [status, code], `${method} ${path}: ${JSON.stringify(said)}`);
    assert.ok(said.error && said.hint, `${method} ${path}`);
  }
});
