/**
 * Two replicas of the image, in the pods that the Helm chart makes, by `podman kube play`, and nginx before them as
 * examples/proxy sets it up. Skipped with another engine.
 */

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort, ROOT } from '../front/support/hub.mjs';
import { McpClient } from '../front/support/mcp.mjs';
import { engine, IMAGES } from './support/container.mjs';

const LIMIT = { timeout: 180_000 };
const PATIENCE = 90_000; // ms
const LOOK = 100; // between looks where no event tells
const CLIENTS = 8; // of each transport
const TOOLS = join(ROOT, '.envs/kubernetes/bin');
const NAME = `hub-test-${process.pid}`;
const PATH = `${process.env.PATH}:/usr/sbin:${ROOT}/.envs/proxies/usr/sbin`;
/** Of HAProxy, where it did not come with Debian. */
const LIBRARIES = `${ROOT}/.envs/proxies/usr/lib/x86_64-linux-gnu`;
const run = promisify(execFile);
const podman = (process.env.TEST_IMAGE_ENGINE ?? '').split('\n')[0].endsWith('podman');
const only = podman ? LIMIT : { skip: 'kube play is podman’s' };
const directory = mkdtempSync(join(tmpdir(), 'replicas'));
const file = join(directory, 'play.yaml');
/** @type {number[]} */
let ports = [];
let url = '';
/** @type {Record<string, string>} */
let headers = {};
/** @type {import('node:child_process').ChildProcess | undefined} */
let nginx;
/** @type {import('node:child_process').ChildProcess | undefined} */
let haproxy;
/** The chart's configuration of HAProxy. */
let balancer = '';

/** What helm makes of the chart, as objects. @returns {Promise<any[]>} */
async function rendered() {
  const [repository, tag] = `localhost/${IMAGES.console}`.split(/:(?=[^:]*$)/);
  const command = '/opt/venv/bin/python';
  const notes = {
    namespace: 'notes',
    type: 'stdio',
    providerParameters: { command, args: ['/opt/yamcp-hub/demo_servers/notes.py'] },
  };
  const values = {
    fullnameOverride: NAME,
    image: { repository, tag, pullPolicy: 'Never' },
    token: { existingSecret: NAME },
    balancer: { maxReplicas: 2 },
    persistence: { enabled: false },
    configuration: { providers: { notes }, workspaces: { office: ['notes'] } },
    resources: { requests: { memory: '256Mi' }, limits: { memory: '1Gi' } },
    podLabels: { 'yamcp-hub.test': (process.env.TEST_IMAGE_LABEL ?? '').split('=')[1] },
  };
  writeFileSync(join(directory, 'values.json'), JSON.stringify(values));
  const { stdout } = await run(
    join(TOOLS, 'helm'),
    ['template', NAME, 'charts/yamcp-hub', '-f', join(directory, 'values.json')],
    { cwd: ROOT },
  );
  const toJson =
    'import json, sys, yaml; print(json.dumps([each for each in yaml.safe_load_all(sys.argv[1]) if each]))';
  return JSON.parse((await run(join(TOOLS, 'python'), ['-c', toJson, stdout])).stdout);
}

/** One of the resources. @param {any[]} resources @param {string} kind @param {string} name */
const named = (resources, kind, name) => resources.find((each) => each.kind === kind && each.metadata.name === name);

/**
 * The pods of the StatefulSet, which podman does not know, as it would make them. Podman has one namespace for volumes,
 * wants to be told that Secrets are not optional, and its names of hosts have no domain.
 * @param {any[]} resources
 */
function pods(resources) {
  const { template } = named(resources, 'StatefulSet', NAME).spec;
  return ports.map((hostPort, number) => {
    const { metadata, spec } = structuredClone(template);
    const name = `${NAME}-${number}`;
    const [hub] = spec.containers;
    hub.ports[0].hostPort = hostPort;
    hub.env.find((/** @type {any} */ { name }) => name === 'HUB_REPLICAS').value =
      `${NAME}-0,${NAME}-1,http://{replica}:8765`;
    const own = new Set(
      spec.volumes.filter((/** @type {any} */ { emptyDir }) => emptyDir).map((/** @type {any} */ each) => each.name),
    );
    for (const each of [...spec.volumes, ...hub.volumeMounts]) if (own.has(each.name)) each.name += `-${name}`;
    for (const { secret } of spec.volumes) if (secret) secret.optional = false;
    return { apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata, name }, spec };
  });
}

before(async () => {
  if (!podman) return;
  ports = [await freePort(), await freePort()];
  const resources = await rendered();
  const data = Object.fromEntries(
    ['token', 'replicas'].map((key) => [key, Buffer.from(`${key}-`.repeat(8)).toString('base64')]),
  );
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: NAME }, data };
  balancer = named(resources, 'ConfigMap', `${NAME}-balancer`).data['haproxy.cfg'];
  const all = [named(resources, 'ConfigMap', `${NAME}-configuration`), secret, ...pods(resources)];
  writeFileSync(file, all.map((each) => JSON.stringify(each)).join('\n---\n'));
  await engine('kube', 'play', file);
  await Promise.all(ports.map((port, number) => passes(port, number)));
  headers = {
    authorization: `Bearer ${(await engine('exec', `${NAME}-0-hub`, 'cat', '/run/secrets/hub/token')).trim()}`,
  };
  url = await balanced();
}, LIMIT);

after(async () => {
  nginx?.kill();
  haproxy?.kill();
  if (podman) {
    await engine('kube', 'down', file);
    await engine('secret', 'rm', NAME);
    await engine(
      'volume',
      'rm',
      '-f',
      NAME,
      `${NAME}-configuration`,
      ...[0, 1].flatMap((number) => [`data-${NAME}-${number}`, `tmp-${NAME}-${number}`]),
    );
  }
  rmSync(directory, { recursive: true });
}, LIMIT);

/** Wait until a replica passes the startup probe. @param {number} port @param {number} number */
async function passes(port, number) {
  for (const end = performance.now() + PATIENCE; performance.now() < end; await pause(LOOK)) {
    const answer = await fetch(`http://127.0.0.1:${port}/healthz?probe=startup`).catch(() => null);
    if (answer?.ok) return;
  }
  throw new Error(`replica ${number} does not start:\n${await engine('logs', `${NAME}-${number}-hub`)}`);
}

/** Start nginx before them; its URL. */
async function balanced() {
  const port = await freePort();
  let site = readFileSync(join(ROOT, 'examples/proxy/replicas.nginx.conf'), 'utf8')
    .replace('listen 8080;', `listen 127.0.0.1:${port};`)
    .replace('/var/log/nginx/yamcp-hub.log', join(directory, 'access.log'));
  ports.forEach((own, number) => {
    site = site
      .replaceAll(`10.0.0.1${number}:8765`, `127.0.0.1:${own}`)
      .replace(`"~^r${number}\\.`, `"~^${NAME}-${number}\\.`);
  });
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${directory}/${kind};`)
    .join(' ');
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  writeFileSync(
    join(directory, 'nginx.conf'),
    `daemon off; pid ${directory}/pid; ${user}\nevents {}\nhttp { ${temporary} ${site} }\n`,
  );
  nginx = spawn('nginx', ['-p', directory, '-e', join(directory, 'error.log'), '-c', join(directory, 'nginx.conf')], {
    stdio: 'inherit',
    env: { ...process.env, PATH },
  });
  return listens(port);
}

/** Start HAProxy with the configuration that the chart makes; its URL. Names of pods are replaced by published ports. */
async function balancedByChart() {
  const port = await freePort();
  const text = balancer
    .replace('maxconn 10000', 'maxconn 1000') // for the limit of open files here
    .replace('bind :8080', `bind 127.0.0.1:${port}`)
    .replace(' resolvers cluster init-addr none', '')
    .replace(/ \S+-(\d)\.\S+:8765/g, (_, number) => ` 127.0.0.1:${ports[number]}`);
  writeFileSync(join(directory, 'haproxy.cfg'), text);
  haproxy = spawn('haproxy', ['-db', '-f', join(directory, 'haproxy.cfg')], {
    stdio: 'ignore',
    env: { ...process.env, PATH, LD_LIBRARY_PATH: LIBRARIES },
  });
  return listens(port);
}

/** Wait until somebody answers there; the URL. @param {number} port */
async function listens(port) {
  for (const end = performance.now() + PATIENCE; performance.now() < end; await pause(LOOK)) {
    if (await fetch(`http://127.0.0.1:${port}/mcp/office`).catch(() => null)) return `http://127.0.0.1:${port}`;
  }
  throw new Error(`nobody listens at port ${port}`);
}

test('clients of both transports, behind nginx, each reach the replica that has their session', only, async () => {
  for (const end of ['', '/sse']) {
    const clients = await Promise.all(
      Array.from({ length: CLIENTS }, () => McpClient.connect(`${url}/mcp/office${end}`, headers)),
    );
    await Promise.all(
      clients.map(async (client, number) => {
        const text = `note ${number} ${end}`;
        assert.match(await client.call('notes_add_note', { title: text, text }), new RegExp(text));
      }),
    );
    if (!end) {
      const owners = new Set(clients.map(({ client }) => client.transport.sessionId.split('.')[0]));
      assert.deepEqual([...owners].sort(), [`${NAME}-0`, `${NAME}-1`]);
    }
    await Promise.all(clients.map((client) => client.close()));
  }
});

test('a request that comes to the wrong replica is handed to the right one', only, async () => {
  const client = await McpClient.connect(`http://127.0.0.1:${ports[0]}/mcp/office`, headers);
  const session = client.client.transport.sessionId;
  assert.ok(session.startsWith(`${NAME}-0.`));
  const answer = await fetch(`http://127.0.0.1:${ports[1]}/mcp/office`, {
    method: 'POST',
    headers: {
      ...headers,
      'mcp-session-id': session,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 9, method: 'tools/list', params: {} }),
  });
  assert.match(await answer.text(), /notes_add_note/);
  await client.close();
});

test('the pods are as the chart says: read-only, without rights, and told their names', only, async () => {
  const command =
    'touch /x 2>&1; echo "$HUB_REPLICA"; id -u; grep CapEff /proc/self/status; touch /configuration/x 2>&1';
  const said = await engine('exec', `${NAME}-1-hub`, 'sh', '-c', `${command}; true`);
  assert.match(said, /'\/x': Read-only file system\n/);
  assert.match(said, new RegExp(`^${NAME}-1\n10001\nCapEff:\\s+0+$`, 'm'));
  assert.match(said, /'\/configuration\/x': Read-only file system/);
});

test(
  'sessions of a pod that is stopped as Kubernetes does it go on at the other one, behind the chart’s balancer',
  only,
  async () => {
    const through = await balancedByChart();
    const connecting = Array.from({ length: 4 }, () => McpClient.connect(`${through}/mcp/office`, headers));
    const clients = await Promise.all(connecting);
    const owners = clients.map(({ client }) => client.transport.sessionId.split('.')[0]);
    assert.ok(owners.includes(`${NAME}-1`));
    const call = () => Promise.all(clients.map((client) => client.call('notes_list_notes')));
    await call();
    await engine('exec', `${NAME}-1-hub`, 'hubctl', 'drain'); // the preStop hook
    await call();
    await engine('stop', '-t', '30', `${NAME}-1-hub`); // not the pod, whose network podman takes down at once
    await call();
    assert.ok(clients.every(({ closed }) => !closed));
    await Promise.all(clients.map((client) => client.close()));
  },
);
