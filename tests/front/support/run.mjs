/** The hub as a user runs it: `hubctl run`, with all that this starts, in a temporary directory. Times in ms. */

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import WebSocket from 'ws';
import { freePort, PYTHON, ROOT } from './hub.mjs';

/** @import {State} from '../../../front/server/state/state.mjs' */
/** @typedef {'adapter' | 'sidecar' | 'front' | 'yamcp-ui' | 'watch'} Program */

const MARK = 'TEST_HUB_MARK'; // in the environment of all that belongs to one run
const PATIENCE = 90_000;
const RETRY = 50; // between looks where no event tells
const execute = promisify(execFile);

/** A hub of its own in a directory of its own; made by `runHub`. */
export class Run {
  root = mkdtempSync(join(tmpdir(), 'hub')); // short: Unix sockets lie below it
  yamcpDir = join(this.root, 'yamcp');
  mark = randomBytes(8).toString('hex');
  /** What it wrote to the terminal. */
  text = '';
  /** @type {import('node:child_process').ChildProcess | null} */
  #process = null;

  /** @param {Record<string, string>} env  of the hub, ports included; see `environment` */
  constructor(env) {
    mkdirSync(this.yamcpDir);
    /** @type {Record<string, string>} */
    this.env = {
      HUB_YAMCP_DIR: this.yamcpDir,
      HUB_DATA_DIR: join(this.root, 'data'),
      HUB_RUNTIME_DIR: join(this.root, 'run'),
      HUB_SETTINGS_FILE: join(this.root, 'hub.env'),
      HUB_PASS_ENV: MARK,
      [MARK]: this.mark,
      ...env,
    };
    /** The hub's token, where it wants one. */
    this.token = env.HUB_TOKEN ?? '';
  }

  /** The front's address, where people and clients go. */
  get url() {
    return `http://127.0.0.1:${this.env.HUB_PORT}`;
  }

  /** The sidecar's own address. */
  get sidecarUrl() {
    return `http://127.0.0.1:${this.env.HUB_SIDECAR_PORT}`;
  }

  /** `hubctl run`; resolves when it says where to look at it. */
  async start() {
    const options = { cwd: this.root, env: this.env, detached: true };
    const child = spawn(PYTHON, ['-m', 'hubctl', 'run'], { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#process = child;
    this.text = '';
    const ready = new Promise((resolve, reject) => {
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding('utf8').on('data', (text) => {
          this.text += text;
          if (/^ *Open /m.test(this.text)) resolve(undefined);
        });
      }
      child.once('exit', (code) => reject(new Error(`hubctl run ended with ${code}:\n${this.text}`)));
      setTimeout(() => reject(new Error(`hubctl run is not ready:\n${this.text}`)), PATIENCE).unref();
    });
    await ready.catch((error) => {
      throw new Error(`${error.message}\n${this.logs()}`);
    });
  }

  /** Write YAMCP's providers.json in place, as YAMCP-UI does. */
  writeProviders(/** @type {Record<string, object>} */ providers) {
    writeFileSync(join(this.yamcpDir, 'providers.json'), JSON.stringify(providers, null, 2));
  }

  /** Write YAMCP's workspaces.json in place. */
  writeWorkspaces(/** @type {Record<string, string[]>} */ workspaces) {
    writeFileSync(join(this.yamcpDir, 'workspaces.json'), JSON.stringify(workspaces, null, 2));
  }

  /** One of YAMCP's files as it is now. */
  read(/** @type {'providers' | 'workspaces'} */ name) {
    return JSON.parse(readFileSync(join(this.yamcpDir, `${name}.json`), 'utf8'));
  }

  /** What lets requests pass, where it has a token. @returns {Record<string, string>} */
  get headers() {
    return this.token ? { authorization: `Bearer ${this.token}` } : {};
  }

  /** What pages see now. @returns {Promise<State>} */
  async state() {
    const answer = await fetch(`${this.url}/api/hub/state`, { headers: this.headers });
    assert.equal(answer.status, 200, `/api/hub/state: ${answer.status}`);
    return /** @type {Promise<State>} */ (answer.json());
  }

  /**
   * Wait for a state of the hub, looking again whenever it tells of a change.
   * @param {(state: State) => unknown} wanted what is truthy ends the wait
   * @returns {Promise<State>}
   */
  async until(wanted, timeout = PATIENCE) {
    const deadline = Date.now() + timeout;
    /** @type {State | undefined} */
    let state;
    for (; Date.now() < deadline; await pause(RETRY)) {
      // Another turn only where the front itself is away: nothing tells when a port is listened on.
      const options = { headers: this.headers };
      const socket = new WebSocket(`${this.url.replace('http', 'ws')}/api/hub/live`, options);
      try {
        for await (const _ of told(socket, deadline)) {
          state = await this.state().catch(() => undefined);
          if (!state) break;
          if (await wanted(state)) return state;
        }
      } finally {
        socket.terminate();
      }
    }
    throw new Error(`not within ${timeout} ms: ${wanted}\n${JSON.stringify(state, null, 1)}\n${this.logs()}`);
  }

  /** Restart, stop or start one of its processes, by supervisord. */
  async control(/** @type {'restart' | 'stop' | 'start'} */ verb, /** @type {Program} */ name) {
    const words = ['-m', 'supervisor.supervisorctl', '-c', join(ROOT, 'supervisord.conf'), verb, `hub:${name}`];
    const { stdout } = await execute(PYTHON, words, { env: this.env });
    assert.doesNotMatch(stdout, /ERROR/, stdout);
  }

  /** Restart one of its processes as supervisord does it: TERM, and a new one. */
  restart(/** @type {Program} */ name) {
    return this.control('restart', name);
  }

  /** The process id of one of its programs; 0 while it does not run. */
  async pid(/** @type {Program} */ name) {
    const words = ['-m', 'supervisor.supervisorctl', '-c', join(ROOT, 'supervisord.conf'), 'pid', `hub:${name}`];
    const found = await execute(PYTHON, words, { env: this.env }).catch((/** @type {any} */ error) => error); // it exits with 7
    return Number(found.stdout) || 0;
  }

  /** Another hubctl with the same settings: its stdout. */
  async hubctl(/** @type {string[]} */ ...words) {
    const options = { cwd: this.root, env: this.env };
    return (await execute(PYTHON, ['-m', 'hubctl', ...words], options)).stdout;
  }

  /** All that its processes logged. */
  logs() {
    const directory = join(this.root, 'data', 'logs');
    const names = existsSync(directory) ? readdirSync(directory).sort() : [];
    return names.map((name) => `--- ${name}\n${readFileSync(join(directory, name), 'utf8')}`).join('\n');
  }

  /** Ctrl-C, as a terminal sends it: to the whole group. Nothing may be left running, and it has to end well. */
  async interrupt() {
    const child = this.#process;
    if (!child?.pid || child.exitCode !== null) return;
    const ended = once(child, 'close');
    process.kill(-child.pid, 'SIGINT');
    const late = setTimeout(() => this.#kill(), PATIENCE);
    const [code] = await ended;
    clearTimeout(late);
    this.#process = null;
    assert.equal(code, 0, `hubctl run ended with ${code}:\n${this.text}\n${this.logs()}`);
    for (const end = Date.now() + PATIENCE; Date.now() < end && this.processes().length;) await pause(RETRY);
    assert.deepEqual(this.processes(), [], 'processes that the hub left behind');
  }

  /** `interrupt`, and nothing is left on the disk either, whatever happened. */
  async stop() {
    try {
      await this.interrupt();
    } finally {
      this.#kill();
      rmSync(this.root, { recursive: true, force: true });
    }
  }

  /** Every process that carries the mark of this run. */
  processes() {
    return readdirSync('/proc').flatMap((pid) =>
      isMarked(pid, `${MARK}=${this.mark}`) ? [`${pid} ${command(pid)}`] : [],
    );
  }

  #kill() {
    for (const line of this.processes()) kill(Number.parseInt(line, 10));
  }
}

/**
 * A hub that serves these files, ready and settled. Stop it.
 * @param {{providers?: Record<string, object>, workspaces?: Record<string, string[]>, hub?: object, settle?: boolean,
 *   env?: Record<string, string>}} [options] `hub`: the content of hub.json; `env`: further variables
 */
export async function runHub({ providers = {}, workspaces = {}, hub, settle = true, env = {} } = {}) {
  const run = new Run({ ...(await environment()), ...env });
  try {
    run.writeWorkspaces(workspaces);
    run.writeProviders(providers);
    if (hub) {
      mkdirSync(run.env.HUB_DATA_DIR, { mode: 0o700 });
      writeFileSync(join(run.env.HUB_DATA_DIR, 'hub.json'), JSON.stringify(hub), { mode: 0o600 });
    }
    await run.start();
    if (settle) await run.until((state) => state.hub.settled && state.hub.source === 'adapter');
    return run;
  } catch (error) {
    await run.stop().catch(() => {});
    throw error;
  }
}

/** The environment of a hub: that of here, none of the hub's own variables, and free ports. */
async function environment() {
  const own = Object.entries(process.env).filter(([name, value]) => value !== undefined && !name.startsWith('HUB_'));
  const ports = new Set();
  while (ports.size < 2) ports.add(String(await freePort()));
  const [port, sidecarPort] = ports;
  return {
    .../** @type {Record<string, string>} */ (Object.fromEntries(own)),
    HUB_PORT: port,
    HUB_SIDECAR_PORT: sidecarPort,
    HUB_SEED_DEMO: 'false',
  };
}

/**
 * A turn for the messages of a socket that came since the last, until it ends or the deadline is there.
 * @param {WebSocket} socket
 * @param {number} deadline
 */
async function* told(socket, deadline) {
  const bell = new EventEmitter();
  let news = 0;
  let open = true;
  const end = () => {
    open = false;
    bell.emit('ring');
  };
  const timer = setTimeout(end, Math.max(1, deadline - Date.now()));
  socket.on('close', end);
  socket.on('error', end);
  socket.on('message', () => {
    news += 1;
    bell.emit('ring');
  });
  try {
    while (open) {
      if (!news) await once(bell, 'ring');
      news = 0;
      if (open) yield;
    }
  } finally {
    clearTimeout(timer);
  }
}

/** @param {string} pid @param {string} mark */
function isMarked(pid, mark) {
  if (!/^\d+$/.test(pid)) return false;
  try {
    const state = /\) (\S)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1];
    return state !== 'Z' && readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(mark);
  } catch {
    return false; // it has ended
  }
}

/** @param {string} pid */
function command(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim();
  } catch {
    return '(ended)';
  }
}

/** @param {number} pid */
function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it has ended
  }
}
