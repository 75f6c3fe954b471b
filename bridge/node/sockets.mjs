/** The sockets of the bridge over ZeroMQ: a DEALER that reconnects, and SUB, on `ipc://` addresses. */

import { setImmediate } from 'node:timers/promises';
import { Dealer, Subscriber } from 'zeromq';
import { MAX_BYTES } from './codec.mjs';
import { BridgeError } from './errors.mjs';

/** Messages that a socket queues for a peer that does not read, or of one that writes faster than we read. */
const HIGH_WATER_MARK = 10_000;
const UNIX_PATH_LIMIT = 107; // sun_path of unix(7), less the closing NUL
const OPTIONS = {
  linger: 0,
  receiveHighWaterMark: HIGH_WATER_MARK,
  maxMessageSize: 2 * MAX_BYTES,
  reconnectInterval: 20, // ms
  reconnectMaxInterval: 80,
};

/**
 * The callbacks of a dealer; none of them may throw.
 * @typedef {object} Link
 * @property {() => void} up called when a connection is established
 * @property {() => void} down called when the connection has ended: unanswered messages will not be answered
 * @property {(data: Buffer) => void} message called with each message of the server
 */

/**
 * @param {string} address
 * @returns {string} the address
 * @throws {BridgeError} BRIDGE_ADDRESS: not an ipc address, not absolute, or too long for the path of a Unix socket
 */
export function checked(address) {
  const path = /^ipc:\/\/(\/.*)$/s.exec(address)?.[1];
  if (!path) throw new BridgeError('BRIDGE_ADDRESS', `'${address}' is not of the form ipc:///path.`);
  if (Buffer.byteLength(path) > UNIX_PATH_LIMIT) {
    const message = `${path} is longer than the ${UNIX_PATH_LIMIT} bytes of a Unix socket's path.`;
    throw new BridgeError('BRIDGE_ADDRESS', message);
  }
  return address;
}

/**
 * A connected SUB; the caller closes it.
 * @param {string} address
 * @param {readonly string[]} topics subscribed to in sorted order, now and after each reconnect
 */
export function subscribed(address, topics) {
  const socket = new Subscriber({ ...OPTIONS });
  socket.subscribe(...[...topics].sort());
  socket.connect(checked(address));
  return socket;
}

/** A DEALER. Each connection has a new socket, so that messages queued for one are never sent over the next. */
export class DealerEnd {
  #address;
  #link;
  #closed = false;
  #received = 0;
  /** @type {Dealer | null} the socket in use, connected or not yet */
  #socket = null;
  #connected = false;
  #running;

  /**
   * Connects at once, and reconnects after each loss, until closed.
   * @param {string} address
   * @param {Link} link
   */
  constructor(address, link) {
    this.#address = checked(address);
    this.#link = link;
    this.#running = this.#run();
  }

  /**
   * Queue a message; null if there is no connection.
   * @param {Buffer} data
   * @returns {Promise<void> | null} rejected if ZeroMQ does not accept it
   */
  send(data) {
    return this.#connected && this.#socket ? this.#socket.send(data) : null;
  }

  /** End the connection, and wait until its sockets are closed. */
  async close() {
    this.#closed = true;
    this.#socket?.close();
    await this.#running;
  }

  async #run() {
    while (!this.#closed) {
      // `immediate` prevents unsent messages from going out over a reconnection that precedes the event of the loss
      const socket = new Dealer({ ...OPTIONS, sendHighWaterMark: HIGH_WATER_MARK, immediate: true, sendTimeout: 0 });
      this.#socket = socket;
      try {
        await this.#connection(socket);
      } finally {
        this.#socket = null;
        socket.close();
      }
    }
  }

  /**
   * Run one connection until the last event of its socket. All events have to be read, as ZeroMQ's own thread would
   * otherwise block.
   * @param {Dealer} socket
   */
  async #connection(socket) {
    const { events } = socket;
    socket.connect(this.#address);
    let reading;
    for await (const { type } of events) {
      if (type === 'handshake' && !reading && !socket.closed) {
        reading = this.#read(socket); // first, as reading makes the socket process its connection
        this.#connected = true;
        this.#link.up();
      } else if (type === 'disconnect' && this.#connected) {
        this.#connected = false;
        await this.#drained();
        socket.close();
      }
    }
    this.#connected = false;
    if (reading) {
      await reading;
      this.#link.down();
    }
  }

  /** @param {Dealer} socket */
  async #read(socket) {
    for (;;) {
      let frames;
      try {
        frames = await socket.receive();
      } catch {
        return socket.close();
      }
      this.#received += 1;
      this.#link.message(frames[0]);
    }
  }

  /** Wait until all messages that arrived before the end of the connection are read. */
  async #drained() {
    for (let before = -1; before !== this.#received;) {
      before = this.#received;
      await setImmediate();
      await setImmediate();
    }
  }
}
