/** The bridge over ZeroMQ: a DEALER that mends itself, and SUB sockets, on `ipc://` addresses. */

import { setImmediate } from 'node:timers/promises';
import { Dealer, Subscriber } from 'zeromq';
import { MAX_BYTES } from './codec.mjs';
import { BridgeError } from './errors.mjs';

/** Messages that a socket keeps for a peer who does not read, or of one who writes faster than we read. */
const QUEUE = 10_000;
const UNIX_PATH_LIMIT = 107; // sun_path of unix(7), less the closing NUL
const OPTIONS = {
  linger: 0,
  receiveHighWaterMark: QUEUE,
  maxMessageSize: 2 * MAX_BYTES,
  reconnectInterval: 20, // ms
  reconnectMaxInterval: 80,
};

/**
 * Whom a dealer reports to; none of these may throw.
 * @typedef {object} Link
 * @property {() => void} up the server can be reached
 * @property {() => void} down the connection ended; what was sent and not answered will not be
 * @property {(data: Buffer) => void} message the server sent this
 */

/**
 * @param {string} address
 * @returns {string} the address
 * @throws {BridgeError} BRIDGE_ADDRESS: not an ipc address, not absolute, or longer than a Unix socket's path may be
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
 * @param {readonly string[]} topics asked for in sorted order, now and after each reconnect
 */
export function subscribed(address, topics) {
  const socket = new Subscriber({ ...OPTIONS });
  socket.subscribe(...[...topics].sort());
  socket.connect(checked(address));
  return socket;
}

/** A DEALER. Each connection gets a socket of its own, so that nothing left over from one is sent on the next. */
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
   * Connects at once, and again after each loss, until closed.
   * @param {string} address
   * @param {Link} link
   */
  constructor(address, link) {
    this.#address = checked(address);
    this.#link = link;
    this.#running = this.#run();
  }

  /**
   * Hand over a message; null when there is no connection.
   * @param {Buffer} data
   * @returns {Promise<void> | null} rejects when it was not taken after all
   */
  send(data) {
    return this.#connected && this.#socket ? this.#socket.send(data) : null;
  }

  /** End the connection, and wait until its sockets are gone. */
  async close() {
    this.#closed = true;
    this.#socket?.close();
    await this.#running;
  }

  async #run() {
    while (!this.#closed) {
      // `immediate` keeps what was not sent from going out on a connection that ZeroMQ makes before we are told of the loss
      const socket = new Dealer({ ...OPTIONS, sendHighWaterMark: QUEUE, immediate: true, sendTimeout: 0 });
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
   * One connection, from its making to the last event of its socket. All events are read to the end: ZeroMQ's own
   * thread would wait for us to take them.
   * @param {Dealer} socket
   */
  async #connection(socket) {
    const { events } = socket;
    socket.connect(this.#address);
    let reading;
    for await (const { type } of events) {
      if (type === 'handshake' && !reading && !socket.closed) {
        reading = this.#read(socket); // first, as it makes the socket take note of its connection
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

  /** Wait until what had come before the connection ended is read. */
  async #drained() {
    for (let before = -1; before !== this.#received;) {
      before = this.#received;
      await setImmediate();
      await setImmediate();
    }
  }
}
