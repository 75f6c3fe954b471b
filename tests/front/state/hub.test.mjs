/** The front's client of adapter and sidecar: it follows edits, waits for changes, and survives failures. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { HubClient } from '../../../front/server/state/hub.mjs';
import { Log } from '../../../front/server/log.mjs';
import { load } from '../support/settings.mjs';
import { mock, startHub, stdio } from '../support/hub.mjs';

/** @import {State} from '../../../front/server/state/state.mjs' */

const LIMIT = { timeout: 180_000 };
const SERVERS = { a: mock('a'), b: mock('b') };

/** @type {import('../support/hub.mjs').Hub} */
let world;
/** @type {HubClient} */
let hub;
/** @type {string[]} */
const lines = [];

before(async () => {
  world = await startHub({ providers: SERVERS, workspaces: { w: ['a'] }, front: false });
  hub = new HubClient(load(world.env), new Log('warning', (line) => lines.push(line)));
  hub.start();
  await until((state) => state.hub.settled && state.hub.adapter === 'ok');
}, LIMIT);
after(async () => {
  await hub.close();
  await world.close();
});

/** Wait until the State is so. @param {(state: State) => unknown} wanted */
async function until(wanted) {
  while (!wanted(hub.state)) {
    await new Promise((resolve) => {
      const off = hub.onChange(() => {
        off();
        resolve(undefined);
      });
    });
  }
}

const workspace = () => hub.state.workspaces[0];

// Nobody watches the State here, so nothing is asked for at intervals: what is shown was told by an event.
test('a change is answered when the sidecar has applied it and State shows it', LIMIT, async () => {
  for (const enabled of [false, true]) {
    const { applied, snapshot } = await hub.change('set_workspace', { name: 'w', enabled });
    assert.equal(applied, true);
    assert.ok(snapshot.revision > 0);
    assert.equal(workspace().enabled, enabled);
    assert.equal(workspace().state === 'off', !enabled);
  }
  await until(() => workspace().state === 'ready');
});

test('an edit of the files is followed, and invalid entries are listed', LIMIT, async () => {
  world.write({ ...SERVERS, bad: stdio('bad', '') }, { w: ['a', 'b'], 'x y/z': ['bad'] });
  await until((state) => state.workspaces[0].ready === 2 && state.servers.some((server) => server.state === 'invalid'));
  const bad = hub.state.servers[2];
  assert.deepEqual([bad.key, bad.reason?.code, bad.issues.length > 0], ['bad', 'SERVER_NO_COMMAND', true]);
  assert.match(bad.hash, /^[0-9a-f]{16,}$/);
  assert.equal(hub.state.workspaces[1].state, 'empty');
  world.write(SERVERS, { w: ['a'] });
  await until(
    (state) => state.workspaces.length === 1 && state.servers.length === 2 && state.workspaces[0].state === 'ready',
  );
});

test('errors of the adapter are passed on, and nothing is changed', LIMIT, async () => {
  const { seq } = await hub.fresh();
  await assert.rejects(hub.change('set_workspace', { name: 'nobody', enabled: true }), { code: 'NO_SUCH_WORKSPACE' });
  await assert.rejects(hub.change('delete_server', { key: 'a', expect: 'other' }), { code: 'EDIT_CONFLICT' });
  assert.equal((await hub.fresh()).seq, seq);
});

test('while nothing happens, only pings are sent', LIMIT, async () => {
  await hub.fresh();
  const { at } = hub.state.hub;
  const before = process.cpuUsage();
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const { user, system } = process.cpuUsage(before);
  assert.equal(hub.state.hub.at, at);
  assert.ok(user + system < 100_000, `${user + system} µs of the processor in a second of nothing`);
});

test(
  'without an adapter its last state is shown, changes fail at once or at their timeout, and it reconnects',
  LIMIT,
  async () => {
    await world.stop('adapter', 'SIGKILL');
    await until((state) => state.hub.adapter === 'away');
    assert.deepEqual([workspace().state, hub.state.hub.errors[0].code], ['ready', 'HUB_AWAY']);
    const late = hub.askAdapter('set_workspace', { name: 'w', enabled: false }, { timeout: 0.2 });
    await assert.rejects(
      late,
      (/** @type {any} */ error) => error.code === 'HUB_AWAY' && error.data.process === 'adapter',
    );
    const waiting = hub.change('set_workspace', { name: 'w', enabled: false }, { timeout: 100 });
    world.start('adapter');
    assert.equal((await waiting).applied, true, 'a change that was asked while it was away is made when it is back');
    await until((state) => state.hub.adapter === 'ok' && state.workspaces[0].state === 'off');
    await hub.change('set_workspace', { name: 'w', enabled: true });
    await until(() => workspace().state === 'ready');
  },
);

test(
  'without a sidecar nothing is shown as running, a change is accepted but not applied, and it reconnects',
  LIMIT,
  async () => {
    await world.stop('sidecar', 'SIGKILL');
    await until((state) => state.hub.sidecar === 'away');
    assert.deepEqual([workspace().state, hub.state.servers[0].state], ['unknown', 'unknown']);
    const { applied } = await hub.change('set_workspace', { name: 'w', enabled: false });
    assert.equal(applied, false);
    await until(() => !workspace().enabled);
    world.start('sidecar');
    await until((state) => state.hub.settled && state.workspaces[0].state === 'off');
    await hub.change('set_workspace', { name: 'w', enabled: true });
    await until(() => workspace().state === 'ready');
  },
);

test('a process that hangs is shown as away until it continues', LIMIT, async () => {
  const pid = /** @type {number} */ (world.pid('sidecar'));
  process.kill(pid, 'SIGSTOP');
  try {
    hub.refresh('status');
    await until((state) => state.hub.sidecar === 'away');
    assert.equal(hub.state.hub.adapter, 'ok');
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await until((state) => state.hub.sidecar === 'ok' && state.workspaces[0].state === 'ready');
});

test('a crashed server is shown with its reason, and as ready when it is ready again', LIMIT, async () => {
  /** @type {string[]} */
  const seen = [];
  const off = hub.onChange(({ servers }) =>
    seen.push(...servers.filter(({ key }) => key === 'a').map(({ state }) => state)),
  );
  const crash = hub.askSidecar('call', { workspace: 'w', tool: 'a_crash', arguments: { code: 3 } });
  await assert.rejects(crash, { name: 'BridgeError' });
  await until((state) => state.servers[0].state === 'ready' && state.servers[0].restarts > 0);
  off();
  assert.ok(seen.at(-1) === 'ready');
});

test('log records are subscribed to only while there are listeners', LIMIT, async () => {
  const heard = new Promise((resolve) => {
    const off = hub.onLog((record) => {
      if (record.line !== 'a line of b') return;
      off();
      resolve(record);
    });
  });
  await until((state) => state.servers[0].state === 'ready');
  let done = false;
  heard.then(() => {
    done = true;
  });
  while (!done) await hub.askSidecar('call', { workspace: 'w', tool: 'a_stderr', arguments: { text: 'a line of b' } });
  assert.equal((await /** @type {Promise<any>} */ (heard)).server, 'a');
});

test('log records contain codes, and no secrets', () => {
  for (const line of lines) assert.match(JSON.parse(line).code, /^[A-Z_]+$/);
  assert.doesNotMatch(lines.join(''), /TEST_SERVER/);
});
