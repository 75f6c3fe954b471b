/** The front's process receives no secret of the configuration over the bridge, and edits preserve secrets. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { BridgeClient } from '../../../bridge/node/index.mjs';
import { asker } from '../support/api.mjs';
import { mock, ROOT, startHub, stdio } from '../support/hub.mjs';
import { frontSettings, VARIABLE } from '../support/settings.mjs';
import { Tap } from '../support/tap.mjs';

const MARK = 'pLaNtEd7';
const MASK = '********';
const OPTIONS = { timeout: 120_000 };

/** Each place in which an entry can have a secret, in the forms that entries have. @type {Record<string, any>} */
const PROVIDERS = {
  good: { ...mock('good', '--header', `X-Api-Key: ${MARK}`), auth: { token: [MARK] } },
  telling: stdio('telling', '/bin/sh', ['-c', 'echo "it is $SECRET" >&2; exit 1'], { SECRET: `${MARK}-told` }),
  args: stdio('args', '/bin/false', [
    ...['--api-key', `${MARK}a`, `--token=${MARK}b`, `API_KEY=${MARK}c`, `--header`, `Authorization: Bearer ${MARK}d`],
    ...[`--config={"deep": [{"password": "${MARK}e"}]}`, `--db=postgres://me:${MARK}f@127.0.0.1/db?sig=${MARK}g`],
    `["https:\\/\\/me:${MARK}h@h"]`,
  ]),
  remote: {
    namespace: 'remote',
    type: 'sse',
    providerParameters: {
      url: `http://me:${MARK}i@127.0.0.1:9/s/${MARK}Ab3dEf6hIj9lMn/?code=${MARK}j#token=${MARK}k`,
      headers: { Authorization: `Bearer ${MARK}l`, 'X-Any': `${MARK}m` },
    },
  },
  flat: { command: '/bin/false', env: { ANY: `${MARK}n` }, access_token: `${MARK}o` },
  broken: { type: 'nonsense', apiKey: `${MARK}p`, providerParameters: { env: `${MARK}q`, url: `http://${MARK}r@h/` } },
  text: `https://me:${MARK}s@h/`,
  mcpServers: { inner: { command: '/bin/false', env: { ANY: `${MARK}t` } } },
};
const SETTINGS = { version: 1, servers: { good: { call_timeout: `${MARK}u`, token: `${MARK}v` } } };
const WORKSPACES = { all: ['good', 'telling', 'args', 'remote', 'flat', 'inner'] };

/** @type {import('../support/hub.mjs').Hub} */
let hub;
/** @type {import('node:child_process').ChildProcess} */
let front;
const tap = new Tap();
/** @type {ReturnType<typeof asker>} */
let api;

const stored = () => JSON.parse(readFileSync(join(hub.yamcpDir, 'providers.json'), 'utf8'));
const holds = (/** @type {Buffer[]} */ messages) => messages.filter((each) => each.includes(MARK)).map(String);

before(async () => {
  const told = (/** @type {any} */ server) => server.key === 'telling';
  hub = await startHub({ providers: PROVIDERS, workspaces: WORKSPACES, front: false, settle: false });
  mkdirSync(join(hub.root, 'data'), { recursive: true });
  writeFileSync(join(hub.root, 'data', 'hub.json'), JSON.stringify(SETTINGS));
  const settings = JSON.parse(frontSettings(hub.env));
  const { desired, actual, events, desiredEvents } = settings.addresses;
  const here = (/** @type {string} */ name) => `ipc://${join(hub.root, name)}`;
  settings.addresses = { desired: here('d'), actual: here('a'), events: here('e'), desiredEvents: here('f') };
  await tap.requests(settings.addresses.desired, desired);
  await tap.requests(settings.addresses.actual, actual);
  await tap.events(settings.addresses.events, events);
  await tap.events(settings.addresses.desiredEvents, desiredEvents);
  const env = { ...hub.env, [VARIABLE]: JSON.stringify(settings) };
  front = spawn(process.execPath, [join(ROOT, 'front/server/main.mjs')], { env, stdio: 'ignore' });
  await hub.waitJson(`${hub.front}/api/hub/state`, ({ servers }) => servers?.find(told)?.stderr.length);
  api = asker(hub.front);
});
after(async () => {
  if (front?.exitCode === null) {
    front.kill();
    await once(front, 'exit');
  }
  tap.close();
  await hub?.close();
});

test('no message that the front receives contains a secret', OPTIONS, async () => {
  const keys = [...Object.keys(WORKSPACES), 'broken', 'good', 'args', 'remote', 'flat', 'text', 'inner'];
  const paths = ['/api/hub/state', '/api/hub/logs?limit=5000', '/api/hub/history', '/api/hub/tools?workspace=all'];
  const yamcp = ['stats', 'servers', 'workspaces', 'logs', 'config/providers', 'config/workspaces'];
  const servers = keys.map((key) => `/api/hub/servers?key=${key}`);
  for (const path of [...paths, ...servers, ...yamcp.map((each) => `/api/${each}`)]) await api.get(path);
  writeFileSync(join(hub.yamcpDir, 'providers.json'), JSON.stringify(PROVIDERS).slice(0, -2));
  assert.deepEqual((await api.post('/api/hub/reload', {})).status, 200);
  assert.equal((await api.get('/api/config/providers')).body.code, 'CONFIG_FILE_BROKEN');
  hub.write(PROVIDERS, WORKSPACES);
  assert.deepEqual((await api.post('/api/hub/reload', {})).status, 200);

  const { body } = await api.get('/api/hub/state');
  const { stderr } = body.servers.find((/** @type {any} */ server) => server.key === 'telling');
  assert.match(stderr.join('\n'), /it is \*\*\*/);
  assert.equal(body.servers.find((/** @type {any} */ server) => server.key === 'remote').headers['X-Any'], MASK);
  assert.ok(tap.received.length > 20);
  assert.deepEqual(holds(tap.received), []);
});

test('edits of masked values lose nothing, and the front sends no secret either', OPTIONS, async () => {
  const shown = (await api.get('/api/config/providers')).body;
  assert.equal((await api.put('/api/config/providers', { body: shown })).status, 200);
  assert.deepEqual(stored(), PROVIDERS);
  for (const key of ['args', 'remote', 'flat', 'good']) {
    const { entry, hash } = (await api.get('/api/hub/servers', { query: { key } })).body;
    const put = await api.put('/api/hub/servers', { query: { key }, body: { key, entry, expect: hash } });
    assert.equal(put.status, 200, JSON.stringify(put.body));
  }
  const text = JSON.stringify({ mcpServers: { remote: shown.remote, inner: shown.mcpServers.inner } });
  const imported = (await api.post('/api/hub/import', { body: { text } })).body;
  assert.deepEqual(
    imported.servers.map((/** @type {any} */ each) => each.outcome),
    ['same', 'same'],
  );
  const { args, env } = shown.args.providerParameters;
  const edited = { name: 'args', type: 'stdio', command: '/bin/true', args, env };
  assert.equal((await api.put('/api/servers/args', { body: edited })).status, 200);
  const wanted = structuredClone(PROVIDERS);
  wanted.args.providerParameters.command = '/bin/true';
  assert.deepEqual(stored(), wanted);
  assert.deepEqual(holds([...tap.received, ...tap.sent]), []);
});

test('the two kinds for YAMCP-UI return stored values, and the tap sees them', OPTIONS, async () => {
  const client = new BridgeClient(`ipc://${join(hub.root, 'd')}`);
  try {
    const entry = { command: '/bin/false', env: { ANY: MASK } };
    const { content } = await client.request('unmask_server', { entry, key: 'flat' });
    assert.deepEqual(content, { ...entry, env: { ANY: `${MARK}n` } });
    assert.equal(holds(tap.received).length, 1);
    const whole = await client.request('unmask_config', { content: (await api.get('/api/config/providers')).body });
    assert.deepEqual(whole.content, stored());
    for (const [body, code] of /** @type {const} */ ([
      [{ entry, key: 'nobody' }, 'NO_SUCH_SERVER'],
      [{ entry }, 'MASKED_VALUE'],
    ]))
      await assert.rejects(client.request('unmask_server', /** @type {any} */ (body)), { code });
  } finally {
    await client.close();
  }
});
