/** YAMCP-UI's REST API as the front serves it without YAMCP-UI: in its format, with the actual state. */

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { asker } from '../support/api.mjs';
import { mock, PYTHON, startHub } from '../support/hub.mjs';

const SECRET = 'hunter2-PLANTED';
const MASK = '********';
const OPTIONS = { timeout: 180_000 };
/** @type {import('../support/hub.mjs').Hub} */
let hub;
/** @type {ReturnType<typeof asker>} */
let api;

const stored = (/** @type {string} */ file) => JSON.parse(readFileSync(join(hub.yamcpDir, `${file}.json`), 'utf8'));
const by = (/** @type {any[]} */ items, /** @type {string} */ id) => items.find((item) => item.id === id);
const server = async (/** @type {string} */ id) => by((await api.get('/api/servers')).body, id);
const workspace = async (/** @type {string} */ id) => by((await api.get('/api/workspaces')).body, id);

before(async () => {
  hub = await startHub({
    providers: {
      good: mock('good'),
      bad: { namespace: 'bad', type: 'nonsense', providerParameters: {} },
      remote: {
        namespace: 'web',
        type: 'sse',
        providerParameters: { url: `http://u:${SECRET}@127.0.0.1:9/sse`, headers: { A: SECRET } },
      },
    },
    workspaces: { first: ['good', 'gone'], second: [] },
  });
  api = asker(hub.front);
});
after(() => hub?.close());

test('stats, servers and workspaces have the fields of YAMCP-UI, with the actual state', OPTIONS, async () => {
  const stats = (await api.get('/api/stats')).body;
  assert.deepEqual(Object.keys(stats), [
    'totalServers',
    'activeServers',
    'totalWorkspaces',
    'activeWorkspaces',
    'issues',
  ]);
  assert.deepEqual(
    [stats.totalServers, stats.activeServers, stats.totalWorkspaces, stats.activeWorkspaces],
    [3, 1, 2, 2],
  );
  assert.ok(stats.issues >= 2, 'a bad entry, and a member that is gone');

  const servers = (await api.get('/api/servers')).body;
  assert.deepEqual(
    servers.map((/** @type {any} */ item) => [item.id, item.name, item.status]),
    [
      ['good', 'good', 'running'],
      ['bad', 'bad', 'error'],
      ['remote', 'remote', 'stopped'],
    ],
  );
  const { command, args, env } = by(servers, 'good');
  assert.deepEqual([command, Array.isArray(args), env], [PYTHON, true, { TEST_SERVER: MASK }]);
  const { namespace, type, url } = by(servers, 'remote');
  assert.deepEqual([namespace, type, url], ['web', 'sse', `http://u:${MASK}@127.0.0.1:9/sse`]);
  assert.equal('env' in by(servers, 'remote'), false);

  const { id, name, description, servers: members, status } = await workspace('first');
  assert.deepEqual(
    { id, name, description, members, status },
    { id: 'first', name: 'first', description: 'Workspace with 1 server', members: ['good'], status: 'active' },
  );
  assert.equal((await workspace('second')).description, 'Workspace with 0 servers');
});

test('a server is added, changed, renamed and deleted as by scripts for YAMCP-UI', OPTIONS, async () => {
  const form = { name: 'new', type: 'stdio', command: '/bin/false', args: ['a'], env: { T: SECRET } };
  assert.deepEqual((await api.post('/api/servers', { body: form })).body, {
    success: true,
    message: 'Server new added successfully',
  });
  assert.deepEqual(stored('providers').new, {
    namespace: 'new',
    type: 'stdio',
    providerParameters: { command: '/bin/false', args: ['a'], env: { T: SECRET } },
  });
  assert.deepEqual((await server('new')).env, { T: MASK });
  await api.post('/api/workspaces', { body: { name: 'of new', servers: ['new'] } });

  const got = await server('new');
  const put = await api.put('/api/servers/new', { body: { ...got, args: ['b'] } });
  assert.deepEqual([put.status, put.body], [200, { success: true, message: 'Server new updated successfully' }]);
  assert.deepEqual(stored('providers').new.providerParameters, {
    command: '/bin/false',
    args: ['b'],
    env: { T: SECRET },
  });

  const moved = await api.put('/api/servers/new', { body: { ...got, namespace: 'newer' } });
  assert.equal(moved.body.message, 'Server newer updated successfully');
  const { newer } = stored('providers');
  assert.deepEqual([newer.namespace, newer.providerParameters.env.T], ['newer', SECRET]);
  assert.deepEqual(stored('workspaces')['of new'], ['newer']);

  const named = await api.put('/api/servers/newer', { body: { ...got, namespace: 'newer', name: 'newest' } });
  assert.equal(named.body.message, 'Server newest updated successfully');
  assert.deepEqual((await api.del('/api/servers/newest')).body, {
    success: true,
    message: 'Server newest deleted successfully',
  });
  assert.deepEqual(Object.keys(stored('providers')), ['good', 'bad', 'remote']);
  await api.del('/api/workspaces/of%20new');
});

test(
  'fields that the form does not have are preserved: headers, cwd, a namespace other than the key',
  OPTIONS,
  async () => {
    const { id, name, namespace, type, url } = await server('remote');
    await api.put('/api/servers/remote', { body: { id, name, namespace, type, url } });
    assert.deepEqual(stored('providers').remote, {
      namespace: 'web',
      type: 'sse',
      providerParameters: { url: `http://u:${SECRET}@127.0.0.1:9/sse`, headers: { A: SECRET } },
    });
  },
);

test('concurrent writers without hashes: each change is made, and none is lost', OPTIONS, async () => {
  const ids = Array.from({ length: 8 }, (_, at) => `w${at}`);
  const form = (/** @type {string} */ name, /** @type {string} */ arg) => ({
    name,
    type: 'stdio',
    command: 'x',
    args: [arg],
  });
  const all = async (/** @type {Promise<import('../support/api.mjs').Answer>[]} */ asks) =>
    assert.deepEqual(
      (await Promise.all(asks)).map(({ status }) => status),
      ids.map(() => 200),
    );
  await all(ids.map((id) => api.post('/api/servers', { body: form(id, 'new') })));
  await all(ids.map((id) => api.put(`/api/servers/${id}`, { body: form(id, 'changed') })));
  await all(ids.map((id) => api.put('/api/servers/w0', { body: form('w0', id) })));
  const { w0, ...others } = stored('providers');
  assert.ok(ids.includes(w0.providerParameters.args[0]));
  for (const id of ids.slice(1)) assert.deepEqual(others[id].providerParameters.args, ['changed']);
  await all(ids.map((id) => api.del(`/api/servers/${id}`)));
});

test('a workspace is added, changed, renamed, stopped, started and deleted', OPTIONS, async () => {
  assert.deepEqual((await api.post('/api/workspaces', { body: { name: 'team', servers: ['good'] } })).body, {
    success: true,
    message: 'Workspace team created successfully',
  });
  const stop = await api.post('/api/workspaces/team/stop');
  assert.deepEqual(
    [stop.status, stop.body.success, stop.body.workspace.status, stop.body.workspace.state],
    [200, true, 'inactive', 'off'],
  );
  assert.equal((await workspace('team')).status, 'inactive');
  assert.equal(
    (await api.put('/api/workspaces/team', { body: { name: 'crew', servers: ['good'] } })).body.message,
    'Workspace crew updated successfully',
  );
  assert.equal((await workspace('crew')).status, 'inactive', 'a rename keeps the switch');
  const start = await api.post('/api/workspaces/crew/start');
  assert.deepEqual([start.body.workspace.status, start.body.workspace.state], ['active', 'ready']);
  assert.equal((await api.put('/api/workspaces/crew', { body: { servers: [] } })).body.success, true);
  assert.deepEqual((await api.del('/api/workspaces/crew')).body, {
    success: true,
    message: 'Workspace crew deleted successfully',
  });
  assert.equal(await workspace('crew'), undefined);
});

test('a server is stopped and started, and the response has the resulting state', OPTIONS, async () => {
  const stop = await api.post('/api/servers/good/stop');
  assert.deepEqual([stop.body.success, stop.body.server.status, stop.body.server.enabled], [true, 'stopped', false]);
  const start = await api.post('/api/servers/good/start');
  assert.deepEqual([start.body.success, start.body.server.enabled], [true, true]);
  await hub.waitJson(`${hub.front}/api/servers`, (servers) => by(servers, 'good').status === 'running');
});

test('missing, taken and invalid names are refused, as in YAMCP-UI or better', OPTIONS, async () => {
  const stdio = { type: 'stdio', command: 'x' };
  for (const [
    method,
    path,
    body,
    status,
    error,
  ] of /** @type {[keyof typeof api, string, unknown, number, RegExp][]} */ ([
    ['put', '/api/servers/none', stdio, 404, /^Server none not found$/],
    ['put', '/api/workspaces/none', { servers: [] }, 404, /^Workspace none not found$/],
    ['del', '/api/servers/none', undefined, 404, /none/],
    ['del', '/api/workspaces/none', undefined, 404, /none/],
    ['post', '/api/servers/none/start', undefined, 404, /none/],
    ['post', '/api/workspaces/none/stop', undefined, 404, /none/],
    ['post', '/api/servers', { name: 'good', ...stdio }, 409, /good/],
    ['post', '/api/workspaces', { name: 'first', servers: [] }, 409, /first/],
    ['post', '/api/servers', stdio, 400, /"name" is missing/],
    ['post', '/api/servers', { name: 'x', type: 'stdio' }, 400, /command/],
    ['post', '/api/servers', { name: 'x', type: 'sse', url: 'nonsense' }, 400, /url/],
    ['post', '/api/servers', { name: 'x', ...stdio, args: 'a b' }, 400, /"args" must be a list/],
    ['post', '/api/servers', { name: 'x', ...stdio, env: { T: MASK } }, 400, /env › T/],
    ['post', '/api/servers', { name: 'x', ...stdio, env: [] }, 400, /"env" must be an object/],
    ['post', '/api/workspaces', { name: 'x', servers: 'good' }, 400, /"servers" must be a list/],
    ['put', '/api/workspaces/first', {}, 400, /"servers" is missing/],
    ['put', '/api/config/providers', [], 400, /^Invalid JSON: must be an object$/],
    ['put', '/api/config/workspaces', 'text', 400, /^Invalid JSON: must be an object$/],
    ['get', '/api/log-files/none/x.log', undefined, 404, /^Log file not found$/],
    ['get', '/api/unknown', undefined, 404, /./],
    ['post', '/api/stats', undefined, 405, /POST/],
    ['patch', '/api/servers/good', undefined, 405, /PATCH/],
  ])) {
    const answer = await api[method](path, body === undefined ? {} : { body });
    assert.equal(answer.status, status, `${method} ${path} ${JSON.stringify(answer.body)}`);
    assert.match(answer.body.error, error);
    assert.ok(answer.body.code && answer.body.hint, JSON.stringify(answer.body));
  }
  assert.deepEqual(Object.keys(stored('providers')), ['good', 'bad', 'remote']);
});

test('any name works in the path, percent-encoded; names that no client can send have no effect', OPTIONS, async () => {
  for (const name of ['with space', 'ünï ✓', 'a/b', '../servers/good', 'a?b#c%d', '%2e%2e', '', '__proto__', 'start']) {
    const id = encodeURIComponent(name);
    const said = JSON.stringify(name);
    assert.equal((await api.post('/api/servers', { body: { name, type: 'stdio', command: 'x' } })).status, 200, said);
    assert.equal((await api.post('/api/workspaces', { body: { name, servers: [name] } })).status, 200, said);
    const stop = await api.post(`/api/workspaces/${id}/stop`);
    assert.deepEqual([stop.status, stop.body.workspace?.id], [200, name], said + JSON.stringify(stop.body));
    assert.equal((await api.put(`/api/workspaces/${id}`, { body: { servers: [] } })).status, 200, said);
    assert.equal((await api.del(`/api/workspaces/${id}`)).status, 200, said);
    assert.equal((await api.del(`/api/servers/${id}`)).status, 200, said);
  }
  for (const path of [
    '/api/servers/..',
    '/api/workspaces/../servers/good',
    '/api/workspaces/%2e%2e',
    '/api/servers/%zz',
  ]) {
    assert.equal((await api.del(path)).status, 404, path);
  }
  assert.deepEqual(Object.keys(stored('providers')), ['good', 'bad', 'remote']);
});

test(
  'a configuration file is read and replaced as a whole: secrets masked, layout preserved, no later change overwritten',
  OPTIONS,
  async () => {
    const path = '/api/config/providers';
    const text = readFileSync(join(hub.yamcpDir, 'providers.json'), 'utf8');
    const got = await api.get(path);
    assert.ok(!JSON.stringify(got.body).includes(SECRET));
    assert.match(got.headers['content-type'] ?? '', /json/);
    const raw = await (await fetch(`${hub.front}${path}`)).text();
    assert.equal(raw.replaceAll('\n', '').length > 0 && raw.split('\n').length, text.split('\n').length);

    const changed = { ...got.body, more: { namespace: 'more', type: 'stdio', providerParameters: { command: 'x' } } };
    assert.deepEqual((await api.put(path, { body: changed })).body, {
      success: true,
      message: 'Providers config updated successfully',
    });
    assert.deepEqual(stored('providers').remote, JSON.parse(text).remote);
    assert.equal((await server('more')).command, 'x');
    const late = await api.put(path, { body: got.body, headers: { 'If-Match': got.headers.etag ?? '' } });
    assert.deepEqual([late.status, late.body.code], [409, 'EDIT_CONFLICT']);
    const etag = (await api.get(path)).headers.etag ?? '';
    assert.equal((await api.put(path, { body: got.body, headers: { 'If-Match': etag } })).status, 200);
    assert.deepEqual(stored('providers'), JSON.parse(text));

    const renamed = { renamed: got.body.remote };
    assert.equal((await api.put(path, { body: renamed })).body.code, 'MASKED_VALUE');
    assert.equal((await api.put(path, { raw: '' })).status, 400, 'an empty body empties nothing');
    const workspaces = (await api.get('/api/config/workspaces')).body;
    assert.deepEqual(workspaces, { first: ['good', 'gone'], second: [] });
    assert.equal(
      (await api.put('/api/config/workspaces', { body: { ...workspaces, third: [] } })).body.message,
      'Workspaces config updated successfully',
    );
    assert.ok(await workspace('third'));
    await api.put('/api/config/workspaces', { body: workspaces });
  },
);

test("logs are the hub's records, newest first, each with a text message", OPTIONS, async () => {
  const logs = (await api.get('/api/logs')).body;
  assert.ok(logs.length > 0 && logs.length <= 100);
  for (const line of logs) {
    assert.deepEqual(Object.keys(line), ['id', 'timestamp', 'level', 'server', 'message']);
    for (const value of Object.values(line)) assert.equal(typeof value, 'string');
    assert.ok(Number.isFinite(Date.parse(line.timestamp)));
    assert.ok(['debug', 'info', 'warn', 'error'].includes(line.level), line.level);
  }
  assert.equal(new Set(logs.map((/** @type {any} */ { id }) => id)).size, logs.length);
  assert.ok(Date.parse(logs[0].timestamp) >= Date.parse(logs.at(-1).timestamp));
});

test('log files are listed and downloaded, and nothing else', OPTIONS, async () => {
  const dir = join(hub.root, 'data', 'logs');
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'sidecar.log'), 'one line\n');
  writeFileSync(join(dir, 'empty.log'), '');
  symlinkSync('/etc/hostname', join(dir, 'link.log'));
  const files = (await api.get('/api/log-files')).body;
  const found = files.find((/** @type {any} */ { name }) => name === 'hub/sidecar.log');
  assert.deepEqual([found.size, found.path], [9, join(dir, 'sidecar.log')]);
  const file = await api.get('/api/log-files/hub/sidecar.log');
  assert.deepEqual([file.status, file.body], [200, 'one line\n']);
  assert.match(file.headers['content-disposition'] ?? '', /^attachment; filename="?sidecar.log"?$/);
  assert.match(file.headers['content-type'] ?? '', /^text\/plain/);
  const head = await api.head('/api/log-files/hub/sidecar.log');
  assert.deepEqual([head.status, head.headers['content-length'], head.body], [200, '9', '']);
  assert.equal((await api.get('/api/log-files/hub/empty.log')).status, 200);
  for (const path of [
    'hub/link.log',
    'hub/..%2fhub.json',
    '..%2f..%2fetc/hostname',
    '%2e%2e/hub.json',
    '../hub.json',
    'hub/%00',
    '/sidecar.log',
    'hub/',
  ]) {
    assert.equal((await api.get(`/api/log-files/${path}`)).status, 404, path);
  }
});
