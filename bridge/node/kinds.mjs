/** The kinds of requests: which sockets serve them, and whether they are idempotent (generated from bridge/models/). */

import { BridgeError } from './errors.mjs';
import { TABLE } from './kinds_table.mjs';

/** @import {Envelope} from './types.mjs' */

export const ERROR = 'error';
export const EVENT = 'event';
export const OK = '.ok';
/**
 * Prefix of a topic that a subscriber adds to learn when it is connected: the publisher sends `joined` to that topic.
 * It sorts after all other topics, so their subscriptions have arrived before.
 */
export const JOIN = '~';

/**
 * @typedef {object} Kind
 * @property {string} name
 * @property {readonly ('desired' | 'actual' | 'records')[]} sockets
 * @property {boolean} repeatable a client sends it again if the connection ended before the answer
 */

/** @type {ReadonlyMap<string, Kind>} */
export const KINDS = new Map(TABLE.map(([name, sockets, repeatable]) => [name, { name, sockets, repeatable }]));

/**
 * @param {string} name
 * @returns {Kind}
 * @throws {BridgeError} BRIDGE_UNKNOWN_KIND
 */
export function kindOf(name) {
  const found = KINDS.get(name);
  if (!found) throw new BridgeError('BRIDGE_UNKNOWN_KIND', `There is no message of kind '${name}'.`);
  return found;
}

/**
 * Validate the answer to a request of that kind; returns its body.
 * @param {Kind} asked
 * @param {Required<Omit<Envelope, 'by'>>} envelope
 * @returns {Record<string, any>}
 * @throws {BridgeError} the server's own; BRIDGE_BAD_MESSAGE: the answer to another kind
 */
export function answerBody(asked, envelope) {
  if (envelope.kind === asked.name + OK) return envelope.body;
  const { code, message, hint = '', data = {} } = envelope.body;
  if (envelope.kind === ERROR && typeof code === 'string' && typeof message === 'string') {
    throw new BridgeError(code, message, { hint, data });
  }
  throw new BridgeError('BRIDGE_BAD_MESSAGE', `A '${asked.name}' request was answered with '${envelope.kind}'.`);
}
