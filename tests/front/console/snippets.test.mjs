import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { snippets } from '../../../front/console/data/snippets.mjs';
import { mock, PYTHON, ROOT, startHub } from '../support/hub.mjs';
import { runHub } from '../support/run.mjs';

const run = promisify(execFile);
const SMOLAGENTS = join(ROOT, '.envs/smolagents/bin/python');
const REAL = join(ROOT, 'tests/real');
const NAMES = ['demo', 'my tools', '../x', 'Ω "quoted" \\ `{name}`', '', "it's\nhere", 'a/b?c#d%20'];

/**
 * @param {string} id
 * @param {import('../../../front/console/data/snippets.mjs').Endpoint} workspace
 * @param {boolean} [token]
 */
function text(id, workspace, token) {
  const found = snippets(workspace, { token }).find((snippet) => snippet.id === id);
  assert.ok(found, id);
  return found.text;
}

/** @param {string} name  of a workspace with URLs as a hub behind a proxy may have them */
const made = (name, base = 'https://hub.example/it\'s "here"') => ({
  name,
  slug: 'slug-1',
  sse_url: `${base}/mcp/slug-1/sse`,
  http_url: `${base}/mcp/slug-1`,
});

describe('text of the snippets', { timeout: 180_000 }, () => {
  test('each client has one snippet, in a fixed order', () => {
    assert.deepEqual(
      snippets(made('demo')).map(({ id }) => id),
      ['smolagents', 'claude-desktop', 'cursor', 'vscode', 'python', 'typescript'],
    );
  });

  test('configurations are JSON with the slug as the server name and the URL, whatever it contains', () => {
    const workspace = made('demo');
    const parsed = ['claude-desktop', 'cursor', 'vscode'].map((id) => JSON.parse(text(id, workspace)));
    assert.deepEqual(parsed[0].mcpServers['slug-1'].args, ['-y', 'mcp-remote', workspace.http_url]);
    assert.equal(parsed[1].mcpServers['slug-1'].url, workspace.http_url);
    assert.deepEqual(parsed[2].servers['slug-1'], { type: 'http', url: workspace.http_url });
  });

  test("on the hub's machine, hubctl is an alternative command for Claude Desktop", () => {
    for (const token of [false, true]) {
      const found = snippets(made('demo'), { token }).find(({ id }) => id === 'claude-desktop');
      assert.match(found?.note ?? '', /hubctl \(its full path\), with the arguments run and slug-1\.$/);
    }
  });

  test('mcp-remote gets --allow-http only where it would refuse plain http', () => {
    const args = (/** @type {string} */ base) =>
      JSON.parse(text('claude-desktop', made('demo', base))).mcpServers['slug-1'].args;
    assert.ok(!args('http://127.0.0.1:8765').includes('--allow-http'));
    assert.ok(!args('http://localhost:8765').includes('--allow-http'));
    assert.ok(!args('https://hub.example').includes('--allow-http'));
    assert.ok(args('http://hub.lan:8765').includes('--allow-http'));
  });

  for (const token of [false, true]) {
    test(`Python snippets compile and the TypeScript one parses, whatever the URL contains; token: ${token}`, async () => {
      const directory = mkdtempSync(join(tmpdir(), 'snippets'));
      const [smolagents, python, typescript] = ['s.py', 'p.py', 't.mjs'].map((name) => join(directory, name));
      try {
        writeFileSync(smolagents, text('smolagents', made('demo'), token));
        writeFileSync(python, text('python', made('demo'), token));
        writeFileSync(typescript, text('typescript', made('demo'), token));
        await run(PYTHON, ['-m', 'py_compile', smolagents, python]);
        await run(process.execPath, ['--check', typescript]);
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    });
  }

  test('if the hub requires a token, each snippet shows where it goes; otherwise none does', () => {
    const parsed = (/** @type {string} */ id) => JSON.parse(text(id, made('demo'), true));
    const claude = parsed('claude-desktop').mcpServers['slug-1'];
    assert.deepEqual(claude.args.slice(-2), ['--header', ['Authorization:$', '{AUTH_HEADER}'].join('')]);
    assert.equal(claude.env.AUTH_HEADER, 'Bearer YOUR_TOKEN');
    assert.equal(parsed('cursor').mcpServers['slug-1'].headers.Authorization, 'Bearer YOUR_TOKEN');
    const { inputs, servers } = parsed('vscode');
    assert.equal(servers['slug-1'].headers.Authorization, `Bearer ${['$', `{input:${inputs[0].id}}`].join('')}`);
    assert.equal(inputs[0].password, true);
    for (const id of ['smolagents', 'python', 'typescript']) {
      assert.match(text(id, made('demo'), true), /YAMCP_HUB_TOKEN.*"YOUR_TOKEN"/, id);
    }
    for (const { text: plain } of snippets(made('demo'))) assert.doesNotMatch(plain, /token|Authorization/i);
  });
});

describe('snippets, run unchanged against a hub', { timeout: 180_000 }, () => {
  /** @type {import('../support/hub.mjs').Hub} */
  let hub;
  /** @type {{name: string, slug: string, sse_url: string, http_url: string}[]} */
  let workspaces;

  before(async () => {
    const all = Object.fromEntries(NAMES.map((name) => [name, ['s']]));
    hub = await startHub({ providers: { s: mock('s') }, workspaces: all, front: false });
    const status = await (await fetch(`${hub.sidecar}/status`)).json();
    workspaces = status.workspaces.map((/** @type {any} */ each) => ({
      ...each,
      sse_url: each.direct_sse_url,
      http_url: each.direct_http_url,
    }));
  });
  after(() => hub.close());

  test('every name has a slug that is valid in the snippets', () => {
    assert.deepEqual(workspaces.map(({ name }) => name).sort(), [...NAMES].sort());
    for (const { slug } of workspaces) assert.match(slug, /^[A-Za-z0-9_-]{1,64}$/);
  });

  test('Python: lists the tools of every workspace', async () => {
    await Promise.all(workspaces.slice(0, 3).map(async (each) => lists(PYTHON, ['-c', text('python', each)])));
  });

  test('TypeScript: lists the tools, with the MCP SDK 1.x', { skip: missing(join(REAL, 'node_modules')) }, async () => {
    const file = join(REAL, `snippet-${process.pid}.mjs`); // beside the SDK, which is found from where a module lies
    writeFileSync(file, text('typescript', workspaces[3]));
    try {
      await lists(process.execPath, [file]);
    } finally {
      rmSync(file);
    }
  });

  test('smolagents: lists the tools, over SSE', { skip: missing(SMOLAGENTS) }, async () => {
    await lists(SMOLAGENTS, ['-c', text('smolagents', workspaces[1])]);
  });
});

describe('snippets, run unchanged against a hub that requires a token', { timeout: 180_000 }, () => {
  const TOKEN = 'the-token-of-this-hub';
  const env = { ...process.env, YAMCP_HUB_TOKEN: TOKEN };
  /** @type {import('../support/run.mjs').Run} */
  let hub;
  /** @type {import('../../../front/server/state/state.mjs').WorkspaceState} */
  let workspace;

  before(async () => {
    hub = await runHub({ providers: { s: mock('s') }, workspaces: { demo: ['s'] }, env: { HUB_TOKEN: TOKEN } });
    [workspace] = (await hub.state()).workspaces;
  });
  after(() => hub.stop());

  test('Python: lists the tools; without the token it is refused', async () => {
    await lists(PYTHON, ['-c', text('python', workspace, true)], env);
    await assert.rejects(run(PYTHON, ['-c', text('python', workspace, true)]), /token is not valid/);
  });

  test('TypeScript: lists the tools, with the MCP SDK 1.x', { skip: missing(join(REAL, 'node_modules')) }, async () => {
    const file = join(REAL, `snippet-token-${process.pid}.mjs`);
    writeFileSync(file, text('typescript', workspace, true));
    try {
      await lists(process.execPath, [file], env);
    } finally {
      rmSync(file);
    }
  });

  test('smolagents: lists the tools, over SSE', { skip: missing(SMOLAGENTS) }, async () => {
    await lists(SMOLAGENTS, ['-c', text('smolagents', workspace, true)], env);
  });
});

/** @param {string} command @param {string[]} args @param {NodeJS.ProcessEnv} [env] */
async function lists(command, args, env = process.env) {
  const { stdout } = await run(command, args, { timeout: 50_000, env });
  assert.match(stdout, /^s_echo - /m);
}

/** Why a test is skipped; CI never skips. @param {string} path */
function missing(path) {
  return !existsSync(path) && !process.env.CI && 'bash tests/real/setup.sh installs what it needs';
}
