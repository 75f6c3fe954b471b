/** The hub's image in a container, as docs say to run it, only harder: read-only, without capabilities. Times in ms. */

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { on, once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import WebSocket from 'ws';
import { freePort } from '../../front/support/hub.mjs';

const execute = promisify(execFile);
const PATIENCE = 60_000;
const LOOK = 50; // between looks where no event tells
const NOISE = /^time="[^"]*" level=error msg=".*(systemd|healthcheck).*"\n?/gm; // podman's, where there is no systemd
const { TEST_IMAGE_ENGINE = 'docker', TEST_IMAGE_LABEL = 'yamcp-hub.test=by-hand', ...environment } = process.env;
const ENGINE = TEST_IMAGE_ENGINE.split('\n');

/** The images that tests/container/run.sh has built. */
export const IMAGES = { console: environment.TEST_IMAGE_CONSOLE ?? '', standin: environment.TEST_IMAGE_STANDIN ?? '' };
/** What must be in no image. */
export const MARKER = environment.TEST_IMAGE_MARKER ?? '';

/** The engine's stdout. @param {string[]} words */
export async function engine(...words) {
  const [command, ...options] = ENGINE;
  const { stdout } = await execute(command, [...options, ...words], { cwd: '/', maxBuffer: 1 << 26 });
  return stdout;
}

/** A process of the engine. @param {string[]} words */
export function engineProcess(...words) {
  const [command, ...options] = ENGINE;
  return spawn(command, [...options, ...words], { cwd: '/', stdio: ['pipe', 'pipe', 'inherit'] });
}

/** A volume of its own; run.sh removes it. @param {string} name */
export async function volume(name) {
  const full = `yamcp-hub-test-${process.pid}-${name}`;
  await engine('volume', 'create', '--label', TEST_IMAGE_LABEL, full);
  return full;
}

/** A container of one of the images. */
export class Container {
  /** @param {string} id @param {number} port @param {number} since */
  constructor(id, port, since) {
    this.id = id;
    this.url = `http://127.0.0.1:${port}`;
    /** When it was started, as performance.now() says it. */
    this.since = since;
  }

  /**
   * Start one, and wait until it is healthy.
   * @param {string} image
   * @param {{data: string, options?: string[]}} how  `data`: what is mounted at /data
   */
  static async run(image, { data, options = [] }) {
    const port = await freePort();
    const hardening = ['--read-only', '--tmpfs', '/tmp', '--cap-drop', 'all', '--security-opt', 'no-new-privileges'];
    const limits = ['--memory', '1g', '--pids-limit', '512', '--label', TEST_IMAGE_LABEL];
    const published = ['-p', `127.0.0.1:${port}:8765`, '-e', `HUB_PUBLIC_URL=http://127.0.0.1:${port}`];
    const words = ['-d', ...hardening, ...limits, ...published, '-v', `${data}:/data`, ...options, image];
    const since = performance.now();
    const container = new Container((await engine('run', ...words)).trim(), port, since);
    await container.healthy();
    return container;
  }

  /** Wait until its HEALTHCHECK passes; resolves to the time since its start. */
  async healthy() {
    const check = ['node', '/opt/yamcp-hub/container/healthcheck.mjs']; // asked here, as engines do it in intervals
    for (const end = performance.now() + PATIENCE; performance.now() < end; await pause(LOOK)) {
      const ended = await fetch(`${this.url}/healthz`).then(
        (answer) => answer.ok,
        () => false,
      );
      if (ended) {
        const took = performance.now() - this.since;
        assert.equal(JSON.parse(await this.exec(...check)).status, 'ok');
        return took;
      }
    }
    throw new Error(
      `not healthy:\n${await this.logs()}\n${await this.exec('sh', '-c', 'tail -n 20 /data/hub/logs/*')}`,
    );
  }

  /** The stdout of a command in it. @param {string[]} words */
  exec(...words) {
    return engine('exec', this.id, ...words);
  }

  /** Run a Python program in it, with that on its stdin: its stdout. @param {string} program @param {string} [input] */
  async python(program, input = '') {
    const child = engineProcess('exec', '-i', this.id, 'python3', '-c', program);
    child.stdin.end(input);
    const text = (await child.stdout.setEncoding('utf8').toArray()).join('');
    if (child.exitCode === null) await once(child, 'close');
    assert.equal(child.exitCode, 0, `python3 in the container: ${text}`);
    return text;
  }

  /** Write one of its files, in place. @param {string} path @param {unknown} content */
  async write(path, content) {
    const program = `import sys; open(${JSON.stringify(path)}, "w").write(sys.stdin.read())`;
    await this.python(program, JSON.stringify(content));
  }

  /** What it wrote to stdout and stderr, as `docker logs` has it. */
  async logs() {
    const [command, ...options] = ENGINE;
    const { stdout, stderr } = await execute(command, [...options, 'logs', this.id], { cwd: '/' });
    return stdout + stderr.replace(NOISE, '');
  }

  /**
   * Wait until those servers are ready.
   * @param {string} token
   * @param {string[]} keys
   */
  async serversReady(token, keys) {
    const headers = { authorization: `Bearer ${token}` };
    const signal = AbortSignal.timeout(2 * PATIENCE);
    const socket = new WebSocket(`${this.url.replace('http', 'ws')}/api/hub/live`, { headers });
    const end = () => socket.terminate();
    signal.addEventListener('abort', end);
    try {
      await once(socket, 'open');
      for await (const _ of on(socket, 'message', { signal, close: ['close'] })) {
        const { servers } = await (await fetch(`${this.url}/api/hub/state`, { headers })).json();
        const ready = servers.filter((/** @type {any} */ { state }) => state === 'ready');
        if (keys.every((key) => ready.some((/** @type {any} */ found) => found.key === key))) return;
      }
      throw new Error('the hub has gone');
    } catch (error) {
      const told = `${await this.exec('hubctl', 'status')}\n${await this.exec('hubctl', 'logs')}`;
      throw new Error(`not ready: ${error}\n${told}`, { cause: error });
    } finally {
      signal.removeEventListener('abort', end);
      end();
    }
  }

  /** `docker stop`: its exit code, and how long it took. */
  async stop() {
    const start = performance.now();
    await engine('stop', '-t', '30', this.id);
    const took = performance.now() - start;
    return { took, code: Number(await engine('inspect', '--format', '{{.State.ExitCode}}', this.id)) };
  }

  /** `docker start`, and wait until it is healthy. */
  async start() {
    this.since = performance.now();
    await engine('start', this.id);
    return this.healthy();
  }

  async remove() {
    await engine('rm', '-f', this.id);
  }

  /** Watch for zombies from now on: those that nobody reaped for half a second; end it to be told which. */
  watchZombies() {
    const child = engineProcess('exec', '-i', this.id, 'python3', '-c', ZOMBIES);
    const told = child.stdout.setEncoding('utf8').toArray();
    const looking = once(child.stdout, 'readable');
    return {
      looking,
      end: async () => {
        child.stdin.end();
        const [first, rest] = (await told).join('').split('\n');
        assert.equal(first, 'looking');
        return JSON.parse(rest);
      },
    };
  }

  /** Memory of each of its processes, in bytes (PSS). @returns {Promise<[string, number][]>} */
  async memory() {
    return JSON.parse(await this.python(MEMORY));
  }
}

const ZOMBIES = `
import glob, json, select, sys, time
seen, found = {}, []
print("looking", flush=True)
while not select.select([sys.stdin], [], [], 0.05)[0]:
    now = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            text = open(path).read()
        except OSError:
            continue
        fields = text[text.rindex(")") + 2:].split()
        if fields[0] == "Z":
            key = text[:text.rindex(")") + 1] + " started " + fields[19]
            now[key] = seen.get(key, time.monotonic())
            if time.monotonic() - now[key] > 0.5 and key not in found:
                found.append(key)
    seen = now
print(json.dumps(found))
`;

const MEMORY = `
import glob, json, os, re
rows = []
for path in glob.glob("/proc/[0-9]*"):
    if path == "/proc/%d" % os.getpid():
        continue
    try:
        name = open(path + "/cmdline").read().replace("\\0", " ").strip()
        rows.append((name, int(re.search(r"^Pss: +(\\d+)", open(path + "/smaps_rollup").read(), re.M)[1]) * 1024))
    except OSError:
        continue
print(json.dumps(rows))
`;
