/** The listening end of the bridge: what a publisher tells. */

import { randomBytes } from 'node:crypto';
import { decode } from './codec.mjs';
import { BridgeError } from './errors.mjs';
import { EVENT, JOIN } from './kinds.mjs';
import { ALL_TOPICS } from './kinds_table.mjs';
import { subscribed } from './sockets.mjs';

/** @import {BridgeEvent} from './types.mjs' */

/** Of the sidecar's events, all. */
export const TOPICS = Object.freeze(ALL_TOPICS.filter((topic) => topic !== 'desired' && topic !== 'joined'));

/**
 * The events published at an address, as an async iterable for one reader. Connects by itself, and again after each loss.
 *
 * The first event of each connection is `joined` (subject: the publisher's session): ask for status then, as what was
 * published before is not repeated. From then on nothing is missed, unless the reader is 10,000 events behind.
 */
export class Subscriber {
  #socket;
  #onWarning;

  /**
   * @param {string} address `ipc:///path`
   * @param {readonly string[]} [topics] `desired` for the adapter's
   * @param {{onWarning?: (message: string, fields: Record<string, unknown>) => void}} [options]
   * @throws {BridgeError} BRIDGE_ADDRESS
   */
  constructor(address, topics = TOPICS, { onWarning } = {}) {
    this.address = address;
    this.#onWarning = onWarning;
    this.#socket = subscribed(address, [...topics, JOIN + randomBytes(8).toString('hex')]);
  }

  /** End the loop of the reader; what was not read yet is dropped. */
  close() {
    this.#socket.close();
  }

  /** @returns {AsyncGenerator<BridgeEvent, void>} */
  async *[Symbol.asyncIterator]() {
    while (!this.#socket.closed) {
      const frames = await this.#socket.receive().catch(() => []);
      const data = frames.at(-1);
      if (this.#socket.closed) return;
      const event = data && this.#event(data);
      if (event) yield event;
    }
  }

  /**
   * @param {Buffer} data
   * @returns {BridgeEvent | undefined} nothing where it cannot be read
   */
  #event(data) {
    try {
      const { kind, body } = decode(data);
      if (kind === EVENT && typeof body.topic === 'string')
        return /** @type {BridgeEvent} */ ({ subject: '', data: {}, ...body });
      throw new BridgeError('BRIDGE_BAD_MESSAGE', `A message of kind '${kind}' was published.`);
    } catch (error) {
      const { message, code } = /** @type {BridgeError} */ (error);
      this.#onWarning?.('unreadable event', { address: this.address, code, why: message });
      return undefined;
    }
  }
}
