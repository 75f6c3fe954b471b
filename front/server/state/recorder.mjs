// The front's connection to the recorder, which keeps the history. Nothing else of the front needs the recorder.

import { BridgeClient } from '../../../bridge/node/index.mjs';
import { FrontError } from '../errors.mjs';

/** @import {Answers, Requests} from '../../../bridge/node/types.mjs' */

/** Seconds to wait for a connection: a recorder that runs is met within milliseconds. */
const CONNECT_TIMEOUT_SECONDS = 2;
/** Seconds that an answer may take; a large database that was not analysed needs some. */
const ANSWER_TIMEOUT_SECONDS = 15;

/** A client of the recorder. It connects with the first request, because most fronts never ask. */
export class Recorder {
  /** @type {BridgeClient | null} */
  #client = null;

  /** @param {string | null} address  null: HUB_HISTORY is off @param {import('../log.mjs').Log} log */
  constructor(address, log) {
    this.address = address;
    this.log = log;
  }

  /**
   * Send a request to the recorder.
   * @template {keyof Answers} K
   * @param {K} kind @param {Requests[K]} [body] @param {{timeout?: number, signal?: AbortSignal}} [options]
   * @returns {Promise<Answers[K]>}
   * @throws FrontError HISTORY_OFF, HISTORY_UNAVAILABLE, BridgeError of the recorder's own
   */
  async ask(kind, body, { timeout = ANSWER_TIMEOUT_SECONDS, signal } = {}) {
    if (this.address === null) throw new FrontError('HISTORY_OFF');
    this.#client ??= new BridgeClient(this.address, {
      onWarning: (message, fields) => this.log.warning(message, fields),
    });
    const client = this.#client;
    try {
      if (!client.connected) await client.request('ping', {}, { timeout: CONNECT_TIMEOUT_SECONDS, signal });
      return await client.request(kind, body, { timeout, signal });
    } catch (error) {
      throw isUnanswered(error) ? new FrontError('HISTORY_UNAVAILABLE') : error;
    }
  }

  /** Close the connection. */
  async close() {
    await this.#client?.close();
  }
}

/** @param {unknown} error */
const isUnanswered = (error) => error instanceof Error && 'code' in error && error.code === 'BRIDGE_UNAVAILABLE';
