// Reports requests for endpoints that the front refused to the sidecar, whose observers are told of every request.

/**
 * @import {IncomingMessage} from 'node:http'
 * @import {FrontRefusal, NoteRefusals} from '../../../bridge/node/types.d.mts'
 * @typedef {(body: NoteRefusals) => Promise<unknown>} Report
 */

/** Milliseconds from a refusal until it is reported. */
const REPORT_INTERVAL_MS = 250;
/** Milliseconds until the next attempt after a report that failed. */
const RETRY_INTERVAL_MS = 5_000;
/** Refusals that are kept until the next report (`MAX_REFUSALS` in bridge/models/refusals.py); others are counted. */
const MAX_KEPT = 500;

/** Refusals that are not reported yet. */
export class Refusals {
  /** @type {FrontRefusal[]} */
  #kept = [];
  #omitted = 0;
  /** @type {NodeJS.Timeout | null} */
  #timer = null;
  /** @type {Report | null} */
  #report = null;

  /** Start to report. @param {Report} report */
  start(report) {
    this.#report = report;
  }

  /**
   * Note a request that was refused with an error of this code.
   * @param {IncomingMessage} request @param {string} code @param {string} address  the client's
   */
  note({ url = '', headers }, code, address) {
    if (this.#kept.length >= MAX_KEPT) {
      this.#omitted += 1;
      return;
    }
    this.#kept.push({
      code,
      path: url.split('?', 1)[0].slice(0, 1024),
      address: address.slice(0, 64),
      method: text(headers['mcp-method'], 128),
      version: text(headers['mcp-protocol-version'], 32),
    });
    this.#wait(REPORT_INTERVAL_MS);
  }

  /** Report now. Refusals that cannot be reported stay for the next report. */
  async flush() {
    this.close();
    if (!this.#report || this.#kept.length === 0) return;
    const [refusals, omitted] = [this.#kept, this.#omitted];
    this.#kept = [];
    this.#omitted = 0;
    try {
      await this.#report({ refusals, omitted });
    } catch {
      const all = [...refusals, ...this.#kept];
      this.#kept = all.slice(0, MAX_KEPT);
      this.#omitted += omitted + all.length - this.#kept.length;
      this.close();
      this.#wait(RETRY_INTERVAL_MS);
    }
  }

  /** Stop the timer. */
  close() {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** @param {number} milliseconds */
  #wait(milliseconds) {
    this.#timer ??= setTimeout(() => this.flush(), milliseconds).unref();
  }
}

/** @param {string | string[] | undefined} value @param {number} length  limit */
const text = (value, length) => (typeof value === 'string' ? value.slice(0, length) : '');
