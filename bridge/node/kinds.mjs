/** Every kind of message: which sockets serve it, and whether handling it twice does no harm (as bridge/kinds.py). */

import { BridgeError } from './errors.mjs';

/** @import {Envelope} from './types.mjs' */

export const ERROR = 'error';
export const EVENT = 'event';
export const OK = '.ok';
/** A subscription that begins so is answered, to that topic alone, by the event `joined`; it sorts after all topics. */
export const JOIN = '~';

/**
 * @typedef {object} Kind
 * @property {string} name
 * @property {readonly ('desired' | 'actual')[]} sockets
 * @property {boolean} repeatable a client sends it again when the connection ended before the answer
 */

const ONCE = { repeatable: false };

/** @type {ReadonlyMap<string, Kind>} */
export const KINDS = new Map(
  [
    kind('desired', ['desired']),
    kind('set_workspace', ['desired'], ONCE),
    kind('set_server', ['desired'], ONCE),
    kind('reload', ['desired']),
    kind('config', ['desired']),
    kind('put_server', ['desired'], ONCE),
    kind('delete_server', ['desired'], ONCE),
    kind('put_workspace', ['desired'], ONCE),
    kind('delete_workspace', ['desired'], ONCE),
    kind('put_config', ['desired'], ONCE),
    kind('import', ['desired'], ONCE),
    kind('keys', ['desired']),
    kind('add_key', ['desired'], ONCE),
    kind('revoke_key', ['desired'], ONCE),
    kind('apply', ['actual']),
    kind('status', ['actual']),
    kind('restart', ['actual'], ONCE),
    kind('tools', ['actual']),
    kind('call', ['actual'], ONCE),
    kind('logs', ['actual']),
    kind('history', ['actual']),
    kind('ping', ['desired', 'actual']),
  ].map((entry) => [entry.name, entry]),
);

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
 * The body of the answer to a request of that kind.
 * @param {Kind} asked
 * @param {Required<Envelope>} envelope
 * @returns {Record<string, any>}
 * @throws {BridgeError} the server's own; BRIDGE_BAD_MESSAGE: it is not an answer to this kind
 */
export function answerBody(asked, envelope) {
  if (envelope.kind === asked.name + OK) return envelope.body;
  const { code, message, hint = '', data = {} } = envelope.body;
  if (envelope.kind === ERROR && typeof code === 'string' && typeof message === 'string') {
    throw new BridgeError(code, message, { hint, data });
  }
  throw new BridgeError('BRIDGE_BAD_MESSAGE', `A '${asked.name}' request was answered with '${envelope.kind}'.`);
}

/**
 * @param {string} name
 * @param {Kind['sockets']} sockets
 * @param {{repeatable?: boolean}} [options]
 * @returns {Kind}
 */
function kind(name, sockets, { repeatable = true } = {}) {
  return { name, sockets, repeatable };
}
