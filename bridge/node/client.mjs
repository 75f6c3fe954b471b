/** The client of the bridge: requests with deadlines over a connection that reconnects. */

import { decode, encode, newSession } from './codec.mjs';
import { BridgeError } from './errors.mjs';
import { answerBody, kindOf } from './kinds.mjs';
import { Pending } from './pending.mjs';
import { DealerEnd } from './sockets.mjs';

/** @import {Answers, Author, Envelope, Requests} from './types.mjs' */

export const MAX_PENDING = 512;
const DEFAULT_TIMEOUT = 5; // s

/**
 * @typedef {object} ClientOptions
 * @property {number} [maxPending] unanswered requests at a time; further ones wait, within their deadlines
 * @property {string} [session] identifies this run of the process
 * @property {(session: string) => void} [onPeer] called with the session of each new run of the server
 * @property {(connected: boolean) => void} [onConnection] called when a connection is established, and when it has ended
 * @property {(message: string, fields: Record<string, unknown>) => void} [onWarning] called with warnings for the log
 */

/**
 * Sends requests to the server at an address. Connects, and reconnects after each loss, until closed.
 *
 * Requests are sent in order. Without a connection they wait, within their deadlines. When the connection ends, requests
 * without an answer are sent again if they are repeatable, and fail otherwise.
 */
export class BridgeClient {
  /** @type {string | null} the session of the server's run that answered last */
  peerSession = null;
  connected = false;
  #options;
  #dealer;
  #closed = false;
  #nextId = 1;
  /** @type {Set<Pending>} without a slot yet */
  #waiting = new Set();
  /** @type {Map<string, Pending>} each has a slot, in order of their ids */
  #pending = new Map();
  /** @type {Set<Pending>} of those, the ones to be sent, in order */
  #unsent = new Set();
  /** @type {Set<() => void>} */
  #meetings = new Set();
  #greeting = new AbortController();

  /**
   * @param {string} address `ipc:///path`
   * @param {ClientOptions} [options]
   * @throws {BridgeError} BRIDGE_ADDRESS
   */
  constructor(address, options = {}) {
    this.address = address;
    this.#options = { maxPending: MAX_PENDING, session: newSession(), ...options };
    this.#dealer = new DealerEnd(address, {
      up: () => this.#up(),
      down: () => this.#down(),
      message: (data) => this.#message(data),
    });
  }

  /**
   * Send a request, and wait for its answer for at most `timeout` seconds.
   * @template {keyof Answers} K
   * @param {K} kind
   * @param {Requests[K]} [body]  may be omitted if it has no required fields
   * @param {{timeout?: number, signal?: AbortSignal, by?: Author}} [options] the signal stops the waiting, not
   *   the server; `by` says who makes the request
   * @returns {Promise<Answers[K]>}
   * @throws {BridgeError} the server's own error; BRIDGE_UNAVAILABLE: no answer in time, or the connection ended and the
   *   kind is not repeatable (if `data.sent` is true, the server may have executed it); BRIDGE_UNKNOWN_KIND,
   *   BRIDGE_BAD_MESSAGE, BRIDGE_TOO_LARGE, BRIDGE_VERSION: the request or its answer violates the protocol
   */
  async request(kind, body = /** @type {any} */ ({}), { timeout = DEFAULT_TIMEOUT, signal, by } = {}) {
    const pending = new Pending(kindOf(kind), body, by);
    signal?.throwIfAborted();
    const envelope = await this.#answer(pending, timeout, signal);
    return /** @type {any} */ (answerBody(pending.kind, envelope));
  }

  /**
   * Wait until the server's session is known and not `otherThan`.
   * @param {string | null} [otherThan]
   * @returns {Promise<string>} the session
   * @throws {BridgeError} BRIDGE_UNAVAILABLE: the client was closed
   */
  async peer(otherThan = null) {
    while (!this.#closed) {
      if (this.peerSession !== null && this.peerSession !== otherThan) return this.peerSession;
      await new Promise((resolve) => this.#meetings.add(() => resolve(undefined)));
    }
    throw this.#unavailable('did not answer: the client was closed', false);
  }

  /** Fail unanswered requests, and wait until the connection is closed. */
  async close() {
    this.#closed = true;
    this.#greeting.abort();
    for (const pending of [...this.#pending.values(), ...this.#waiting]) this.#fail(pending, 'the client was closed');
    this.#met();
    await this.#dealer.close();
  }

  /**
   * @param {Pending} pending
   * @param {number} timeout
   * @param {AbortSignal | undefined} signal
   * @returns {Promise<Required<Envelope>>}
   */
  async #answer(pending, timeout, signal) {
    const release = pending.until(timeout, signal, () => {
      const what = pending.sent ? 'did not answer' : 'could not be reached';
      return this.#unavailable(`${what} within ${timeout} s`, pending.sent);
    });
    this.#waiting.add(pending);
    this.#admit();
    try {
      return await pending.answer;
    } finally {
      release();
      this.#waiting.delete(pending);
      if (!pending.out) this.#forget(pending);
    }
  }

  /** Give free slots to waiting requests, in order. */
  #admit() {
    for (const pending of this.#waiting) {
      if (this.#pending.size >= this.#options.maxPending) break;
      this.#waiting.delete(pending);
      if (!pending.done) this.#enter(pending);
    }
  }

  /**
   * Encode a request that has got a slot, and queue it to be sent.
   * @param {Pending} pending
   */
  #enter(pending) {
    if (this.#closed) return this.#fail(pending, 'the client was closed');
    pending.id = String(this.#nextId++);
    const { session } = this.#options;
    const { id, kind, body, by } = pending;
    try {
      pending.data = encode({ id, session, kind: kind.name, body, by });
    } catch (error) {
      return pending.fail(error);
    }
    this.#pending.set(pending.id, pending);
    this.#unsent.add(pending);
    this.#flush();
  }

  /**
   * Free the slot of a request. A sent request keeps it until it is answered, even if the caller gave up.
   * @param {Pending} pending
   */
  #forget(pending) {
    this.#unsent.delete(pending);
    if (this.#pending.delete(pending.id)) this.#admit();
  }

  /** Send queued requests, in order. */
  #flush() {
    for (const pending of this.#unsent) {
      if (!pending.done) {
        const sending = this.#dealer.send(pending.data);
        if (!sending) return;
        const before = pending.sent;
        pending.sent = pending.out = true;
        sending.catch(() => this.#returned(pending, before));
      }
      this.#unsent.delete(pending);
    }
  }

  /**
   * Queue a message again that ZeroMQ rejected because the connection has just ended.
   * @param {Pending} pending
   * @param {boolean} sent whether it was sent on a connection before
   */
  #returned(pending, sent) {
    pending.out = false;
    pending.sent = sent;
    if (pending.done) return this.#forget(pending);
    this.#unsent = new Set([...this.#pending.values()].filter((one) => !one.out));
  }

  #up() {
    this.connected = true;
    this.#options.onConnection?.(true);
    this.#flush();
    this.#greeting = new AbortController();
    this.#greet(this.#greeting.signal);
  }

  #down() {
    this.connected = false;
    this.#greeting.abort();
    for (const pending of [...this.#pending.values()]) {
      if (pending.out && !pending.kind.repeatable) this.#fail(pending, 'the connection ended');
      pending.out = false;
      if (pending.done) this.#pending.delete(pending.id);
    }
    this.#unsent = new Set(this.#pending.values());
    this.#admit();
    this.#options.onConnection?.(false);
  }

  /** @param {Buffer} data */
  #message(data) {
    try {
      const envelope = decode(data);
      this.#meet(envelope.session);
      this.#settle(envelope.id, (pending) => pending.succeed(envelope));
    } catch (error) {
      this.#broken(/** @type {BridgeError} */ (error));
    }
  }

  /**
   * Fail the request that a malformed message answers, if its id could be read.
   * @param {BridgeError} error
   */
  #broken(error) {
    if (this.#settle(String(error.data?.id), (pending) => pending.fail(error))) return;
    this.#warn('unreadable message', { code: error.code, why: error.message });
  }

  /**
   * @param {string} id
   * @param {(pending: Pending) => void} outcome
   */
  #settle(id, outcome) {
    const pending = this.#pending.get(id);
    if (!pending) return false;
    outcome(pending);
    this.#forget(pending);
    return true;
  }

  /** @param {string} session */
  #meet(session) {
    if (session === this.peerSession) return;
    this.peerSession = session;
    this.#met();
    this.#options.onPeer?.(session);
  }

  #met() {
    const meetings = this.#meetings;
    this.#meetings = new Set();
    for (const tell of meetings) tell();
  }

  /**
   * Ping the server until it answers, to learn its session.
   * @param {AbortSignal} signal
   */
  async #greet(signal) {
    while (!signal.aborted) {
      try {
        await this.request('ping', {}, { signal });
        return;
      } catch (error) {
        if (signal.aborted || this.#closed) return;
        const { code, message } = /** @type {BridgeError} */ (error);
        if (code === 'BRIDGE_UNAVAILABLE') continue;
        this.#warn('bridge peer refused', { code, why: message });
        return;
      }
    }
  }

  /**
   * @param {Pending} pending
   * @param {string} reason
   */
  #fail(pending, reason) {
    pending.fail(this.#unavailable(`did not answer: ${reason}`, pending.sent));
  }

  /**
   * @param {string} what
   * @param {boolean} sent
   */
  #unavailable(what, sent) {
    return new BridgeError('BRIDGE_UNAVAILABLE', `${this.address} ${what}.`, { data: { sent } });
  }

  /**
   * @param {string} message
   * @param {Record<string, unknown>} fields
   */
  #warn(message, fields) {
    this.#options.onWarning?.(message, { address: this.address, ...fields });
  }
}
