/**
 * Detects whether YAMCP-UI runs: one idle connection to it is kept open, whose end shows that the process has ended.
 */

import { connect } from 'node:net';

/** Milliseconds between attempts to connect; there is no event when a port is opened. */
const RETRY_MS = 250;

/** Owns one connection and one timer, from `start` to `close`. */
export class Presence {
  /** @type {import('node:net').Socket | null} */
  #socket = null;
  /** @type {NodeJS.Timeout | null} */
  #timer = null;
  #closed = false;

  /**
   * @param {import('./place.mjs').Place['connect'] | number} where  a number: a port of loopback
   * @param {(there: boolean) => void} tell
   */
  constructor(where, tell) {
    this.where = typeof where === 'number' ? { host: '127.0.0.1', port: where } : where;
    this.tell = tell;
  }

  /** Start to connect, and report each change. */
  start() {
    if (this.#closed) return;
    this.#timer = null;
    let since = 0;
    const socket = connect(this.where);
    this.#socket = socket;
    socket.once('connect', () => {
      since = performance.now();
      this.tell(true);
    });
    socket.on('error', () => {}); // `close` follows
    socket.once('close', () => this.#ended(since));
    socket.resume(); // a server says 408 to a connection that asks for nothing, and ends it
  }

  close() {
    this.#closed = true;
    if (this.#timer) clearTimeout(this.#timer);
    this.#socket?.destroy();
  }

  /** @param {number} since when it was connected (ms); 0: it was not */
  #ended(since) {
    if (this.#closed) return;
    if (!since) this.tell(false);
    const lasted = since ? performance.now() - since : 0;
    this.#timer = setTimeout(() => this.start(), lasted > RETRY_MS ? 0 : RETRY_MS);
  }
}
