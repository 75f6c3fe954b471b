/** A WebSocket that reconnects. */

import { protocols } from './login.mjs';

const FIRST_RETRY_SECONDS = 0.25; // seconds until the first new try; doubled each time
const MAX_RETRY_SECONDS = 5;
const MAX_SILENCE_SECONDS = 25; // seconds without a message (the hub ticks every 10) after which the connection counts as lost

/**
 * @typedef {object} Listener
 * @property {() => void} opened
 * @property {(message: any) => void} received
 * @property {() => void} lost
 */

export class ReconnectingSocket {
  #url;
  #listener;
  #Socket;
  /** @type {WebSocket|null} */
  #socket = null;
  /** @type {any} */
  #timer = null;
  #wait = FIRST_RETRY_SECONDS;
  #closed = false;

  /**
   * Connect at once, and again whenever the connection ends, until `close`.
   *
   * @param {string} url
   * @param {Listener} listener
   * @param {any} [Socket] class to connect with
   */
  constructor(url, listener, Socket = WebSocket) {
    this.#url = url;
    this.#listener = listener;
    this.#Socket = Socket;
    this.#connect();
  }

  /** Send a message; return whether it was sent. Without a connection it is dropped. @param {any} message */
  send(message) {
    if (this.#socket?.readyState !== 1) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  /** Reconnect now, because the network is back, or the user asked for it. */
  retry() {
    if (this.#socket || this.#closed) return;
    clearTimeout(this.#timer);
    this.#wait = FIRST_RETRY_SECONDS;
    this.#connect();
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#drop(this.#socket);
  }

  #connect() {
    /** @type {WebSocket} */
    const socket = new this.#Socket(this.#url, protocols());
    this.#socket = socket;
    socket.onopen = () => {
      this.#listener.opened();
    };
    socket.onmessage = (event) => {
      this.#wait = FIRST_RETRY_SECONDS;
      this.#listen(socket);
      this.#listener.received(JSON.parse(String(event.data)));
    };
    socket.onclose = () => this.#drop(socket);
    this.#listen(socket);
  }

  /** @param {WebSocket} socket */
  #listen(socket) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#drop(socket), MAX_SILENCE_SECONDS * 1000);
  }

  /** @param {WebSocket|null} socket */
  #drop(socket) {
    if (!socket || socket !== this.#socket) return;
    this.#socket = null;
    clearTimeout(this.#timer);
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.onerror = () => {}; // closing one that never opened is an error event of its own
    socket.close();
    if (!this.#closed) this.#later();
    this.#listener.lost();
  }

  #later() {
    this.#timer = setTimeout(() => this.#connect(), this.#wait * 1000 * (0.8 + 0.4 * Math.random()));
    this.#wait = Math.min(MAX_RETRY_SECONDS, this.#wait * 2);
  }
}
