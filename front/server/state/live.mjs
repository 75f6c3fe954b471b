// WebSocket connections of pages: the State first, then each change. A page that reads too slowly is disconnected.

import { WebSocketServer } from 'ws';
import { answerOf, FrontError } from '../errors.mjs';
import { ownedError, ownedState, owns, ownsRecord, usesAccounts } from './owned.mjs';
import { diff } from './view.mjs';

/**
 * @import {IncomingMessage} from 'node:http'
 * @import {Duplex} from 'node:stream'
 * @import {WebSocket} from 'ws'
 * @import {Owned} from '../access/roles.mjs'
 * @import {Change, State} from './state.mjs'
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
 * @typedef {object} Page
 * @property {WebSocket} socket
 * @property {() => boolean} isStillAuthorized  whether its login is still valid
 * @property {() => Owned | null} owned  what it may see now; null: everything
 * @property {Shown | null} shown  what it was sent last, if it may not see everything
 * @property {number} missed
 * @property {{server?: string} | null} logs
 * @property {Set<AbortController>} calls
 *
 * @typedef {{owned: string, state: State}} Shown  the State of an owner, and what it owned then, as JSON
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
      ...(settings.protected ? [setInterval(() => this.#checkLogins(), LOGIN_CHECK_MS)] : []),
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
   * @param {() => Owned | null} [owned]  what its sender may see; null: everything
   * @throws {FrontError} LIVE_BUSY
   */
  upgrade(request, socket, head, isStillAuthorized = () => true, owned = () => null) {
    if (this.#pages.size >= MAX_PAGES) throw new FrontError('LIVE_BUSY', `${MAX_PAGES} pages are connected.`);
    this.#server.handleUpgrade(request, socket, head, (accepted) => this.#addPage(accepted, isStillAuthorized, owned));
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

  /** @param {WebSocket} socket @param {() => boolean} isStillAuthorized @param {() => Owned | null} owned */
  #addPage(socket, isStillAuthorized, owned) {
    /** @type {Page} */
    const page = { socket, isStillAuthorized, owned, shown: null, missed: 0, logs: null, calls: new Set() };
    this.#pages.set(socket, page);
    socket.on('message', (data, binary) => this.#message(page, data, binary));
    socket.on('pong', () => {
      page.missed = 0;
    });
    socket.on('error', (error) => this.log.debug('a page broke the rules', { why: error.message }));
    socket.on('close', () => this.#left(page));
    this.#unwatch ??= this.hub.onChange((change) => this.#tellChange(change));
    this.#send(page, JSON.stringify(this.#stateFor(page)));
  }

  /** @param {object} message */
  #tell(message) {
    if (this.#pages.size === 0) return;
    const text = JSON.stringify(message);
    for (const page of this.#pages.values()) this.#send(page, text);
  }

  /** @param {Change} change */
  #tellChange(change) {
    const whole = JSON.stringify(change);
    for (const page of this.#pages.values()) {
      const owned = page.owned();
      if (owned || page.shown) this.#send(page, JSON.stringify(this.#changeFor(page, owned, change.seq)));
      else this.#send(page, whole);
    }
  }

  /** Return the State that a page may see, as a message. @param {Page} page */
  #stateFor(page) {
    const owned = page.owned();
    const state = owned ? ownedState(this.hub.state, owned) : this.hub.state;
    page.shown = owned && { owned: JSON.stringify(owned), state };
    return { type: 'state', state };
  }

  /**
   * Return what has changed of what a page may see; the whole State if it may see something else than before.
   * @param {Page} page @param {Owned | null} owned @param {number} seq
   */
  #changeFor(page, owned, seq) {
    const { shown } = page;
    if (!owned || shown?.owned !== JSON.stringify(owned)) return this.#stateFor(page);
    const state = ownedState(this.hub.state, owned);
    const change = diff({ ...shown.state, seq: seq - 1 }, state);
    page.shown = { ...shown, state };
    return change ?? nothingChanged(state);
  }

  /** @param {Record<string, any>} record */
  #tellRecord(record) {
    const text = JSON.stringify({ type: 'log', record });
    for (const page of this.#pages.values()) {
      const wanted = page.logs && (page.logs.server === undefined || page.logs.server === record.server);
      const owned = wanted ? page.owned() : null;
      if (wanted && (!owned || ownsRecord(record, owned))) this.#send(page, text);
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

  /** Close the connections whose login has ended, and send the State to those that may see something else now. */
  #checkLogins() {
    for (const page of this.#pages.values()) {
      if (!page.isStillAuthorized()) this.#end(page, NOT_ALLOWED, 'log in again');
      else if ((page.shown?.owned ?? 'null') !== JSON.stringify(page.owned()))
        this.#send(page, JSON.stringify(this.#stateFor(page)));
    }
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
        return this.#stateFor(page);
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
    const owned = page.owned();
    const call = new AbortController();
    const began = performance.now();
    try {
      const { body, timeout } = callOf(message);
      const mayCall =
        !owned || (owns(owned.workspaces, body.workspace) && !usesAccounts(this.hub.state, body.workspace));
      if (!mayCall) throw new FrontError('NOT_OWNER');
      if (page.calls.size >= MAX_CALLS_PER_PAGE) throw new FrontError('LIVE_BUSY');
      page.calls.add(call);
      const { result } = await this.hub.askSidecar('call', body, { timeout, signal: call.signal });
      return { id, result, seconds: (performance.now() - began) / 1000 };
    } catch (error) {
      if (!(error instanceof Error && 'code' in error)) this.log.fault('a call of a page failed', error);
      const shown = owned ? ownedError(error, owned) : error;
      return { id, error: answerOf(shown), seconds: (performance.now() - began) / 1000 };
    } finally {
      page.calls.delete(call);
    }
  }
}

/** Return a change without content, which keeps the numbers of changes without a gap. @param {State} state */
function nothingChanged({ seq, workspaces, servers }) {
  return {
    type: 'change',
    seq,
    workspaces: [],
    servers: [],
    gone: { workspaces: [], servers: [] },
    order: { workspaces: workspaces.map(({ name }) => name), servers: servers.map(({ key }) => key) },
  };
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
