// The front's view of the hub: requests the state from adapter and sidecar whenever they report a change, and notifies
// pages.

import { BridgeClient, Subscriber } from '../../../bridge/node/index.mjs';
import { author } from '../access/author.mjs';
import { FrontError } from '../errors.mjs';
import {
  APPLY_TIMEOUT_MS,
  FIGURES_INTERVAL_MS,
  FRESH_TIMEOUT_MS,
  PING_INTERVAL_MS,
  PING_TIMEOUT_SECONDS,
  RECONNECT_MS,
  REFRESH_GAP_MS,
  REFRESH_PAUSE_FACTOR,
} from './pace.mjs';
import { ADAPTER_TOPICS, noted, waitingProposals } from './adapter_events.mjs';
import { entriesOf } from './entries.mjs';
import { awayError, codeOf, messageOf } from './peer_errors.mjs';
import { applied, diff, initialKnown, view } from './view.mjs';

/**
 * @import {Answers, Requests, SnapshotId} from '../../../bridge/node/types.mjs'
 * @import {Change, State, ErrorDescription} from './state.mjs'
 * @import {Known} from './view.mjs'
 * @typedef {{[K in keyof Answers]: Answers[K] extends {snapshot: SnapshotId} ? K : never}[keyof Answers]} ChangeKind
 *   of a request that changes desired state
 * @typedef {'desired' | 'status'} Part  what is asked for anew, `desired` with the entries' hashes
 * @typedef {'adapter' | 'sidecar'} Peer
 * @typedef {Record<string, any>} LogRecord
 */

const SIDECAR_TOPICS = ['applied', 'server', 'workspace', 'sessions'];
/** @type {Part[]} */
const ALL_PARTS = ['desired', 'status'];

/** Owns the connections to adapter and sidecar, from `start` to `close`. */
export class HubClient {
  /** @type {Known} */
  #known = initialKnown();
  /** @type {State} */
  #state;
  /** @type {Set<Part>} */
  #pendingParts = new Set();
  /** @type {Set<(change: Change) => void>} */
  #watchers = new Set();
  /** @type {Set<(record: LogRecord) => void>} */
  #followers = new Set();
  /** @type {Set<() => void>} those who wait for the next round to end */
  #waiting = new Set();
  /** @type {Subscriber[]} */
  #subscribers = [];
  /** @type {Subscriber | null} */
  #logs = null;
  /** @type {Promise<void>[]} */
  #loops = [];
  /** @type {NodeJS.Timeout[]} */
  #timers = [];
  /** @type {NodeJS.Timeout | null} */
  #next = null;
  #asking = false;
  #roundBegan = -Infinity;
  #roundTook = 0;
  #closed = false;

  /** @param {import('../settings.mjs').Settings} settings @param {import('../log.mjs').Log} log */
  constructor(settings, log) {
    this.settings = settings;
    this.log = log;
    const { desired, actual } = settings.addresses;
    this.adapter = this.#client('adapter', desired);
    this.sidecar = this.#client('sidecar', actual);
    this.#known.yamcpUi = settings.yamcpUiDir ? 'away' : 'none';
    this.#known.errors = this.#awayErrors();
    this.#state = this.#view(0);
  }

  // --- state -------------------------------------------------------------------------------------------------------

  /** The last known State. @returns {State} */
  get state() {
    return this.#state;
  }

  /**
   * Call `tell` with each change, in order. While there are listeners, figures without events are refreshed, too.
   * @param {(change: Change) => void} tell
   * @returns {() => void} ends it
   */
  onChange(tell) {
    this.#watchers.add(tell);
    if (this.#watchers.size === 1) this.refresh('status');
    return () => this.#watchers.delete(tell);
  }

  /**
   * Call `tell` with each log record of the sidecar, which is subscribed to only while there are listeners.
   * @param {(record: LogRecord) => void} tell
   * @returns {() => void} ends it
   */
  onLog(tell) {
    this.#followers.add(tell);
    this.#logs ??= this.#subscribe(this.settings.addresses.events, ['log'], ({ topic, data }) => {
      if (topic === 'log') for (const follower of this.#followers) follower(data);
    });
    return () => {
      this.#followers.delete(tell);
      if (this.#followers.size > 0) return;
      this.#logs?.close();
      this.#logs = null;
    };
  }

  /** Return the State that includes all changes up to now (except those of a process that does not answer). */
  async fresh() {
    if (this.#asking || this.#pendingParts.size > 0) {
      const round = this.#asking ? 2 : 1; // the one under way may have asked too early
      const until = performance.now() + FRESH_TIMEOUT_MS;
      for (let left = round; left > 0 && (this.#asking || this.#pendingParts.size > 0); left -= 1)
        await this.#nextRound(Math.max(0, until - performance.now()));
    }
    return this.#state;
  }

  /** Record whether YAMCP-UI answers. @param {boolean} answers */
  yamcpUiAnswers(answers) {
    const now = answers ? 'ok' : 'away';
    if (this.#known.yamcpUi === 'none' || this.#known.yamcpUi === now) return;
    this.#known.yamcpUi = now;
    this.#merge();
  }

  // --- requests ----------------------------------------------------------------------------------------------------

  /**
   * Send a request to the sidecar.
   * @template {keyof Answers} K
   * @param {K} kind @param {Requests[K]} [body] @param {{timeout?: number, signal?: AbortSignal}} [options]
   * @returns {Promise<Answers[K]>}
   * @throws FrontError HUB_AWAY, BridgeError of the sidecar's own
   */
  askSidecar(kind, body, options = {}) {
    return this.sidecar.request(kind, body, options).catch((error) => this.#unanswered('sidecar', error));
  }

  /**
   * Send a request to the adapter.
   * @template {keyof Answers} K
   * @param {K} kind @param {Requests[K]} [body] @param {{timeout?: number, signal?: AbortSignal}} [options]
   * @returns {Promise<Answers[K]>}
   * @throws FrontError HUB_AWAY, BridgeError of the adapter's own
   */
  askAdapter(kind, body, options = {}) {
    return this.adapter
      .request(kind, body, { by: author(), ...options })
      .catch((error) => this.#unanswered('adapter', error));
  }

  /**
   * Send a change to the adapter, then wait (at most 5 s) until the sidecar has applied it and State shows it.
   * @template {ChangeKind} K
   * @param {K} kind @param {Requests[K]} [body] @param {{timeout?: number}} [options]
   * @returns {Promise<Answers[K] & {applied: boolean}>}
   * @throws FrontError HUB_AWAY (`data.sent`: it may have been made), BridgeError of the adapter's own
   */
  async change(kind, body, options = {}) {
    const answer = await this.askAdapter(kind, body, options);
    this.refresh(...ALL_PARTS);
    return { ...answer, applied: await this.#waitUntilShown(answer.snapshot) };
  }

  /** Refresh these parts: now, or after the present refresh. @param {...Part} parts */
  refresh(...parts) {
    if (this.#closed) return;
    for (const part of parts) this.#pendingParts.add(part);
    if (this.#asking || this.#next) return;
    const gap = Math.min(Math.max(REFRESH_PAUSE_FACTOR * this.#roundTook, REFRESH_GAP_MS.min), REFRESH_GAP_MS.max);
    this.#next = setTimeout(() => this.#refreshAll(), Math.max(0, this.#roundBegan + gap - performance.now()));
  }

  // --- lifecycle ---------------------------------------------------------------------------------------------------

  /** Subscribe to events, and start to refresh. */
  start() {
    const { events, desiredEvents } = this.settings.addresses;
    this.#subscribers = [
      this.#subscribe(events, SIDECAR_TOPICS, () => this.refresh('status')),
      this.#subscribe(desiredEvents, ADAPTER_TOPICS, (event) =>
        noted(this.#known, event) ? this.#merge() : this.refresh(...ALL_PARTS),
      ),
    ];
    this.#timers = [
      setInterval(() => this.#ping(), PING_INTERVAL_MS),
      setInterval(() => this.#watchers.size > 0 && this.refresh('status'), FIGURES_INTERVAL_MS),
    ];
    this.refresh(...ALL_PARTS);
  }

  /** Close all connections, and wait until they are closed. */
  async close() {
    this.#closed = true;
    for (const timer of this.#timers) clearInterval(timer);
    if (this.#next) clearTimeout(this.#next);
    for (const subscriber of [...this.#subscribers, ...(this.#logs ? [this.#logs] : [])]) subscriber.close();
    await Promise.all([this.adapter.close(), this.sidecar.close(), ...this.#loops]);
    this.#roundEnded();
  }

  /** @param {Peer} name @param {string} address */
  #client(name, address) {
    return new BridgeClient(address, {
      onPeer: () => this.refresh(...ALL_PARTS),
      onConnection: (connected) => (connected ? this.refresh(...ALL_PARTS) : this.#lost(name)),
      onWarning: (message, fields) => this.log.warning(message, fields),
    });
  }

  /**
   * @param {string} address @param {string[]} topics
   * @param {(event: import('../../../bridge/node/types.mjs').BridgeEvent) => void} tell
   */
  #subscribe(address, topics, tell) {
    const subscriber = new Subscriber(address, topics);
    const loop = async () => {
      for await (const event of subscriber) tell(event);
    };
    const running = loop()
      .catch((error) => this.log.fault('the events cannot be followed', error, { address }))
      .finally(() => this.#loops.splice(this.#loops.indexOf(running), 1));
    this.#loops.push(running);
    return subscriber;
  }

  /** Ping both processes: the only way to detect that a connected process hangs, or answers again. */
  #ping() {
    for (const [name, client] of /** @type {const} */ ([
      ['adapter', this.adapter],
      ['sidecar', this.sidecar],
    ])) {
      if (!client.connected) continue;
      client.request('ping', {}, { timeout: PING_TIMEOUT_SECONDS }).then(
        () => this.#known[name] === 'away' && this.refresh(...ALL_PARTS),
        () => this.#set(name, 'away'),
      );
    }
  }

  // --- refreshes ---------------------------------------------------------------------------------------------------

  async #refreshAll() {
    const parts = new Set(this.#pendingParts);
    this.#pendingParts.clear();
    this.#next = null;
    this.#asking = true;
    this.#roundBegan = performance.now();
    const status = parts.has('status') && this.#askPeer('sidecar', () => this.#loadStatus());
    const desired = parts.has('desired') && this.#askPeer('adapter', () => this.#loadDesired());
    await Promise.all([status, desired]);
    this.#roundTook = performance.now() - this.#roundBegan;
    this.#asking = false;
    if (this.#closed) return;
    this.#merge();
    this.#roundEnded();
    if (this.#pendingParts.size > 0) this.refresh();
  }

  async #loadStatus() {
    this.#known.status = await this.sidecar.request('status');
  }

  async #loadDesired() {
    const [desired, servers, workspaces] = await Promise.all([
      this.adapter.request('desired'),
      this.#entries('providers'),
      this.#entries('workspaces'),
    ]);
    this.#known.desired = desired;
    this.#known.config = { servers, workspaces };
    this.#known.proposals ??= await waitingProposals(this.adapter);
  }

  /**
   * Return the entries of a file; if it cannot be parsed now, its last known ones.
   * @param {'providers' | 'workspaces'} file
   */
  async #entries(file) {
    try {
      const found = await this.adapter.request('config', { file });
      if (found.error) return this.#known.config[file === 'providers' ? 'servers' : 'workspaces'];
      return entriesOf(found);
    } catch (error) {
      if (codeOf(error) === 'BRIDGE_UNAVAILABLE') throw error;
      this.log.debug('a file of YAMCP cannot be shown', { code: codeOf(error), file });
      return new Map();
    }
  }

  /** @param {Peer} name @param {() => Promise<void>} questions */
  async #askPeer(name, questions) {
    const client = this[name];
    if (!client.connected) return;
    try {
      await questions();
      if (client.connected) this.#known[name] = 'ok';
    } catch (error) {
      this.#known[name] = 'away';
      if (!this.#closed) this.log.warning('no answer', { code: 'HUB_AWAY', peer: name, why: messageOf(error) });
    }
  }

  /** The connection has ended: after a reload of the sidecar the next one answers within 0.1 s. @param {Peer} name */
  #lost(name) {
    setTimeout(() => !this[name].connected && this.#set(name, 'away'), RECONNECT_MS).unref();
  }

  /** @param {Peer} name @param {'ok' | 'away'} now */
  #set(name, now) {
    if (this.#closed || this.#known[name] === now) return;
    this.#known[name] = now;
    this.#merge();
  }

  /** Compute State again, and notify listeners if it changed. */
  #merge() {
    this.#known.errors = this.#awayErrors();
    const next = this.#view(this.#state.seq + 1);
    const change = diff(this.#state, next);
    if (!change) return;
    this.#state = next;
    for (const tell of this.#watchers) tell(change);
  }

  /** @param {number} seq */
  #view(seq) {
    const { baseUrl, publicUrl, sidecarUrl, protected: hidden } = this.settings;
    return view(this.#known, {
      baseUrl,
      published: publicUrl !== null,
      sidecarUrl: hidden ? '' : sidecarUrl,
      protected: hidden,
      seq,
      at: Date.now() / 1000,
    });
  }

  /** @returns {ErrorDescription[]} */
  #awayErrors() {
    const { adapter, sidecar, yamcpUi } = this.#known;
    return [
      ...(adapter === 'away' ? [awayError('adapter')] : []),
      ...(sidecar === 'away' ? [awayError('sidecar')] : []),
      ...(yamcpUi === 'away' ? [new FrontError('YAMCP_UI_AWAY')] : []),
    ].map(({ code, message, hint }) => ({ code, message, hint }));
  }

  // --- waiting -----------------------------------------------------------------------------------------------------

  /** Wait until a snapshot is applied and shown. @param {SnapshotId} id @returns {Promise<boolean>} */
  async #waitUntilShown(id) {
    const deadline = performance.now() + APPLY_TIMEOUT_MS;
    for (;;) {
      const { desired, status, sidecar } = this.#known;
      if (desired && applied({ applied: desired.snapshot.id }, id) && applied(status, id))
        return this.fresh().then(() => true);
      const left = deadline - performance.now();
      if (left <= 0 || this.#closed || sidecar === 'away') return false;
      await this.#nextRound(left);
    }
  }

  /** Wait for the end of the next refresh, at most that many milliseconds. @param {number} most */
  #nextRound(most) {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(late);
        this.#waiting.delete(done);
        resolve(undefined);
      };
      const late = setTimeout(done, most);
      this.#waiting.add(done);
    });
  }

  #roundEnded() {
    for (const done of [...this.#waiting]) done();
  }

  /** @param {Peer} name @param {any} error @returns {never} */
  #unanswered(name, error) {
    if (codeOf(error) === 'BRIDGE_UNAVAILABLE') throw awayError(name, error.data);
    throw error;
  }
}
