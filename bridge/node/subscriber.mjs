/** The subscriber of the bridge: receives the events of a publisher. */

import { randomBytes } from 'node:crypto';
import { decode } from './codec.mjs';
import { BridgeError } from './errors.mjs';
import { EVENT, JOIN } from './kinds.mjs';
import { ALL_TOPICS } from './kinds_table.mjs';
import { subscribed } from './sockets.mjs';

/** @import {BridgeEvent} from './types.mjs' */

/** All topics of the sidecar's events. */
export const TOPICS = Object.freeze(
  ALL_TOPICS.filter((topic) => !['desired', 'activation', 'approvals', 'joined'].includes(topic)),
);

/**
 * Receives the events published at an address: an async iterable for one reader. Reconnects after each loss.
 *
 * The first event of each connection is `joined`, whose subject is the publisher's session. Request the status then, as
 * earlier events are not repeated. From then on no event is lost unless the reader falls behind by 10,000.
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

  /** End the reader's loop; unread events are dropped. */
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
   * @returns {BridgeEvent | undefined} undefined if it is malformed
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
