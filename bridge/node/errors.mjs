/** The errors of the bridge, with the codes and hints of bridge/errors.py. */

const HINTS = {
  BRIDGE_BAD_MESSAGE:
    'The two sides may have different versions: restart the hub, so that all its processes have the same.',
  BRIDGE_TOO_LARGE: 'Request less at once: fewer log lines, or a smaller result of the tool.',
  BRIDGE_ADDRESS: 'Use an address of the form ipc:///path/to/name.sock, of at most 107 bytes.',
  BRIDGE_VERSION: 'Restart the hub, so that all its processes have the same version.',
  BRIDGE_UNKNOWN_KIND: 'docs/protocol.md lists the kinds that each socket serves.',
  BRIDGE_UNAVAILABLE: 'Check whether the hub runs; `hubctl doctor` shows which of its processes does not answer.',
};

/** @import {ErrorBody} from './types.mjs' */

/** An error to be shown to a user: the server's own, or one of the bridge. */
export class BridgeError extends Error {
  /**
   * @param {string} code stable; docs/errors.md lists them all
   * @param {string} message what happened to what, and why
   * @param {{hint?: string, data?: Record<string, unknown>}} [more] what to do (a code of the bridge has its own), and details
   */
  constructor(code, message, { hint, data } = {}) {
    super(message);
    this.name = 'BridgeError';
    this.code = code;
    this.hint = hint ?? /** @type {Record<string, string>} */ (HINTS)[code] ?? '';
    this.data = data ?? {};
  }

  /** @returns {ErrorBody} the error as a message body */
  body() {
    return { code: this.code, message: this.message, hint: this.hint, data: this.data };
  }
}
