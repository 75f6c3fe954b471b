/** A request that is not answered yet. */

/** @type {Buffer} */
const NOTHING = Buffer.alloc(0);
const LONGEST_TIMER = 2 ** 31 - 1; // ms

/** @import {Author, Envelope} from './types.mjs' */
/** @import {Kind} from './kinds.mjs' */

export class Pending {
  id = '';
  /** Empty until the request gets a slot, so that waiting requests take little memory. */
  data = NOTHING;
  /** It was sent over the current connection, and the server has not answered. */
  out = false;
  /** It was sent at least once, so the server may have executed it. */
  sent = false;
  /** It was answered or has failed. */
  done = false;

  /**
   * @param {Kind} kind
   * @param {Record<string, any>} body
   * @param {Author} [by]
   */
  constructor(kind, body, by) {
    this.kind = kind;
    this.body = body;
    this.by = by;
    /** @type {(envelope: Required<Envelope>) => void} */
    this.resolve = () => {};
    /** @type {(error: unknown) => void} */
    this.reject = () => {};
    /** @type {Promise<Required<Envelope>>} */
    this.answer = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
  }

  /** @param {Required<Envelope>} envelope */
  succeed(envelope) {
    this.done = true;
    this.resolve(envelope);
  }

  /** @param {unknown} error */
  fail(error) {
    this.done = true;
    this.reject(error);
  }

  /**
   * Fail when the deadline expires, or when the caller gives up.
   * @param {number} timeout in seconds
   * @param {AbortSignal | undefined} signal
   * @param {() => Error} late
   * @returns {() => void} to be called when the request has ended
   */
  until(timeout, signal, late) {
    const expire = () => this.done || this.fail(late());
    // Timers run before I/O: if this process was busy, first read an answer that has arrived in time.
    const timer = setTimeout(() => setImmediate(expire), Math.min(timeout * 1000, LONGEST_TIMER));
    const giveUp = () => this.done || this.fail(signal?.reason);
    signal?.addEventListener('abort', giveUp, { once: true });
    return () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', giveUp);
    };
  }
}
