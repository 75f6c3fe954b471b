/** A page as the hub sees it: its live connection, and the State that it maintains. */

import { once } from 'node:events';
import { WebSocket } from 'ws';

/**
 * A page that has the State. Close it.
 *
 * @param {{front: string}} hub
 * @param {import('ws').ClientOptions} [options]
 */
export async function pageOf(hub, options) {
  const page = new Page(new WebSocket(`${hub.front.replace('http', 'ws')}/api/hub/live`, options));
  await page.next('state');
  return page;
}

/** Follows the hub as docs/api.md says that a page does; fails when a change was missed. */
export class Page {
  /** @type {any} */
  state = null;
  seq = -1;
  /** @type {Error | null} */
  #error = null;
  #counts = new Map();
  /** @type {Set<{type: string, fits: (message: any) => boolean, done: (message: any) => void, failed: (error: Error) => void}>} */
  #waiting = new Set();
  #bell = new EventTarget();

  /** @param {WebSocket} socket */
  constructor(socket) {
    this.socket = socket;
    socket.on('message', (data) => this.#take(JSON.parse(String(data))));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', (code) => this.#fail(new Error(`the connection was closed with ${code}`)));
  }

  /** @param {object} message */
  send(message) {
    this.socket.send(JSON.stringify(message));
  }

  /** How many messages of a type came so far. @param {string} type */
  seen(type) {
    return this.#counts.get(type) ?? 0;
  }

  /**
   * The next message of a type.
   * @param {string} type @param {(message: any) => boolean} [fits]
   * @returns {Promise<any>}
   */
  next(type, fits = () => true) {
    return new Promise((resolve, reject) => {
      this.#waiting.add({ type, fits, done: resolve, failed: reject });
    });
  }

  /** Wait until the State is so. @param {(state: any) => boolean} wanted */
  async until(wanted) {
    while (!wanted(this.state)) {
      if (this.#error) throw this.#error;
      await once(this.#bell, 'change');
    }
  }

  /** A moment, that nothing is known to come in. */
  soon() {
    return new Promise((resolve) => setTimeout(() => resolve(null), 50));
  }

  /** Read nothing from now on. */
  freeze() {
    this.socket.pause();
  }

  /** Read again. */
  thaw() {
    this.socket.resume();
  }

  /** Leave. */
  async close() {
    if (this.socket.readyState === WebSocket.CLOSED) return;
    const closed = once(this.socket, 'close');
    this.socket.close();
    await closed;
  }

  /** @param {any} message */
  #take(message) {
    this.#counts.set(message.type, this.seen(message.type) + 1);
    if (message.type === 'state') this.#set(message.state);
    if (message.type === 'change') this.#apply(message);
    for (const one of this.#waiting) {
      if (one.type !== message.type || !one.fits(message)) continue;
      this.#waiting.delete(one);
      one.done(message);
      break;
    }
  }

  /** @param {any} state */
  #set(state) {
    this.state = state;
    this.seq = state.seq;
    this.#bell.dispatchEvent(new Event('change'));
  }

  /** @param {any} change */
  #apply({ seq, hub, workspaces, servers, order }) {
    if (seq !== this.seq + 1) return this.#fail(new Error(`change ${seq} came after ${this.seq}`));
    this.#set({
      seq,
      hub: hub ?? this.state.hub,
      workspaces: merged(this.state.workspaces, workspaces, order.workspaces, 'name'),
      servers: merged(this.state.servers, servers, order.servers, 'key'),
    });
  }

  /** @param {Error} error */
  #fail(error) {
    this.#error = error;
    this.#bell.dispatchEvent(new Event('change'));
    for (const one of this.#waiting) one.failed(error);
    this.#waiting.clear();
  }
}

/** @param {any[]} before @param {any[]} changed @param {string[]} order @param {string} id */
function merged(before, changed, order, id) {
  const items = new Map([...before, ...changed].map((item) => [item[id], item]));
  return order.map((name) => items.get(name));
}
