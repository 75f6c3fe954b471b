/** A server of the bridge in a Python process of its own, to be killed and stopped (tests/integration/bridge/peer.py). */

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PYTHON, ROOT } from './hub.mjs';

const EMPTY = createHash('sha256').update('{"servers":[],"workspaces":[]}').digest('hex');

/** One address of the bridge in a directory of its own, and whoever serves it now. */
export class Peers {
  root = mkdtempSync(join(tmpdir(), 'peer'));
  address = `ipc://${this.root}/run/x.sock`;
  #log = join(this.root, 'accepted');
  /** @type {Set<import('node:child_process').ChildProcess>} */
  #running = new Set();

  /** Start a server; resolves when it serves. */
  async start() {
    const args = ['-m', 'tests.integration.bridge.peer', this.address, this.#log];
    const child = spawn(PYTHON, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
    this.#running.add(child);
    child.once('close', () => this.#running.delete(child));
    const [said] = await Promise.race([once(child.stdout, 'data'), once(child, 'close').then(() => ['it ended'])]);
    if (!String(said).startsWith('ready')) throw new Error(`the peer did not start: ${said}`);
    return child;
  }

  /** Kill -9, and wait until it is gone. */
  async kill(/** @type {import('node:child_process').ChildProcess} */ child) {
    const closed = once(child, 'close');
    child.kill('SIGKILL');
    await closed;
  }

  /** The revisions of the snapshots that all servers here accepted, in order. */
  accepted() {
    return existsSync(this.#log) ? readFileSync(this.#log, 'utf8').split('\n').filter(Boolean).map(Number) : [];
  }

  /** Kill what runs, and remove the directory. */
  async close() {
    await Promise.all([...this.#running].map((child) => this.kill(child)));
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** The empty desired state, in that revision: the body of an `apply`. */
export function snapshot(/** @type {number} */ revision) {
  return { id: { epoch: 1, revision, hash: EMPTY }, servers: [], workspaces: [] };
}
