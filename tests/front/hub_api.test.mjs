/** The hub's own HTTP API, over real processes. */

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { asker } from './support/api.mjs';
import { mock, startHub } from './support/hub.mjs';

const SECRET = 'hunter2-PLANTED';
const MASK = '********';
const OPTIONS = { timeout: 60_000 };
/** @type {import('./support/hub.mjs').Hub} */
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
  'a server is added, read, changed, renamed, set and deleted, and its secret stays what it was',
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
  assert.deepEqual([added.status, added.body.workspace.state, added.body.workspace.servers], [200, 'on', ['good']]);
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
  assert.deepEqual([on.body.applied, on.body.workspace.state], [true, 'on']);

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
  assert.equal((await api.del('/api/hub/workspaces', { query: { name: 'crew' } })).status, 200);
  assert.equal('crew' in stored('workspaces'), false);
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

test('of two writers the later one is told, with the hash of what is there now', OPTIONS, async () => {
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

test('a name that is taken, or is not there, or an entry that cannot be used, is refused', OPTIONS, async () => {
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

test('any text can be a name', OPTIONS, async () => {
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

test('what is wrong with a request is told by the name of what is wrong', OPTIONS, async () => {
  const deep = JSON.parse(`${'{"a":'.repeat(80)}1${'}'.repeat(80)}`);
  const path = '/api/hub/workspaces';
  for (const [given, more, status, code, told] of /** @type {[string, object, number, string, RegExp][]} */ ([
    [path, {}, 400, 'BODY_NOT_JSON', /no body/],
    [path, { raw: '' }, 400, 'BODY_NOT_JSON', /empty/],
    [path, { raw: '{"name": hunter2}' }, 400, 'BODY_NOT_JSON', /line 1, column 10/],
    [path, { raw: '{"name": "a", }' }, 400, 'BODY_NOT_JSON', /line 1/],
    [path, { raw: Buffer.from([0x7b, 0xff, 0x7d]) }, 400, 'BODY_NOT_JSON', /UTF-8/],
    [path, { raw: 'name=a', headers: { 'Content-Type': 'text/plain' } }, 415, 'BODY_TYPE_REFUSED', /./],
    [path, { raw: 'x', headers: { 'Content-Encoding': 'gzip' } }, 415, 'BODY_TYPE_REFUSED', /compressed/],
    [path, { raw: `"${'x'.repeat(5 * 1024 * 1024)}"` }, 413, 'BODY_TOO_LARGE', /./],
    [path, { body: [] }, 400, 'BODY_INVALID', /object/],
    [path, { body: null }, 400, 'BODY_INVALID', /object/],
    [path, { body: { name: 'a' } }, 400, 'BODY_INVALID', /"servers" is missing/],
    [path, { body: { name: 1, servers: [] } }, 400, 'BODY_INVALID', /"name" must be text/],
    [path, { body: { name: 'a', servers: [1] } }, 400, 'BODY_INVALID', /"servers" has an item 1/],
    [path, { body: { name: 'a', servers: [], more: 1 } }, 400, 'BODY_INVALID', /"more" that is not known/],
    [path, { body: { name: 'a\0', servers: [] } }, 400, 'BODY_INVALID', /"name" holds a NUL/],
    [path, { body: { name: 'a', servers: [] }, query: { odd: '1' } }, 400, 'QUERY_INVALID', /"odd"/],
    ['/api/hub/servers', { body: { key: 'a', entry: deep } }, 400, 'BODY_INVALID', /"entry" is nested/],
    ['/api/hub/servers', { body: { key: 'x'.repeat(2000), entry: {} } }, 400, 'BODY_INVALID', /"key" is longer/],
    ['/api/hub/servers/start', {}, 400, 'QUERY_INVALID', /"key" is missing/],
    ['/api/hub/servers/start?key=a&key=b', {}, 400, 'QUERY_INVALID', /"key" must be text/],
    [
      '/api/hub/call',
      { body: { workspace: 'first', tool: 'x', timeout: 0 } },
      400,
      'BODY_INVALID',
      /"timeout" must be/,
    ],
    [
      '/api/hub/call',
      { body: { workspace: 'first', tool: 'x', arguments: [] } },
      400,
      'BODY_INVALID',
      /"arguments" must be/,
    ],
    ['/api/hub/import', { body: { text: '{\n "a": b}' } }, 400, 'BODY_INVALID', /line 2, column 7/],
    [
      '/api/hub/import',
      { body: { text: '{}', replace: 'yes' } },
      400,
      'BODY_INVALID',
      /"replace" must be true or false/,
    ],
  ])) {
    const { status: was, body } = await api.post(given, more);
    assert.deepEqual(
      [was, body.code],
      [status, code],
      `${given} ${JSON.stringify(more).slice(0, 80)} ${JSON.stringify(body)}`,
    );
    assert.match(body.error, told);
    assert.ok(!body.error.includes('hunter2') && body.hint);
  }
  for (const query of /** @type {Record<string, string>[]} */ ([
    { limit: '0' },
    { limit: 'x' },
    { limit: '5001' },
    { since: '1' },
  ])) {
    assert.equal((await api.get('/api/hub/logs', { query })).body.code, 'QUERY_INVALID');
  }
});

test('a body whose length is not told is refused too where it is larger than the limit', OPTIONS, async () => {
  let left = 100;
  const body = new ReadableStream({
    pull: (stream) => (left-- > 0 ? stream.enqueue(Buffer.alloc(65_536, ' ')) : stream.close()),
  });
  const init = { method: 'POST', body, duplex: 'half', headers: { 'content-type': 'application/json' } };
  const answer = await fetch(`${hub.front}/api/hub/workspaces`, /** @type {any} */ (init));
  assert.deepEqual([answer.status, (await answer.json()).code], [413, 'BODY_TOO_LARGE']);
});

test('a path that is none is 404, a method that is none 405, both in JSON', OPTIONS, async () => {
  const none = await api.get('/api/hub/nothing');
  assert.deepEqual([none.status, none.body.code], [404, 'NOT_FOUND']);
  const method = await api.del('/api/hub/state');
  assert.deepEqual([method.status, method.body.code, method.headers.allow], [405, 'METHOD_NOT_ALLOWED', 'GET, HEAD']);
  assert.equal((await api.get('/api/hub/import')).headers.allow, 'POST');
  assert.equal((await api.head('/api/hub/state')).status, 200);
});

test(
  'a pasted configuration is taken with comments, and what is there already is left or replaced',
  OPTIONS,
  async () => {
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
  },
);

test('logs, history and reload answer', OPTIONS, async () => {
  const { records } = (await api.get('/api/hub/logs', { query: { limit: '5' } })).body;
  assert.ok(records.length > 0 && records.length <= 5);
  const history = (await api.get('/api/hub/history', { query: { since: '0', server: 'good' } })).body;
  assert.ok(history.interval > 0 && Array.isArray(history.samples));
  assert.equal((await api.post('/api/hub/reload')).body.applied, true);
});

test('no secret is in any answer', OPTIONS, async () => {
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

test('while a file cannot be parsed nothing is written over it', OPTIONS, async () => {
  const before = stored('providers');
  hub.write(before, undefined);
  const file = join(hub.yamcpDir, 'providers.json');
  writeFileSync(file, '{"broken": ');
  for (const answer of [
    await api.post('/api/hub/servers', { body: { key: 'x', entry: entry('x') } }),
    await api.get('/api/hub/servers', { query: { key: 'good' } }),
    await api.put('/api/hub/servers', { query: { key: 'good' }, body: { key: 'good', entry: entry('x') } }),
    await api.get('/api/config/providers'),
    await api.put('/api/config/providers', { body: {} }),
    await api.post('/api/servers', { body: { name: 'x', type: 'stdio', command: 'x' } }),
  ]) {
    assert.deepEqual([answer.status, answer.body.code], [409, 'CONFIG_FILE_BROKEN'], JSON.stringify(answer.body));
  }
  assert.equal(readFileSync(file, 'utf8'), '{"broken": ');
  assert.equal((await api.get('/api/servers')).body.length, 3, 'the last good version is shown');
  hub.write(before, undefined);
  await api.post('/api/hub/reload');
});

test(
  'while the adapter is away the state is shown, and a change is 503 with what to do; then it is back',
  OPTIONS,
  async () => {
    await hub.stop('adapter');
    const state = await hub.waitJson(`${hub.front}/api/hub/state`, (now) => now.hub.adapter === 'away' && now);
    assert.equal(state.servers.length, 3);
    const change = await api.post('/api/hub/workspaces', { body: { name: 'late', servers: [] } });
    assert.deepEqual([change.status, change.body.code], [503, 'HUB_AWAY']);
    assert.ok(change.body.hint);
    assert.equal((await api.get('/api/servers')).body.length, 3);
    assert.equal((await api.get('/api/config/providers')).status, 503);
    assert.equal(
      (await api.get('/api/hub/tools', { query: { workspace: 'first' } })).status,
      200,
      'the sidecar is there',
    );
    hub.start('adapter');
    await hub.waitJson(`${hub.front}/api/hub/state`, (now) => now.hub.adapter === 'ok');
    await hub.settled();
  },
);

test(
  'while the sidecar is away what is known is shown as unknown, and a change is made but not applied',
  OPTIONS,
  async () => {
    await hub.stop('sidecar');
    const state = await hub.waitJson(`${hub.front}/api/hub/state`, (now) => now.hub.sidecar === 'away' && now);
    assert.deepEqual(
      state.workspaces.map((/** @type {any} */ workspace) => workspace.state),
      ['unknown'],
    );
    assert.deepEqual((await api.get('/api/workspaces')).body[0].status, 'active');
    assert.equal((await api.get('/api/stats')).body.activeServers, 0);
    const paths = ['/api/hub/logs', '/api/hub/history', '/api/hub/tools?workspace=first'];
    const refused = await Promise.all(paths.map((path) => api.get(path)));
    assert.deepEqual(
      refused.map(({ status, body }) => [status, body.code]),
      paths.map(() => [503, 'HUB_AWAY']),
    );
    const [line] = (await api.get('/api/logs')).body;
    assert.deepEqual(
      [line.level, typeof line.message],
      ['error', 'string'],
      "YAMCP-UI's Logs page says why it is empty",
    );
    const off = await api.post('/api/hub/workspaces/stop', { query: { name: 'first' } });
    assert.deepEqual([off.status, off.body.applied, off.body.workspace.enabled], [200, false, false]);
    hub.start('sidecar');
    await hub.waitJson(
      `${hub.front}/api/hub/state`,
      (now) => now.hub.sidecar === 'ok' && now.workspaces[0].state === 'off',
    );
  },
);
