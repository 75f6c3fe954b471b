// WebSocket connections of pages: the State first, then each change. A page that reads too slowly is disconnected.

import { WebSocketServer } from 'ws';
import { answerOf, FrontError } from '../errors.mjs';

/**
 * @import {IncomingMessage} from 'node:http'
 * @import {Duplex} from 'node:stream'
 * @import {WebSocket} from 'ws'
 */

const MAX_PAGES = 256;
/** Limit for the calls that one page may have running at once. */
const MAX_CALLS_PER_PAGE = 32;
/** Limit for the bytes that are buffered for a page that does not read. */
const MAX_BUFFERED_BYTES = 1024 * 1024;
const PING_INTERVAL_MS = 10_000; // ms
/** Milliseconds between checks whether pages are still authorized; the revocation of a token causes no event. */
const LOGIN_CHECK_MS = 1_000;
/** Milliseconds that a page may take for the closing handshake. */
const CLOSE_TIMEOUT_MS = 1_000;
const CALL_TIMEOUT = { usual: 60, most: 3600, margin: 5 }; // s
const [GOING_AWAY, NOT_ALLOWED, TRY_AGAIN_LATER] = [1001, 1008, 1013];

/** Pings that a page may leave unanswered, because it may be busy for a while. */
const MAX_MISSED_PINGS = 3;

/**
 * `isStillAuthorized`: whether its login is still valid.
 * @typedef {{socket: WebSocket, isStillAuthorized: () => boolean, missed: number, logs: {server?: string} | null, calls: Set<AbortController>}} Page
 */

/** The connected pages. */
export class Live {
  /** @type {Map<WebSocket, Page>} */
  #pages = new Map();
  /** @type {(() => void) | null} */
  #unwatch = null;
  /** @type {(() => void) | null} */
  #unfollow = null;
  #server;
  #timers;

  /**
   * @param {import('./hub.mjs').HubClient} hub
   * @param {import('../settings.mjs').Settings} settings
   * @param {import('../log.mjs').Log} log
   */
  constructor(hub, settings, log) {
    this.hub = hub;
    this.log = log;
    const handleProtocols = (/** @type {Set<string>} */ offered) =>
      offered.has('yamcp-hub') ? 'yamcp-hub' : first(offered);
    const options = { noServer: true, perMessageDeflate: false, handleProtocols };
    this.#server = new WebSocketServer({ ...options, maxPayload: settings.maxBodyBytes });
    this.#timers = [
      setInterval(() => this.#tell({ type: 'tick', seq: this.hub.state.seq }), PING_INTERVAL_MS),
      setInterval(() => this.#ping(), settings.pingInterval * 1000),
      ...(settings.protected ? [setInterval(() => this.#closeEndedLogins(), LOGIN_CHECK_MS)] : []),
    ];
  }

  /** Number of connected pages. */
  get size() {
    return this.#pages.size;
  }

  /**
   * Accept an authorized WebSocket.
   * @param {IncomingMessage} request @param {Duplex} socket @param {Buffer} head
   * @param {() => boolean} [isStillAuthorized]  whether the request would still be authorized
   * @throws {FrontError} LIVE_BUSY
   */
  upgrade(request, socket, head, isStillAuthorized = () => true) {
    if (this.#pages.size >= MAX_PAGES) throw new FrontError('LIVE_BUSY', `${MAX_PAGES} pages are connected.`);
    this.#server.handleUpgrade(request, socket, head, (accepted) => this.#addPage(accepted, isStillAuthorized));
  }

  /** Close all connections. */
  async close() {
    for (const timer of this.#timers) clearInterval(timer);
    const ended = [...this.#pages.keys()].map((socket) => new Promise((resolve) => socket.once('close', resolve)));
    for (const page of this.#pages.values()) this.#end(page, GOING_AWAY, 'the hub is stopping');
    await Promise.all(ended);
    this.#server.close();
  }

  // --- to pages --------------------------------------------------------------------------------------------------

  /** @param {WebSocket} socket @param {() => boolean} isStillAuthorized */
  #addPage(socket, isStillAuthorized) {
    /** @type {Page} */
    const page = { socket, isStillAuthorized, missed: 0, logs: null, calls: new Set() };
    this.#pages.set(socket, page);
    socket.on('message', (data, binary) => this.#message(page, data, binary));
    socket.on('pong', () => {
      page.missed = 0;
    });
    socket.on('error', (error) => this.log.debug('a page broke the rules', { why: error.message }));
    socket.on('close', () => this.#left(page));
    this.#unwatch ??= this.hub.onChange((change) => this.#tell(change));
    this.#send(page, JSON.stringify({ type: 'state', state: this.hub.state }));
  }

  /** @param {object} message */
  #tell(message) {
    if (this.#pages.size === 0) return;
    const text = JSON.stringify(message);
    for (const page of this.#pages.values()) this.#send(page, text);
  }

  /** @param {Record<string, any>} record */
  #tellRecord(record) {
    const text = JSON.stringify({ type: 'log', record });
    for (const page of this.#pages.values()) {
      if (page.logs && (page.logs.server === undefined || page.logs.server === record.server)) this.#send(page, text);
    }
  }

  /** @param {Page} page @param {string} text */
  #send(page, text) {
    const { socket } = page;
    if (socket.readyState !== socket.OPEN) return;
    if (socket.bufferedAmount <= MAX_BUFFERED_BYTES) socket.send(text);
    else this.#end(page, TRY_AGAIN_LATER, 'too slow: connect again');
  }

  /** @param {Page} page @param {number} code @param {string} why */
  #end({ socket }, code, why) {
    if (socket.readyState === socket.CLOSED) return;
    socket.close(code, why);
    const late = setTimeout(() => socket.terminate(), CLOSE_TIMEOUT_MS);
    socket.once('close', () => clearTimeout(late));
  }

  /** Close the connections whose login has ended. */
  #closeEndedLogins() {
    for (const page of this.#pages.values())
      if (!page.isStillAuthorized()) this.#end(page, NOT_ALLOWED, 'log in again');
  }

  /** Close the connections that have not answered pings for a while. */
  #ping() {
    for (const page of this.#pages.values()) {
      page.missed += 1;
      if (page.missed > MAX_MISSED_PINGS) page.socket.terminate();
      else if (page.socket.readyState === page.socket.OPEN) page.socket.ping();
    }
  }

  /** @param {Page} page */
  #left(page) {
    this.#pages.delete(page.socket);
    for (const call of page.calls) call.abort();
    this.#followLogs(page, null);
    if (this.#pages.size > 0) return;
    this.#unwatch?.();
    this.#unwatch = null;
  }

  // --- from pages ------------------------------------------------------------------------------------------------

  /** @param {Page} page @param {import('ws').RawData} data @param {boolean} binary */
  #message(page, data, binary) {
    page.missed = 0;
    let message;
    try {
      message = binary ? null : JSON.parse(String(data));
    } catch {
      message = null;
    }
    const answer = isObject(message) ? this.#answer(page, message) : refusal('The message is not a JSON object.');
    if (answer) this.#send(page, JSON.stringify(answer));
  }

  /** @param {Page} page @param {Record<string, any>} message @returns {object | null} what is answered at once */
  #answer(page, message) {
    switch (message.type) {
      case 'status':
        return { type: 'state', state: this.hub.state };
      case 'ping':
        return { type: 'pong', id: message.id ?? null };
      case 'logs':
        this.#followLogs(
          page,
          message.on ? { server: typeof message.server === 'string' ? message.server : undefined } : null,
        );
        return null;
      case 'execute':
        this.#execute(page, message).then((result) => this.#send(page, JSON.stringify({ type: 'result', ...result })));
        return null;
      default:
        return refusal('The type of the message must be status, ping, logs or execute.');
    }
  }

  /** @param {Page} page @param {Page['logs']} logs */
  #followLogs(page, logs) {
    page.logs = logs;
    if ([...this.#pages.values()].some((each) => each.logs)) {
      this.#unfollow ??= this.hub.onLog((record) => this.#tellRecord(record));
    } else {
      this.#unfollow?.();
      this.#unfollow = null;
    }
  }

  /** @param {Page} page @param {Record<string, any>} message */
  async #execute(page, message) {
    const { id = null } = message;
    const call = new AbortController();
    const began = performance.now();
    try {
      const { body, timeout } = callOf(message);
      if (page.calls.size >= MAX_CALLS_PER_PAGE) throw new FrontError('LIVE_BUSY');
      page.calls.add(call);
      const { result } = await this.hub.askSidecar('call', body, { timeout, signal: call.signal });
      return { id, result, seconds: (performance.now() - began) / 1000 };
    } catch (error) {
      if (!(error instanceof Error && 'code' in error)) this.log.fault('a call of a page failed', error);
      return { id, error: answerOf(error), seconds: (performance.now() - began) / 1000 };
    } finally {
      page.calls.delete(call);
    }
  }
}

/** Return the sidecar request for an `execute` message, and its timeout (s). @param {Record<string, any>} message */
function callOf({ workspace, tool, arguments: given = {}, timeout = CALL_TIMEOUT.usual }) {
  const fits = typeof workspace === 'string' && typeof tool === 'string' && isObject(given);
  if (!fits || !(typeof timeout === 'number' && timeout > 0 && timeout <= CALL_TIMEOUT.most)) {
    throw new FrontError(
      'LIVE_MESSAGE_INVALID',
      'execute requires workspace, tool, arguments and timeout (seconds, at most 3600).',
    );
  }
  return { body: { workspace, tool, arguments: given, timeout }, timeout: timeout + CALL_TIMEOUT.margin };
}

/** @param {Set<string>} offered @returns {string | false} */
const first = ([protocol]) => protocol ?? false;

/** @param {unknown} value @returns {value is Record<string, any>} */
const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

/** @param {string} why */
const refusal = (why) => ({ type: 'error', ...answerOf(new FrontError('LIVE_MESSAGE_INVALID', why)) });
