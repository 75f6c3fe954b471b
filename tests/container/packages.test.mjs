/** Users' servers in the image, as they are named everywhere: npx, uvx, pipx, from the registries that builds use too. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { McpClient } from '../front/support/mcp.mjs';
import { Container, IMAGES, volume } from './support/container.mjs';

const LIMIT = { timeout: 180_000 };
const TOKEN = 'token-of-the-packages-test';
const CA = process.env.SSL_CERT_FILE; // what a mirror is trusted by here
const MIRRORS = ['NPM_CONFIG_REGISTRY', 'PIP_INDEX_URL', 'UV_DEFAULT_INDEX'];
const TRUST = ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'PIP_CERT'];

const server = (/** @type {string} */ namespace, /** @type {string[]} */ ...[command, ...args]) => ({
  namespace,
  type: 'stdio',
  providerParameters: { command, args },
});

test('servers from npm and PyPI start in it, and their packages are kept on the volume', LIMIT, async () => {
  const given = MIRRORS.filter((name) => process.env[name]).map((name) => `${name}=${process.env[name]}`);
  const variables = [...given, ...(CA ? TRUST.map((name) => `${name}=/run/ca.crt`) : [])];
  const passed = variables.map((variable) => variable.split('=')[0]).join();
  const environment = [...variables, `HUB_PASS_ENV=${passed}`, `HUB_TOKEN=${TOKEN}`, 'HUB_SEED_DEMO=false'];
  const options = environment.flatMap((variable) => ['-e', variable]);
  if (CA) options.push('-v', `${CA}:/run/ca.crt:ro`);
  const data = await volume('packages');
  const container = await Container.run(IMAGES.console, { data, options });
  await container.write('/data/yamcp/providers.json', {
    npm: server('npm', 'npx', '-y', '@modelcontextprotocol/server-everything@2026.8.31'),
    uv: server('uv', 'uvx', 'mcp-server-time', '--local-timezone', 'UTC'),
    pipx: server('pipx', 'pipx', 'run', 'mcp-server-time', '--local-timezone', 'UTC'),
  });
  const ready = container.serversReady(TOKEN, ['npm', 'uv', 'pipx']);
  await container.write('/data/yamcp/workspaces.json', { all: ['npm', 'uv', 'pipx'] });
  await ready;

  const client = await McpClient.connect(`${container.url}/mcp/all`, { authorization: `Bearer ${TOKEN}` });
  assert.match(await client.call('npm_echo', { message: 'hello' }), /hello/);
  for (const name of ['uv', 'pipx'])
    assert.match(await client.call(`${name}_get_current_time`, { timezone: 'UTC' }), /UTC/);
  await client.close();
  assert.match(await container.exec('du', '-sm', '/data/home'), /^[1-9]\d*\s/);
  assert.equal((await container.stop()).code, 0);
  await container.remove();
});
