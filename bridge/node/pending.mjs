/** A request without an answer yet. */

/** @type {Buffer} */
const NOTHING = Buffer.alloc(0);
const LONGEST_TIMER = 2 ** 31 - 1; // ms

/** @import {Envelope} from './types.mjs' */
/** @import {Kind} from './kinds.mjs' */

export class Pending {
  id = '';
  /** Encoded only when its turn comes, so that those who wait cost little. */
  data = NOTHING;
  /** It was sent on the present connection, and the server is not done with it. */
  out = false;
  /** It was, at least once: the server may have carried it out. */
  sent = false;
  /** It was answered or failed; nobody waits for it any more. */
  done = false;

  /**
   * @param {Kind} kind
   * @param {Record<string, any>} body
   */
  constructor(kind, body) {
    this.kind = kind;
    this.body = body;
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
   * Fail at the deadline, or when the caller gives up.
   * @param {number} timeout in seconds
   * @param {AbortSignal | undefined} signal
   * @param {() => Error} late
   * @returns {() => void} to be called when it is over
   */
  until(timeout, signal, late) {
    const expire = () => this.done || this.fail(late());
    // An answer that came in time is read first, if this process was busy meanwhile: timers run before what has come.
    const timer = setTimeout(() => setImmediate(expire), Math.min(timeout * 1000, LONGEST_TIMER));
    const giveUp = () => this.done || this.fail(signal?.reason);
    signal?.addEventListener('abort', giveUp, { once: true });
    return () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', giveUp);
    };
  }
}
