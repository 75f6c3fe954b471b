/** The State for pages, merged from the answers of adapter and sidecar, and the changes between two States (pure). */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serverState } from '../../../front/console/words.mjs';
import { entriesOf } from '../../../front/server/state/entries.mjs';
import { diff, initialKnown, view } from '../../../front/server/state/view.mjs';
import { serverOf, statsOf } from '../../../front/server/api/yamcp_forms.mjs';

const HERE = {
  baseUrl: 'https://hub.example',
  published: true,
  sidecarUrl: 'http://127.0.0.1:8766',
  protected: false,
  seq: 7,
  at: 1000,
};
const ID = { epoch: 1, revision: 2, hash: 'h' };
/** A reference to a variable, as it stands in YAMCP's files. */
const REFERENCE = ['$', '{REF}'].join('');
const SETTINGS = {
  enabled: true,
  session: /** @type {'shared'|'per_client'} */ ('shared'),
  era: /** @type {'auto'} */ ('auto'),
  start_timeout: 60,
  call_timeout: 300,
  tool_timeouts: {},
  max_inflight: 64,
  max_instances: 20,
  share_between_keys: false,
  container: null,
};

/** @param {string} key @param {object} [settings] @param {object} [launch] */
const spec = (key, settings = {}, launch = {}) => ({
  key,
  namespace: `${key}_ns`,
  launch: {
    type: 'stdio',
    command: 'run',
    args: ['--key', '********'],
    env: { TOKEN: '********', REF: REFERENCE },
    cwd: null,
    ...launch,
  },
  settings: { ...SETTINGS, ...settings },
  stale: false,
});

/** @param {string} name @param {string[]} servers @param {object} [more] */
const workspace = (name, servers, more = {}) => ({
  name,
  slug: name,
  own_slug: false,
  aliases: [],
  servers,
  enabled: true,
  name_template: '{name}',
  disabled_servers: [],
  ...more,
});

/** @param {string} key @param {string} state @param {object} [more] */
const run = (key, state, more = {}) => ({
  key,
  namespace: key,
  state,
  reason: null,
  since: 5,
  session: 'shared',
  pids: [9],
  tools: 3,
  stale: false,
  ...more,
});

/** @param {object[]} servers @param {object[]} workspaces @param {object[]} [issues] */
const desired = (servers, workspaces, issues = []) =>
  /** @type {any} */ ({
    snapshot: { id: ID, servers, workspaces },
    issues,
    files: {},
    published: ID,
    sidecar_error: null,
  });

/** @param {object[]} servers @param {object[]} [workspaces] @param {object} [more] */
const status = (servers, workspaces = [], more = {}) =>
  /** @type {any} */ ({
    version: '1.0',
    session: 's',
    started_at: 4,
    applied: ID,
    settled: true,
    source: 'adapter',
    servers,
    workspaces,
    ...more,
  });

/** @param {object} parts @returns {import('../../../front/server/state/view.mjs').Known} */
const known = (parts) => ({ ...initialKnown(), adapter: 'ok', sidecar: 'ok', ...parts });

/** How a workspace is shown. @param {object} asked of the snapshot @param {object[] | null} told by the sidecar; null: it is away */
function shown(asked, told) {
  const parts = { desired: desired([spec('a')], [workspace('w', ['a'], asked)]), sidecar: told ? 'ok' : 'away' };
  return view(known({ ...parts, status: told && status([run('a', 'ready')], told) }), HERE).workspaces[0];
}

test('a workspace has the state that the sidecar reports', () => {
  const reason = { code: 'C', message: 'a: m', hint: 'h', data: { x: 1 } };
  for (const state of ['ready', 'degraded', 'starting', 'failed', 'empty']) {
    const found = shown({}, [{ name: 'w', enabled: true, state, reason: state === 'ready' ? null : reason }]);
    assert.equal(found.state, state);
    assert.deepEqual(found.error, state === 'ready' ? null : { code: 'C', message: 'a: m', hint: 'h' });
  }
});

test('a requested change of a workspace is shown before it is applied', () => {
  const failed = { name: 'w', enabled: true, state: 'failed', reason: { code: 'C', message: 'a: m', hint: 'h' } };
  const off = { name: 'w', enabled: false, state: 'off', reason: null };
  /** @type {[object, object[] | null, string][]} */
  const cases = [
    [{ enabled: false }, [failed], 'off'],
    [{ enabled: true }, [off], 'starting'],
    [{ enabled: true }, [], 'starting'],
    [{ enabled: true }, null, 'unknown'],
    [{ enabled: false }, null, 'off'],
  ];
  for (const [asked, told, state] of cases) {
    const found = shown(asked, told);
    assert.deepEqual([found.state, found.error], [state, null]);
  }
});

test('a degraded server shows its reason', () => {
  const troubles = [{ code: 'SERVER_LIST_FAILED', message: 'm', hint: 'h', data: { list: 'prompts/list' } }];
  const runs = [run('a', 'degraded', { troubles }), run('b', 'ready')];
  const parts = { desired: desired([spec('a'), spec('b')], [workspace('w', ['a', 'b'])]), status: status(runs) };
  const [degraded, ready] = view(known(parts), HERE).servers;
  assert.equal(degraded.state, 'degraded');
  assert.deepEqual(degraded.troubles, [{ code: 'SERVER_LIST_FAILED', message: 'm', hint: 'h' }]);
  assert.deepEqual(ready.troubles, []);
  assert.equal(statsOf({ hub: {}, servers: [degraded, ready], workspaces: [] }).activeServers, 2);
  assert.equal(statsOf({ hub: {}, servers: [degraded, ready], workspaces: [] }).issues, 1);
  const { status: told, reason } = serverOf(degraded);
  assert.deepEqual([told, reason], ['running', 'm']);
  assert.deepEqual(serverState(degraded), { word: 'Degraded', tone: 'warn' });
});

test('a disabled workspace is off, and one without a report is unknown', () => {
  const parts = { desired: desired([spec('a')], [workspace('w', ['a']), workspace('x', ['a'], { enabled: false })]) };
  const away = view(known({ ...parts, status: status([run('a', 'ready')]), sidecar: 'away' }), HERE);
  assert.deepEqual(
    away.workspaces.map((each) => each.state),
    ['unknown', 'off'],
  );
  assert.equal(away.servers[0].state, 'unknown');
  assert.deepEqual(away.servers[0].pids, [], 'what was true before is not told as if it still were');
  assert.equal(away.hub.settled, false);
});

test('URLs exist before the sidecar knows a workspace', () => {
  const [found] = view(known({ desired: desired([], [workspace('W 1', [], { slug: 'w1' })]) }), HERE).workspaces;
  assert.equal(found.sse_url, 'https://hub.example/mcp/w1/sse');
  assert.equal(found.http_url, 'https://hub.example/mcp/w1');
  assert.equal(found.direct_sse_url, 'http://127.0.0.1:8766/mcp/w1/sse');
  assert.equal(found.direct_http_url, 'http://127.0.0.1:8766/mcp/w1');
});

test('the launch parameters of a server are shown as the adapter reports them', () => {
  const url = 'https://user:********@host/mcp';
  const headers = { Authorization: '********' };
  const remote = { type: 'remote', url, headers, transport: 'auto' };
  const servers = [
    spec('a'),
    { ...spec('b'), launch: remote },
    { ...spec('c'), launch: { ...remote, transport: 'sse' } },
    spec('d', {}, { cwd: '/srv' }),
  ];
  const state = view(known({ desired: desired(servers, []), status: status([]) }), HERE);
  const [a, b, c, d] = state.servers;
  const env = { TOKEN: '********', REF: REFERENCE };
  assert.deepEqual([a.type, a.command, a.args, a.env], ['stdio', 'run', ['--key', '********'], env]);
  assert.deepEqual(['cwd' in a, d.cwd], [false, '/srv']);
  assert.deepEqual([b.type, b.url, b.headers, c.type], ['remote', url, headers, 'sse']);
});

test('a server that the sidecar has not reported is starting if an enabled workspace has it, else stopped', () => {
  const servers = [spec('a'), spec('b'), spec('c', { enabled: false }), spec('d')];
  const workspaces = [workspace('w', ['a', 'c']), workspace('x', ['d'], { enabled: false })];
  const state = view(known({ desired: desired(servers, workspaces), status: status([]) }), HERE);
  assert.deepEqual(
    state.servers.map((server) => server.state),
    ['starting', 'stopped', 'stopped', 'stopped'],
  );
  assert.deepEqual(
    state.servers.map((server) => server.workspaces),
    [['w'], [], ['w'], ['x']],
  );
});

test('an invalid entry is listed at its place in the file, with its issue; hashes belong to entries', () => {
  const issue = {
    code: 'SERVER_NO_COMMAND',
    severity: 'error',
    subject: 'server:bad',
    file: 'providers.json',
    message: 'm',
    hint: 'h',
  };
  const outlines = { bad: { namespace: 'ns', type: 'sse', command: null, url: 'http://u:********@h/' } };
  const entries = { a: 'ha', bad: 'hb', constructor: 'hc' };
  const file = /** @type {any} */ ({ file: 'providers', outlines, entries });
  const config = {
    servers: entriesOf(file),
    workspaces: entriesOf({ ...file, file: 'workspaces', entries: { w: 'hw' } }),
  };
  const servers = [spec('a'), spec('constructor'), spec('toString')];
  const parts = { desired: desired(servers, [workspace('w', ['a'])], [issue]), status: status([]), config };
  const state = view(known(parts), HERE);
  assert.deepEqual(
    state.servers.map(({ key, hash }) => [key, hash]),
    [
      ['a', 'ha'],
      ['bad', 'hb'],
      ['constructor', 'hc'],
      ['toString', ''],
    ],
  );
  const bad = state.servers[1];
  assert.equal(bad.state, 'invalid');
  assert.deepEqual(
    [bad.reason?.code, bad.issues, bad.namespace, bad.type],
    ['SERVER_NO_COMMAND', [issue], 'ns', 'sse'],
  );
  assert.equal(bad.url, 'http://u:********@h/');
  assert.equal(state.workspaces[0].hash, 'hw');
  assert.deepEqual(state.hub.issues, []);
});

test('an entry that the adapter has not reported yet is not invalid', () => {
  const servers = entriesOf(/** @type {any} */ ({ file: 'providers', outlines: {}, entries: { n: 'h' } }));
  const state = view(
    known({ desired: desired([], []), status: status([]), config: { servers, workspaces: new Map() } }),
    HERE,
  );
  assert.deepEqual(state.servers, []);
});

test('nothing is shown of an entry that is not an object; of others, what the adapter reports', () => {
  const outlines = { constructor: { namespace: null, type: 'stdio', command: 'run', url: null } };
  const entries = { a: 'ha', constructor: 'hc' };
  const found = entriesOf(/** @type {any} */ ({ file: 'providers', outlines, entries }));
  assert.deepEqual(found.get('a'), { hash: 'ha', shown: {} });
  assert.deepEqual(found.get('constructor'), { hash: 'hc', shown: { type: 'stdio', command: 'run' } });
});

test('issues without a listed subject, such as those of files, belong to the hub', () => {
  const issues = ['file:hub.json', 'workspace:w', 'workspace:gone'].map((subject) => ({ severity: 'error', subject }));
  const state = view(known({ desired: desired([], [workspace('w', [])], issues), status: status([]) }), HERE);
  assert.deepEqual(
    state.hub.issues.map((issue) => issue.subject),
    ['file:hub.json', 'workspace:gone'],
  );
  assert.equal(state.workspaces[0].issues.length, 1);
});

test('the hub is settled when the content of the files is applied', () => {
  const parts = { desired: desired([], []), status: status([]) };
  assert.equal(view(known(parts), HERE).hub.settled, true);
  const behind = status([], [], { applied: { ...ID, revision: 1 } });
  assert.equal(view(known({ ...parts, status: behind }), HERE).hub.settled, false);
  assert.equal(
    view(known({ ...parts, status: status([], [], { applied: { ...ID, epoch: 2, revision: 0 } }) }), HERE).hub.settled,
    true,
  );
  assert.equal(view(known({ ...parts, status: status([], [], { applied: null }) }), HERE).hub.settled, false);
});

test('without an adapter the state is what the sidecar reports', () => {
  const runs = [run('a', 'ready', { transport: 'http' })];
  const served = [{ state: 'ready', ready: 1, tools: 3, sessions: 2, ...workspace('w', ['a']) }];
  const state = view(
    known({ status: status(runs, served), adapter: 'away', errors: [{ code: 'HUB_AWAY', message: '', hint: '' }] }),
    HERE,
  );
  assert.equal(state.workspaces[0].state, 'ready');
  assert.equal(state.servers[0].type, 'http');
  assert.deepEqual([state.hub.adapter, state.hub.sessions, state.hub.errors.length], ['away', 2, 1]);
});

test('before any report State is empty', () => {
  const state = view(initialKnown(), HERE);
  assert.deepEqual([state.seq, state.workspaces, state.servers, state.hub.source], [7, [], [], 'none']);
});

/** @param {object[]} servers @param {object[]} workspaces @param {number} [at] @param {object} [more] */
const stateOf = (servers, workspaces, at = 1000, more = {}) =>
  view(known({ desired: desired(servers, workspaces), status: status([]), ...more }), { ...HERE, at });

test('unchanged items are not in a change, and the time alone is no change', () => {
  const before = stateOf([spec('a')], [workspace('w', ['a'])]);
  assert.equal(diff(before, stateOf([spec('a')], [workspace('w', ['a'])], 2000)), null);
});

test('a change contains new, changed, removed and moved items, and the next number', () => {
  const before = stateOf([spec('a'), spec('b')], [workspace('w', ['a']), workspace('x', [])]);
  const after = stateOf([spec('b'), spec('c')], [workspace('x', []), workspace('w', ['b'])]);
  const change = diff(before, after);
  assert.equal(change?.seq, 8);
  assert.deepEqual(
    change?.servers.map((server) => server.key),
    ['b', 'c'],
    'b is in a workspace now',
  );
  assert.deepEqual(
    change?.workspaces.map((each) => each.name),
    ['w'],
  );
  assert.deepEqual(change?.gone, { workspaces: [], servers: ['a'] });
  assert.deepEqual(change?.order, { workspaces: ['x', 'w'], servers: ['b', 'c'] });
  assert.equal(change?.hub, undefined);
});

test('another order alone is a change, and so is a process that becomes unavailable', () => {
  const before = stateOf([spec('a'), spec('b')], []);
  assert.deepEqual(diff(before, stateOf([spec('b'), spec('a')], []))?.servers, []);
  assert.equal(diff(before, stateOf([spec('a'), spec('b')], [], 1, { adapter: 'away' }))?.hub?.adapter, 'away');
});
