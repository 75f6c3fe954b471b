/** The stand-in against the real YAMCP-UI: the same requests, and whether answers and files have the same form.
 * Run by `make test-yamcp-ui HUB_YAMCP_UI_DIR=<dir>`; without TEST_YAMCP_UI_DIR it is skipped. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { freePort } from '../front/support/hub.mjs';
import { STANDIN } from '../front/support/yamcp_ui.mjs';

const REAL = process.env.TEST_YAMCP_UI_DIR;
const STDIO = { type: 'stdio', command: 'npx', args: ['-y', 'x'], env: { TOKEN: 'a b' } };
const LOG = [{ timestamp: '2026-01-01T00:00:00.000Z', level: 'info', message: 'one' }, 'no record'];

/** Method, path, body (a string is sent as it is). @type {[string, string, unknown?][]} */
const REQUESTS = [
  ['GET', '/api/stats'],
  ['GET', '/api/servers'],
  ['GET', '/api/workspaces'],
  ['GET', '/api/logs'],
  ['GET', '/api/log-files'],
  ['GET', '/api/config/providers'],
  ['GET', '/api/config/workspaces'],
  ['POST', '/api/servers', { name: 'a', ...STDIO }],
  ['POST', '/api/servers', { name: 'b ü/?', type: 'sse', url: 'http://127.0.0.1:9/sse' }],
  ['POST', '/api/servers', { name: 'c', type: 'stdio', command: 'true' }],
  ['POST', '/api/servers', {}],
  ['POST', '/api/workspaces', { name: 'w', servers: ['a', 'c', 'nobody'] }],
  ['POST', '/api/workspaces', { name: '../servers/a', servers: ['a'] }],
  ['POST', '/api/workspaces', { name: 'none', servers: [] }],
  ['GET', '/api/stats'],
  ['GET', '/api/servers'],
  ['GET', '/api/workspaces'],
  ['PUT', '/api/servers/a', { name: 'a', namespace: 'renamed', ...STDIO, args: ['x'] }],
  ['PUT', '/api/servers/c', { name: 'other', namespace: 'c', ...STDIO }],
  ['PUT', '/api/servers/c', { name: 'named', ...STDIO }],
  ['PUT', '/api/servers/nobody', { name: 'nobody', ...STDIO }],
  ['PUT', '/api/workspaces/w', { name: 'v', servers: ['renamed'] }],
  ['PUT', '/api/workspaces/v', { servers: ['renamed', 'named'] }],
  ['PUT', '/api/workspaces/nobody', { name: 'x', servers: [] }],
  ['DELETE', '/api/workspaces/..%2Fservers%2Fa'],
  ['DELETE', '/api/workspaces/nobody'],
  ['DELETE', `/api/servers/${encodeURIComponent('b ü/?')}`],
  ['DELETE', '/api/workspaces/'],
  ['POST', '/api/servers/named/start'],
  ['POST', '/api/servers/nobody/stop'],
  ['POST', '/api/workspaces/v/start'],
  ['POST', '/api/workspaces/v/stop'],
  ['GET', '/api/log-files/w_01234567/combined.log'],
  ['GET', '/api/log-files/w_01234567/nothing.log'],
  ['PUT', '/api/config/workspaces', { v: ['named'], broken: null }],
  ['GET', '/api/workspaces'],
  ['POST', '/api/workspaces', { name: 'ok', servers: ['named'] }],
  ['PUT', '/api/config/workspaces', []],
  ['GET', '/api/config/workspaces'],
  ['PUT', '/api/config/workspaces', ''],
  ['PUT', '/api/config/workspaces', '{"a": '],
  ['PUT', '/api/config/workspaces', '"text"'],
  ['PUT', '/api/config/workspaces', { big: 'x'.repeat(110_000) }],
  ['PUT', '/api/config/providers', { flat: { command: 'x' } }],
  ['GET', '/api/servers'],
  ['PATCH', '/api/servers/a', {}],
  ['POST', '/api/unknown', {}],
  ['GET', '/api/unknown'],
  ['GET', '/workspaces'],
  ['HEAD', '/'],
  ['GET', '/api/servers/%E0%A4%A'],
];

/** One of the two, with files of its own. */
class Program {
  root = mkdtempSync(join(tmpdir(), 'ui'));
  /** @type {import('node:child_process').ChildProcess | null} */
  process = null;
  port = 0;

  /** @param {string} directory */
  async start(directory) {
    this.port = await freePort();
    mkdirSync(join(this.root, 'data/yamcp-nodejs'), { recursive: true });
    mkdirSync(join(this.root, 'state/yamcp-nodejs/w_01234567'), { recursive: true });
    const lines = LOG.map((line) => (typeof line === 'string' ? line : JSON.stringify(line)));
    writeFileSync(join(this.root, 'state/yamcp-nodejs/w_01234567/combined.log'), `${lines.join('\n')}\n`);
    const env = {
      PATH: process.env.PATH,
      HOME: this.root,
      PORT: String(this.port),
      NODE_OPTIONS: '--dns-result-order=ipv4first',
      XDG_DATA_HOME: join(this.root, 'data'),
      XDG_STATE_HOME: join(this.root, 'state'),
    };
    this.process = spawn(process.execPath, ['server.mjs'], {
      cwd: directory,
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const output = /** @type {import('node:stream').Readable} */ (this.process.stdout);
    for await (const text of output.iterator({ destroyOnReturn: false })) if (/running on/.test(String(text))) break;
    output.resume();
  }

  async stop() {
    if (this.process && this.process.exitCode === null) {
      const ended = once(this.process, 'exit');
      this.process.kill('SIGKILL');
      await ended;
    }
    rmSync(this.root, { recursive: true, force: true });
  }

  /** @param {string} method @param {string} path @param {unknown} body */
  async ask(method, path, body) {
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
    const headers = text === undefined ? undefined : { 'content-type': 'application/json' };
    const answer = await fetch(`http://localhost:${this.port}${path}`, { method, headers, body: text });
    const content = await answer.text();
    const type = (answer.headers.get('content-type') ?? '').split(';')[0];
    return {
      status: answer.status,
      type,
      form: type === 'application/json' ? formOf(JSON.parse(content)) : typeof content,
    };
  }

  /** Both files as they are. */
  files() {
    return ['providers', 'workspaces'].map((name) => {
      const path = join(this.root, `data/yamcp-nodejs/${name}.json`);
      return existsSync(path) ? readFileSync(path, 'utf8') : null;
    });
  }
}

/** Keys and types of a value, without its texts and numbers. @param {unknown} value @returns {unknown} */
function formOf(value) {
  if (Array.isArray(value)) return value.map(formOf);
  if (typeof value !== 'object' || value === null) return value === null ? 'null' : typeof value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, formOf(item)]));
}

const skip = REAL ? false : 'TEST_YAMCP_UI_DIR is not set';
const [standin, real] = [new Program(), new Program()];
before(async () => {
  if (REAL) await Promise.all([standin.start(STANDIN), real.start(REAL)]);
});
after(() => Promise.all([standin.stop(), real.stop()]));

test(
  'the stand-in answers each request in the form that YAMCP-UI does, and writes the same files',
  {
    skip,
  },
  async (t) => {
    for (const [method, path, body] of REQUESTS) {
      const shown = `${method} ${path} ${(JSON.stringify(body) ?? '').slice(0, 60)}`;
      const [ours, theirs] = [await standin.ask(method, path, body), await real.ask(method, path, body)];
      assert.deepEqual(ours, theirs, shown);
      assert.deepEqual(standin.files(), real.files(), `files after ${shown}`);
    }
    t.diagnostic(`${REQUESTS.length} requests compared`);
  },
);

test('both refuse what does not come from loopback by name', { skip }, async () => {
  const { request } = await import('node:http');
  for (const program of [standin, real]) {
    const asked = request({
      port: program.port,
      host: '127.0.0.1',
      path: '/api/stats',
      headers: { host: 'evil.example' },
    });
    asked.end();
    const [answer] = await once(asked, 'response');
    answer.resume();
    assert.equal(answer.statusCode, 403);
  }
});
