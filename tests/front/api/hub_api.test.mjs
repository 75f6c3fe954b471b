/** The hub's own HTTP API, over real processes. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { asker } from '../support/api.mjs';
import { mock, startHub } from '../support/hub.mjs';

const SECRET = 'hunter2-PLANTED';
const MASK = '********';
const OPTIONS = { timeout: 180_000 };
/** @type {import('../support/hub.mjs').Hub} */
let hub;
/** @type {ReturnType<typeof asker>} */
let api;

const entry = (/** @type {string} */ namespace, /** @type {Record<string, unknown>} */ env = {}) => ({
  namespace,
  type: 'stdio',
  providerParameters: { command: '/bin/false', args: ['x'], env },
});
const stored = (/** @type {string} */ file) => JSON.parse(readFileSync(join(hub.yamcpDir, `${file}.json`), 'utf8'));
const serverNow = async (/** @type {string} */ key) =>
  (await api.get('/api/hub/state')).body.servers.find((/** @type {any} */ server) => server.key === key);

before(async () => {
  hub = await startHub({
    providers: {
      good: mock('good'),
      remote: {
        namespace: 'remote',
        type: 'sse',
        providerParameters: { url: `http://u:${SECRET}@127.0.0.1:9/?token=${SECRET}`, headers: { A: SECRET } },
      },
      broken: {
        namespace: 'broken',
        type: 'nonsense',
        providerParameters: { env: { A: SECRET }, url: `http://${SECRET}@h` },
      },
    },
    workspaces: { first: ['good'] },
  });
  api = asker(hub.front);
});
after(() => hub?.close());

test(
  'a server is added, read, changed, renamed, configured and deleted, and its secret is preserved',
  OPTIONS,
  async () => {
    const added = await api.post('/api/hub/servers', { body: { key: 'new', entry: entry('new', { TOKEN: SECRET }) } });
    assert.equal(added.status, 200, JSON.stringify(added.body));
    assert.equal(added.body.applied, true);
    assert.equal(typeof added.body.snapshot.revision, 'number');
    assert.equal(added.body.server.state, 'stopped');
    assert.deepEqual(added.body.server.env, { TOKEN: MASK });

    const read = await api.get('/api/hub/servers', { query: { key: 'new' } });
    assert.deepEqual(read.body.entry, entry('new', { TOKEN: MASK }));
    assert.equal(read.body.hash, added.body.server.hash);
    assert.equal(read.body.settings.call_timeout, 300);

    const changed = { ...read.body.entry, providerParameters: { ...read.body.entry.providerParameters, args: ['y'] } };
    const put = await api.put('/api/hub/servers', {
      query: { key: 'new' },
      body: { key: 'new', entry: changed, expect: read.body.hash },
    });
    assert.deepEqual([put.status, put.body.server.args], [200, ['y']]);
    assert.deepEqual(stored('providers').new.providerParameters, {
      command: '/bin/false',
      args: ['y'],
      env: { TOKEN: SECRET },
    });

    await api.post('/api/hub/workspaces', { body: { name: 'of new', servers: ['new'] } });
    const set = await api.patch('/api/hub/servers', { query: { key: 'new' }, body: { settings: { call_timeout: 7 } } });
    assert.equal(set.body.server.settings.call_timeout, 7);
    const moved = await api.put('/api/hub/servers', { query: { key: 'new' }, body: { key: 'newer', entry: changed } });
    assert.deepEqual([moved.status, moved.body.server.key, moved.body.server.workspaces], [200, 'newer', ['of new']]);
    assert.equal(moved.body.server.settings.call_timeout, 7, 'settings follow a rename');
    assert.equal(stored('providers').newer.providerParameters.env.TOKEN, SECRET);

    const gone = await api.del('/api/hub/servers', { query: { key: 'newer' } });
    assert.deepEqual([gone.status, gone.body.applied], [200, true]);
    assert.equal(await serverNow('newer'), undefined);
    assert.deepEqual(stored('workspaces')['of new'], []);
    await api.del('/api/hub/workspaces', { query: { name: 'of new' } });
  },
);

test('a workspace is added, used, switched off and on, renamed and deleted', OPTIONS, async () => {
  const added = await api.post('/api/hub/workspaces', { body: { name: 'team', servers: ['good'] } });
  assert.deepEqual([added.status, added.body.workspace.state, added.body.workspace.servers], [200, 'ready', ['good']]);
  const { tools } = (await api.get('/api/hub/tools', { query: { workspace: 'team' } })).body;
  const names = tools.map((/** @type {any} */ tool) => tool.name);
  assert.ok(names.includes('good_echo'), String(names));
  const call = { workspace: 'team', tool: 'good_echo', arguments: { text: 'hello' } };
  const called = await api.post('/api/hub/call', { body: call });
  assert.match(JSON.stringify(called.body.result), /hello/);
  assert.ok(called.body.seconds > 0 && called.body.seconds < 10);

  const off = await api.post('/api/hub/workspaces/stop', { query: { name: 'team' } });
  assert.deepEqual([off.body.applied, off.body.workspace.state], [true, 'off']);
  assert.equal((await api.post('/api/hub/call', { body: call })).status, 409);
  const renamed = await api.put('/api/hub/workspaces', {
    query: { name: 'team' },
    body: { name: 'crew', servers: ['good'] },
  });
  assert.deepEqual(
    [renamed.body.workspace.name, renamed.body.workspace.state],
    ['crew', 'off'],
    'a rename keeps the switch',
  );
  const on = await api.post('/api/hub/workspaces/start', { query: { name: 'crew' } });
  assert.deepEqual([on.body.applied, on.body.workspace.state], [true, 'ready']);

  const template = await api.patch('/api/hub/workspaces', {
    query: { name: 'crew' },
    body: { name_template: '{name}' },
  });
  assert.equal(template.body.workspace.name_template, '{name}');
  assert.ok(
    (await api.get('/api/hub/tools', { query: { workspace: 'crew' } })).body.tools.some(
      (/** @type {any} */ { name }) => name === 'echo',
    ),
  );
  assert.equal(
    (await api.patch('/api/hub/workspaces', { query: { name: 'crew' }, body: { name_template: 'x' } })).status,
    400,
  );
  assert.deepEqual(template.body.workspace.aliases, ['team'], 'a rename keeps the slug');
  const slugged = await api.patch('/api/hub/workspaces', {
    query: { name: 'crew' },
    body: { slug: 'us', remove_aliases: ['team'] },
  });
  const { slug, own_slug, aliases, http_url } = slugged.body.workspace;
  assert.deepEqual([slug, own_slug, aliases, new URL(http_url).pathname], ['us', true, ['crew'], '/mcp/us']);
  for (const wrong of ['a b', 'x'.repeat(65), 'good'])
    assert.equal(
      (await api.patch('/api/hub/workspaces', { query: { name: 'crew' }, body: { slug: wrong } })).status,
      wrong === 'good' ? 200 : 400,
    );
  assert.equal((await api.del('/api/hub/workspaces', { query: { name: 'crew' } })).status, 200);
  assert.equal('crew' in stored('workspaces'), false);
});

test('a server is switched off and on in one workspace only', OPTIONS, async () => {
  for (const name of ['here', 'there']) {
    await api.post('/api/hub/workspaces', { body: { name, servers: ['good'] } });
  }
  const tools = async (/** @type {string} */ workspace) =>
    (await api.get('/api/hub/tools', { query: { workspace } })).body.tools.length;
  const all = await tools('here');
  const { pids } = await serverNow('good');
  const query = { key: 'good', workspace: 'here' };
  const off = await api.post('/api/hub/servers/stop', { query });
  assert.deepEqual([off.status, off.body.server.state, off.body.server.enabled], [200, 'ready', true]);
  assert.deepEqual([await tools('here'), await tools('there')], [0, all]);
  const { workspaces } = (await api.get('/api/hub/state')).body;
  const here = workspaces.find((/** @type {any} */ { name }) => name === 'here');
  assert.deepEqual([here.servers, here.disabled_servers, here.state], [['good'], ['good'], 'empty']);
  await api.post('/api/hub/servers/start', { query });
  assert.deepEqual([await tools('here'), (await serverNow('good')).pids], [all, pids], 'its process went on');
  const stranger = await api.post('/api/hub/servers/stop', { query: { key: 'nobody', workspace: 'here' } });
  assert.deepEqual([stranger.status, stranger.body.code], [404, 'NO_SUCH_SERVER']);
  for (const name of ['here', 'there']) await api.del('/api/hub/workspaces', { query: { name } });
});

test('settings of servers and workspaces that do not exist are removed, others are not', OPTIONS, async () => {
  const before = stored('workspaces');
  hub.write(undefined, { ...before, brief: [] });
  await api.post('/api/hub/reload');
  await api.post('/api/hub/workspaces/stop', { query: { name: 'brief' } });
  const query = { section: 'workspaces', name: 'brief' };
  const refused = await api.del('/api/hub/settings', { query });
  assert.deepEqual([refused.status, refused.body.code], [400, 'EDIT_INVALID']);
  hub.write(undefined, before);
  await api.post('/api/hub/reload');
  const unused = async () =>
    (await api.get('/api/hub/state')).body.hub.issues.map((/** @type {any} */ { subject }) => subject);
  assert.ok((await unused()).includes('workspace:brief'));
  assert.equal((await api.del('/api/hub/settings', { query })).status, 200);
  assert.ok(!(await unused()).includes('workspace:brief'));
  assert.equal((await api.del('/api/hub/settings', { query: { section: 'files', name: 'x' } })).status, 400);
});

test('a server is switched off and on, and restarted', OPTIONS, async () => {
  const { pids } = await serverNow('good');
  const off = await api.post('/api/hub/servers/stop', { query: { key: 'good' } });
  assert.deepEqual([off.body.server.enabled, off.body.server.state], [false, 'stopped']);
  const on = await api.post('/api/hub/servers/start', { query: { key: 'good' } });
  assert.equal(on.body.server.enabled, true);
  const state = await hub.waitJson(`${hub.front}/api/hub/state`, (now) => now.hub.settled && now);
  const again = state.servers.find((/** @type {any} */ server) => server.key === 'good');
  assert.notDeepEqual(again.pids, pids);
  const restarted = await api.post('/api/hub/servers/restart', { query: { key: 'good' } });
  assert.deepEqual([restarted.status, restarted.body.server.key], [200, 'good']);
  await hub.waitJson(`${hub.front}/api/hub/state`, (now) =>
    now.servers.some(
      (/** @type {any} */ { key, restarts, state: is }) => key === 'good' && restarts > 0 && is === 'ready',
    ),
  );
  assert.equal((await api.post('/api/hub/servers/restart', { query: { key: 'none' } })).status, 404);
});

test('the later of two writers gets a conflict with the current hash', OPTIONS, async () => {
  await api.post('/api/hub/servers', { body: { key: 'shared', entry: entry('shared', { T: SECRET }) } });
  const { hash, entry: seen } = (await api.get('/api/hub/servers', { query: { key: 'shared' } })).body;
  const write = (/** @type {string} */ cwd, /** @type {string} */ expect) =>
    api.put('/api/hub/servers', {
      query: { key: 'shared' },
      body: { key: 'shared', entry: { ...seen, providerParameters: { ...seen.providerParameters, cwd } }, expect },
    });
  assert.equal((await write('/tmp', hash)).status, 200);
  const late = await write('/usr', hash);
  assert.deepEqual([late.status, late.body.code], [409, 'EDIT_CONFLICT']);
  assert.equal(stored('providers').shared.providerParameters.cwd, '/tmp');
  assert.equal((await write('/usr', late.body.data.hash)).status, 200);
  assert.equal(
    (await api.del('/api/hub/servers', { query: { key: 'shared', expect: hash } })).body.code,
    'EDIT_CONFLICT',
  );
  const many = await Promise.all(['/a', '/b', '/c', '/d', '/e'].map((cwd) => write(cwd, late.body.data.hash)));
  assert.equal(many.filter(({ status }) => status === 200).length, 0, 'that hash is an old one');
  await api.del('/api/hub/servers', { query: { key: 'shared' } });

  const { hash: other } = (await api.post('/api/hub/workspaces', { body: { name: 'w', servers: [] } })).body.workspace;
  await api.put('/api/hub/workspaces', { query: { name: 'w' }, body: { name: 'w', servers: ['good'], expect: other } });
  const conflict = await api.put('/api/hub/workspaces', {
    query: { name: 'w' },
    body: { name: 'w', servers: [], expect: other },
  });
  assert.deepEqual(
    [conflict.status, conflict.body.code, typeof conflict.body.data.hash],
    [409, 'EDIT_CONFLICT', 'string'],
  );
  assert.equal(
    (await api.del('/api/hub/workspaces', { query: { name: 'w', expect: conflict.body.data.hash } })).status,
    200,
  );
});

test('names that are taken or do not exist, and invalid entries, are refused', OPTIONS, async () => {
  for (const [
    method,
    path,
    more,
    status,
    code,
  ] of /** @type {[keyof typeof api, string, object, number, string][]} */ ([
    ['post', '/api/hub/servers', { body: { key: 'good', entry: entry('x') } }, 409, 'ALREADY_EXISTS'],
    [
      'put',
      '/api/hub/servers',
      { query: { key: 'remote' }, body: { key: 'good', entry: entry('x') } },
      409,
      'ALREADY_EXISTS',
    ],
    [
      'put',
      '/api/hub/servers',
      { query: { key: 'none' }, body: { key: 'none', entry: entry('x') } },
      404,
      'NO_SUCH_SERVER',
    ],
    ['get', '/api/hub/servers', { query: { key: 'none' } }, 404, 'NO_SUCH_SERVER'],
    ['get', '/api/hub/servers', { query: { key: 'constructor' } }, 404, 'NO_SUCH_SERVER'],
    ['del', '/api/hub/servers', { query: { key: 'none' } }, 404, 'NO_SUCH_SERVER'],
    ['patch', '/api/hub/servers', { query: { key: 'none' }, body: { settings: {} } }, 404, 'NO_SUCH_SERVER'],
    [
      'patch',
      '/api/hub/servers',
      { query: { key: 'good' }, body: { settings: { call_timeout: -1 } } },
      400,
      'EDIT_INVALID',
    ],
    ['post', '/api/hub/servers/start', { query: { key: 'none' } }, 404, 'NO_SUCH_SERVER'],
    ['post', '/api/hub/servers', { body: { key: 'n', entry: { type: 'stdio' } } }, 400, 'ENTRY_INVALID'],
    ['post', '/api/hub/servers', { body: { key: 'n', entry: entry('n', { T: MASK }) } }, 400, 'MASKED_VALUE'],
    [
      'put',
      '/api/hub/servers',
      { query: { key: 'good' }, body: { key: 'good', entry: entry('good', { NEW: MASK }) } },
      400,
      'MASKED_VALUE',
    ],
    ['post', '/api/hub/workspaces', { body: { name: 'first', servers: [] } }, 409, 'ALREADY_EXISTS'],
    [
      'put',
      '/api/hub/workspaces',
      { query: { name: 'none' }, body: { name: 'none', servers: [] } },
      404,
      'NO_SUCH_WORKSPACE',
    ],
    ['del', '/api/hub/workspaces', { query: { name: 'none' } }, 404, 'NO_SUCH_WORKSPACE'],
    [
      'patch',
      '/api/hub/workspaces',
      { query: { name: 'none' }, body: { name_template: '{name}' } },
      404,
      'NO_SUCH_WORKSPACE',
    ],
    ['post', '/api/hub/workspaces/start', { query: { name: 'none' } }, 404, 'NO_SUCH_WORKSPACE'],
    ['get', '/api/hub/tools', { query: { workspace: 'none' } }, 404, 'WORKSPACE_UNKNOWN'],
  ])) {
    const answer = await api[method](path, more);
    assert.deepEqual(
      [answer.status, answer.body.code],
      [status, code],
      `${method} ${path} ${JSON.stringify(more)} ${JSON.stringify(answer.body)}`,
    );
    assert.ok(answer.body.error && answer.body.hint, 'says what, and what to do');
  }
});

test('prompts and resources are listed, read and completed as by a client', OPTIONS, async () => {
  await api.post('/api/hub/workspaces', { body: { name: 'viewed', servers: ['good'] } });
  const workspace = 'viewed';
  const query = { workspace };
  const { prompts } = (await api.get('/api/hub/prompts', { query })).body;
  const greet = prompts.find((/** @type {any} */ { item }) => item.name === 'good_greet');
  assert.deepEqual([greet.server, greet.completes, greet.item.arguments.length], ['good', true, 2]);
  const got = await api.post('/api/hub/prompts/get', {
    body: { workspace, prompt: 'good_greet', arguments: { name: 'Ada', tone: 5 } },
  });
  assert.equal(got.body.result.messages[0].content.text, 'Greet Ada in a 5 tone.');
  assert.ok(got.body.seconds > 0);

  const { resources, templates } = (await api.get('/api/hub/resources', { query })).body;
  assert.ok(resources.every((/** @type {any} */ { server }) => server === 'good'));
  const { uri } = resources.find((/** @type {any} */ { item }) => item.name === 'hello').item;
  const read = await api.post('/api/hub/resources/read', { body: { workspace, uri } });
  assert.deepEqual([read.body.result.contents[0].text, read.body.result.contents[0].uri], ['hello', uri]);

  const complete = (/** @type {object} */ more) =>
    api.post('/api/hub/complete', { body: { workspace, argument: 'tone', value: 'f', ...more } });
  assert.deepEqual((await complete({ prompt: 'good_greet' })).body.values, ['friendly', 'formal']);
  assert.deepEqual((await complete({ prompt: 'good_greet', arguments: { name: 'Ada' } })).body.values, ['formal']);
  const template = templates[0].item.uriTemplate;
  const ids = await complete({ template, argument: 'id', value: '12' });
  assert.deepEqual(ids.body.values.slice(0, 2), ['12', '120']);

  for (const [answer, status, code] of /** @type {[import('../support/api.mjs').Answer, number, string][]} */ ([
    [await complete({}), 400, 'BODY_INVALID'],
    [await complete({ prompt: 'a', template: 'b' }), 400, 'BODY_INVALID'],
    [await complete({ prompt: 'none' }), 404, 'PROMPT_UNKNOWN'],
    [await api.post('/api/hub/prompts/get', { body: { workspace, prompt: 'none' } }), 404, 'PROMPT_UNKNOWN'],
    [await api.post('/api/hub/resources/read', { body: { workspace, uri: 'x://y' } }), 404, 'RESOURCE_UNKNOWN'],
    [await api.get('/api/hub/resources', { query: { workspace: 'none' } }), 404, 'WORKSPACE_UNKNOWN'],
    [await api.get('/api/hub/prompts', { query: { workspace: 'none' } }), 404, 'WORKSPACE_UNKNOWN'],
  ])) {
    assert.deepEqual([answer.status, answer.body.code], [status, code], JSON.stringify(answer.body));
    assert.ok(answer.body.hint);
  }
  await api.del('/api/hub/workspaces', { query: { name: workspace } });
});

test(
  'sessions are listed, newest first, and ended: the client gets 404, and starts a new session',
  OPTIONS,
  async () => {
    await api.post('/api/hub/workspaces', { body: { name: 'connected', servers: ['good'] } });
    const { slug } = (await api.get('/api/hub/state')).body.workspaces.find(
      (/** @type {any} */ { name }) => name === 'connected',
    );
    const clientInfo = { name: 'tester', version: '7' };
    const params = { protocolVersion: '2025-11-25', capabilities: { roots: {} }, clientInfo };
    const accept = { Accept: 'application/json, text/event-stream' };
    const post = (
      /** @type {Record<string, string>} */ headers,
      /** @type {string} */ method,
      /** @type {any} */ sent,
    ) =>
      api.post(`/mcp/${slug}`, {
        headers: { ...accept, ...headers },
        body: { jsonrpc: '2.0', id: 1, method, params: sent },
      });
    const session = String((await post({}, 'initialize', params)).headers['mcp-session-id']);
    const named = { 'Mcp-Session-Id': session, 'MCP-Protocol-Version': '2025-11-25' };

    const { body } = await api.get('/api/hub/sessions', { query: { workspace: 'connected', limit: '10' } });
    const [found] = body.sessions;
    assert.deepEqual([body.total, body.sessionless], [1, []]);
    const { client_name, client_version, capabilities, transport, principal } = found;
    assert.deepEqual([client_name, client_version, transport, principal], ['tester', '7', 'http', '']);
    assert.deepEqual(capabilities, ['roots']);
    assert.ok(session.startsWith(found.id) && !JSON.stringify(body).includes(session), 'its id is not told');

    assert.deepEqual((await api.del('/api/hub/sessions', { query: { id: found.id } })).body, {});
    assert.equal((await post(named, 'tools/list', {})).status, 404);
    const again = await api.del('/api/hub/sessions', { query: { id: found.id } });
    assert.deepEqual([again.status, again.body.code], [404, 'SESSION_UNKNOWN']);
    assert.equal((await api.get('/api/hub/sessions', { query: { limit: '0' } })).status, 400);
    assert.equal((await api.get('/api/hub/sessions', { query: { workspace: 'none' } })).status, 404);
    await api.del('/api/hub/workspaces', { query: { name: 'connected' } });
  },
);

test('any text is a valid name', OPTIONS, async () => {
  for (const name of [
    'with space',
    'ünïcode ✓ 🙂',
    'a/b',
    '..',
    '.',
    'a?b#c%d&e=f',
    '%2e%2e',
    '',
    '__proto__',
    'constructor',
    '\'"<b>',
  ]) {
    const said = JSON.stringify(name);
    const added = await api.post('/api/hub/servers', { body: { key: name, entry: entry('odd') } });
    assert.deepEqual([added.status, added.body.server?.key], [200, name], said + JSON.stringify(added.body));
    const workspace = await api.post('/api/hub/workspaces', { body: { name, servers: [name] } });
    assert.deepEqual([workspace.status, workspace.body.workspace?.servers], [200, [name]], said);
    assert.equal((await api.get('/api/hub/servers', { query: { key: name } })).body.key, name);
    assert.equal((await api.post('/api/hub/workspaces/stop', { query: { name } })).body.workspace.state, 'off', said);
    assert.equal(
      (await api.put('/api/hub/workspaces', { query: { name }, body: { name, servers: [] } })).status,
      200,
      said,
    );
    assert.equal((await api.del('/api/hub/workspaces', { query: { name } })).status, 200, said);
    assert.equal((await api.del('/api/hub/servers', { query: { key: name } })).status, 200, said);
  }
  assert.deepEqual(Object.keys(stored('providers')), ['good', 'remote', 'broken']);
});

test('a pasted configuration may contain comments; existing servers are kept or replaced', OPTIONS, async () => {
  const text = `{ // mine\n "mcpServers": { "imp": {"command": "/bin/false", "env": {"K": "${SECRET}"},}, "good": {"command": "x"} } }`;
  const dry = await api.post('/api/hub/import', { body: { text, dry_run: true } });
  const outcomes = (/** @type {any} */ body) =>
    body.servers.map((/** @type {any} */ { key, outcome }) => [key, outcome]);
  assert.deepEqual(outcomes(dry.body), [
    ['imp', 'added'],
    ['good', 'exists'],
  ]);
  assert.equal('imp' in stored('providers'), false);
  const done = await api.post('/api/hub/import', { body: { text, workspace: 'imported' } });
  assert.deepEqual(
    [done.body.applied, outcomes(done.body)],
    [
      true,
      [
        ['imp', 'added'],
        ['good', 'exists'],
      ],
    ],
  );
  assert.ok(
    (await api.get('/api/hub/state')).body.workspaces.some((/** @type {any} */ { name }) => name === 'imported'),
  );

  const masked = JSON.stringify({ servers: { imp: { command: '/bin/true', env: { K: MASK } } } });
  const again = await api.post('/api/hub/import', { body: { text: masked, replace: true } });
  assert.deepEqual(outcomes(again.body), [['imp', 'replaced']]);
  assert.match(JSON.stringify(stored('providers').imp), new RegExp(SECRET));
  const unknown = await api.post('/api/hub/import', { body: { text: masked.replace('"imp"', '"other"') } });
  assert.equal(unknown.body.code, 'MASKED_VALUE');
  await api.del('/api/hub/workspaces', { query: { name: 'imported' } });
  await api.del('/api/hub/servers', { query: { key: 'imp' } });
});

test('logs, history and reload answer', OPTIONS, async () => {
  const { records } = (await api.get('/api/hub/logs', { query: { limit: '5' } })).body;
  assert.ok(records.length > 0 && records.length <= 5);
  const none = await api.get('/api/hub/logs', { query: { call: 'of nobody', since: '0' } });
  assert.deepEqual([none.status, none.body.records], [200, []]);
  const history = (await api.get('/api/hub/history', { query: { since: '0', server: 'good' } })).body;
  assert.ok(history.interval > 0 && Array.isArray(history.samples));
  assert.equal((await api.post('/api/hub/reload')).body.applied, true);
});

test('no response contains a secret', OPTIONS, async () => {
  await api.post('/api/hub/workspaces', { body: { name: 'all', servers: ['good', 'remote', 'broken'] } });
  const paths = [
    'state',
    'tools?workspace=all',
    'history',
    'logs?limit=5000',
    'servers?key=remote',
    'servers?key=broken',
    'servers?key=good',
  ];
  const yamcp = ['stats', 'servers', 'workspaces', 'logs', 'log-files', 'config/providers', 'config/workspaces'];
  for (const path of [...paths.map((each) => `/api/hub/${each}`), ...yamcp.map((each) => `/api/${each}`)]) {
    const { status, body } = await api.get(path);
    assert.equal(status, 200, path);
    assert.ok(!JSON.stringify(body).includes(SECRET), path);
  }
  const { entry: shown } = (await api.get('/api/hub/servers', { query: { key: 'remote' } })).body;
  assert.equal(shown.providerParameters.url, `http://u:${MASK}@127.0.0.1:9/?token=${MASK}`);
  await api.del('/api/hub/workspaces', { query: { name: 'all' } });
});
