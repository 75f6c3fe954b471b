/**
 * Records sign-ins, and attempts that were refused: leaves them in the spool, from which the recorder stores them
 * (bridge/history/spool.py has the form of its files).
 */

import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const SUFFIX = '.jsonl';
const END = '{"end":true}\n';
/** Milliseconds between two files, however many attempts there are. */
const PERIOD_MS = 1_000;
/** Attempts that wait for the next file; further ones are counted as lost. */
const MAX_WAITING = 500;
const MAX_NAME = 128; // characters

/** @typedef {{principal: string, address: string, way: 'login' | 'bearer' | 'oidc', outcome: string}} SignIn */

/** Sign-ins that wait to be written. */
export class SignIns {
  /** @type {(SignIn & {at: number})[]} */
  #waiting = [];
  #lost = 0;
  #files = 0;
  /** @type {NodeJS.Timeout | null} */
  #timer = null;
  /** @type {Promise<void>} */
  #writing = Promise.resolve();

  /**
   * @param {{spool: string | null, spoolMaxBytes: number}} settings `spool`: its directory; null: nothing is recorded
   * @param {import('../log.mjs').Log} log
   */
  constructor({ spool, spoolMaxBytes }, log) {
    this.spool = spool;
    this.maxBytes = spoolMaxBytes;
    this.log = log;
  }

  /** Record a sign-in. @param {SignIn} signIn */
  note(signIn) {
    if (this.spool === null) return;
    const principal = signIn.principal.slice(0, MAX_NAME);
    if (this.#waiting.length < MAX_WAITING) this.#waiting.push({ at: Date.now() / 1000, ...signIn, principal });
    else this.#lost += 1;
    this.#timer ??= setTimeout(() => this.flush(), PERIOD_MS).unref();
  }

  /** Write what waits. */
  async flush() {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    this.#writing = this.#writing.then(() => this.#write());
    await this.#writing;
  }

  async #write() {
    const [waiting, lost] = [this.#waiting, this.#lost];
    if (this.spool === null || waiting.length + lost === 0) return;
    this.#waiting = [];
    this.#lost = 0;
    const text = `${JSON.stringify({ sign_ins: waiting, lost })}\n${END}`;
    try {
      await mkdir(this.spool, { recursive: true, mode: 0o700 });
      if ((await sizeOf(this.spool)) + text.length > this.maxBytes) throw new Error('the spool is full');
      await putFile(this.spool, this.#name(), text);
    } catch (error) {
      this.#lost += waiting.length + lost; // the next file says so
      this.log.warning('sign-ins could not be recorded', { why: error instanceof Error ? error.message : '' });
    }
  }

  /** A name that no file of the spool has had. Names sort in the order of writing. */
  #name() {
    this.#files += 1;
    return `${String(Date.now()).padStart(13, '0')}-front-${process.pid}-${String(this.#files).padStart(6, '0')}${SUFFIX}`;
  }
}

/** Put a complete file into a directory. @param {string} directory @param {string} name @param {string} text */
async function putFile(directory, name, text) {
  const part = join(directory, `${name}.part`);
  try {
    await writeFile(part, text, { mode: 0o600, flag: 'wx' });
    await rename(part, join(directory, name));
  } catch (error) {
    await rm(part, { force: true }); // half of it, on a full disk; each second there would be another
    throw error;
  }
}

/** Return the bytes of the files in a spool. @param {string} directory */
async function sizeOf(directory) {
  const names = (await readdir(directory)).filter((name) => name.endsWith(SUFFIX));
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(directory, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
