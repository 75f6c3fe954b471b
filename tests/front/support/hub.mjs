/** A hub of its own for a test: adapter, sidecar and (if wanted) front as real processes, in a temporary directory. */

import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { frontSettings, VARIABLE } from './settings.mjs';

export const ROOT = resolve(import.meta.dirname, '../../..');
export const PYTHON = join(ROOT, '.venv/bin/python');
const MOCK = join(ROOT, 'demo_servers/mock/server.py');
const FRONT = join(ROOT, 'front/server/main.mjs');
const POLL = 50; // ms between looks while a hub starts, before there is an event to wait for
const PATIENCE = 90_000; // ms

/** @typedef {'adapter'|'sidecar'|'recorder'|'front'} Name */
/** @typedef {Record<string, unknown>} Entry  one of providers.json */

/**
 * A port of the loopback interface that nobody listens on, and that no other Node test process gets while this one runs:
 * they run side by side, and a program that is given a port may take seconds until it listens there. The Python tests
 * take theirs from 20 000 upwards (tests/support/hub.py).
 *
 * @returns {Promise<number>}
 */
export async function freePort() {
  for (;;) {
    const port = randomInt(10_000, 20_000);
    // An abstract Unix socket (Linux), of which no file is left when the process ends.
    const lock = await listening({ path: `\0yamcp-hub-test-port-${port}` });
    const probe = lock && (await listening({ port, host: '127.0.0.1' }));
    if (!probe) continue;
    await new Promise((done) => void probe.close(done));
    return port;
  }
}

/**
 * A server that keeps no process alive, or null where the address is taken.
 *
 * @param {import('node:net').ListenOptions} address
 */
async function listening(address) {
  const server = createServer().unref();
  return new Promise((/** @type {(server: import('node:net').Server | null) => void} */ done) => {
    server.once('error', () => done(null));
    server.listen(address, () => done(server));
  });
}

/**
 * An entry of providers.json for a server that runs as a process.
 *
 * @param {string} namespace
 * @param {string} command
 * @param {string[]} args
 * @param {Record<string, string>} env  what makes definitions differ: the hub shares one process among equal ones
 * @returns {Entry}
 */
export function stdio(namespace, command, args = [], env = {}) {
  return { namespace, type: 'stdio', providerParameters: { command, args, env: { TEST_SERVER: namespace, ...env } } };
}

/** An entry for the mock server that the project ships, with its flags. */
export const mock = (/** @type {string} */ namespace, /** @type {string[]} */ ...flags) =>
  stdio(namespace, PYTHON, [MOCK, ...flags]);

/** The processes of one hub and their directory; made by `startHub`. */
export class Hub {
  /** @type {Map<Name, import('node:child_process').ChildProcess>} */
  #processes = new Map();

  /** @param {string} root @param {Record<string, string>} env */
  constructor(root, env) {
    this.root = root;
    this.env = env;
    this.yamcpDir = join(root, 'yamcp');
    mkdirSync(this.yamcpDir);
  }

  /** The front's address. */
  get front() {
    return `http://127.0.0.1:${this.env.HUB_PORT}`;
  }

  /** The sidecar's own address. */
  get sidecar() {
    return `http://127.0.0.1:${this.env.HUB_SIDECAR_PORT}`;
  }

  /** Write YAMCP's files in place, workspaces first, as YAMCP-UI does. */
  write(/** @type {Record<string, Entry>=} */ providers, /** @type {Record<string, string[]>=} */ workspaces) {
    const put = (/** @type {string} */ file, /** @type {unknown} */ value) =>
      writeFileSync(join(this.yamcpDir, file), JSON.stringify(value, null, 2));
    if (workspaces) put('workspaces.json', workspaces);
    if (providers) put('providers.json', providers);
  }

  /** Start one process; what it writes goes on in `log(name)`. */
  start(/** @type {Name} */ name) {
    const [command, args] =
      name === 'front' ? [process.execPath, [FRONT]] : [PYTHON, ['-m', name === 'adapter' ? 'yamcp_ui_adapter' : name]];
    const env = name === 'front' ? { ...this.env, [VARIABLE]: frontSettings(this.env) } : this.env;
    const child = spawn(command, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const log = createWriteStream(join(this.root, `${name}.log`), { flags: 'a' });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    child.once('close', () => log.end());
    this.#processes.set(name, child);
  }

  /** End a process and wait until it has ended. */
  async stop(/** @type {Name} */ name, /** @type {NodeJS.Signals} */ signal = 'SIGTERM') {
    const child = this.#processes.get(name);
    this.#processes.delete(name);
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'close');
    child.kill(signal);
    const late = setTimeout(() => child.kill('SIGKILL'), PATIENCE);
    await ended;
    clearTimeout(late);
  }

  /** The process id. */
  pid(/** @type {Name} */ name) {
    return this.#processes.get(name)?.pid;
  }

  /** All that a process wrote. */
  log(/** @type {Name} */ name) {
    return readFileSync(join(this.root, `${name}.log`), 'utf8');
  }

  /**
   * Ask until the answer is as wanted. For starts only: later there are events.
   *
   * @template T
   * @param {string} url
   * @param {(body: any) => T} wanted  what is truthy ends the wait
   */
  async waitJson(url, wanted, patience = PATIENCE) {
    const deadline = Date.now() + patience;
    let last = 'nothing';
    while (Date.now() < deadline) {
      for (const [name, child] of this.#processes) {
        if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}:\n${this.log(name)}`);
      }
      try {
        const body = await (await fetch(url, { signal: AbortSignal.timeout(2000) })).json();
        last = JSON.stringify(body);
        if (wanted(body)) return body;
      } catch (error) {
        last = String(error);
      }
      await pause(POLL);
    }
    throw new Error(`${url} did not answer as wanted within ${patience} ms; last: ${last}`);
  }

  /** Wait until the sidecar has applied what the adapter read, and no server is starting. */
  async settled() {
    await this.waitJson(`${this.sidecar}/status`, (status) => status.settled && status.source === 'adapter');
    if (this.#processes.has('front')) await this.waitJson(`${this.front}/api/hub/state`, (state) => state.hub.settled);
  }

  /** End every process and remove the directory. */
  async close() {
    await this.stop('front');
    await Promise.all([this.stop('adapter'), this.stop('sidecar')]);
    await this.stop('recorder');
    rmSync(this.root, { recursive: true, force: true });
  }
}

/**
 * A hub that serves these files, settled. Close it.
 *
 * @param {{providers?: Record<string, Entry>, workspaces?: Record<string, string[]>, front?: boolean, settle?: boolean,
 *          history?: boolean, env?: Record<string, string>}} options `history`: with the recorder; without it, nothing is
 *   recorded
 */
export async function startHub({ providers, workspaces, front = true, settle = true, history = false, env } = {}) {
  const root = mkdtempSync(join(tmpdir(), 'hub'));
  const hub = new Hub(root, {
    ...(await environment(root)),
    HUB_HISTORY: history ? 'on' : 'off',
    ...env,
  });
  try {
    hub.write(providers ?? {}, workspaces ?? {});
    hub.start('adapter');
    hub.start('sidecar');
    if (history) hub.start('recorder');
    if (front) hub.start('front');
    if (settle) await hub.settled();
    return hub;
  } catch (error) {
    await hub.close();
    throw error;
  }
}

/** @param {string} root @returns {Promise<Record<string, string>>} */
async function environment(root) {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('HUB_'));
  return {
    .../** @type {Record<string, string>} */ (Object.fromEntries(own)),
    HUB_PORT: String(await freePort()),
    HUB_SIDECAR_PORT: String(await freePort()),
    HUB_YAMCP_DIR: join(root, 'yamcp'),
    HUB_DATA_DIR: join(root, 'data'),
    HUB_RUNTIME_DIR: join(root, 'run'),
    HUB_SETTINGS_FILE: join(root, 'hub.env'),
    HUB_SEED_DEMO: 'false',
  };
}
