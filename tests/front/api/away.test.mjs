/** Both HTTP APIs while a file is broken, or the adapter or the sidecar is unavailable. */

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { asker } from '../support/api.mjs';
import { mock, startHub, stdio } from '../support/hub.mjs';

const OPTIONS = { timeout: 180_000 };
const providers = { good: mock('good'), idle: stdio('idle', '/bin/false'), broken: { type: 'nonsense' } };
/** @type {import('../support/hub.mjs').Hub} */
let hub;
/** @type {ReturnType<typeof asker>} */
let api;

before(async () => {
  hub = await startHub({ providers, workspaces: { first: ['good'] } });
  api = asker(hub.front);
});
after(() => hub?.close());

test('a file that cannot be parsed is not overwritten', OPTIONS, async () => {
  const file = join(hub.yamcpDir, 'providers.json');
  writeFileSync(file, '{"broken": ');
  for (const answer of [
    await api.post('/api/hub/servers', { body: { key: 'x', entry: stdio('x', 'x') } }),
    await api.get('/api/hub/servers', { query: { key: 'good' } }),
    await api.put('/api/hub/servers', { query: { key: 'good' }, body: { key: 'good', entry: stdio('x', 'x') } }),
    await api.get('/api/config/providers'),
    await api.put('/api/config/providers', { body: {} }),
    await api.post('/api/servers', { body: { name: 'x', type: 'stdio', command: 'x' } }),
  ]) {
    assert.deepEqual([answer.status, answer.body.code], [409, 'CONFIG_FILE_BROKEN'], JSON.stringify(answer.body));
  }
  assert.equal(readFileSync(file, 'utf8'), '{"broken": ');
  assert.equal((await api.get('/api/servers')).body.length, 3, 'the last good version is shown');
  hub.write(providers, undefined);
  await api.post('/api/hub/reload');
});

test(
  'without the adapter the state is shown, and a change gets 503 with a hint; afterwards both work again',
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

test('without the sidecar states are unknown, and a change is made but not applied', OPTIONS, async () => {
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
  assert.deepEqual([line.level, typeof line.message], ['error', 'string'], "YAMCP-UI's Logs page says why it is empty");
  const off = await api.post('/api/hub/workspaces/stop', { query: { name: 'first' } });
  assert.deepEqual([off.status, off.body.applied, off.body.workspace.enabled], [200, false, false]);
  hub.start('sidecar');
  await hub.waitJson(
    `${hub.front}/api/hub/state`,
    (now) => now.hub.sidecar === 'ok' && now.workspaces[0].state === 'off',
  );
});
