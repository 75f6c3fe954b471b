/** The hub's State as a signal, kept up to date over a WebSocket. */

import { computed, effect, signal } from '@preact/signals';
import { seenFrom } from './address.mjs';
import { ApiError, api } from './api.mjs';
import { checkLogin } from './login.mjs';
import { eventsBetween, merge } from './merge.mjs';
import { ReconnectingSocket } from './socket.mjs';

export { ApiError, api };

/** @typedef {import('../types.mjs').State} State @typedef {import('../types.mjs').HubEvent} HubEvent */

const MAX_EVENTS = 500;
/** The page's origin; empty outside a browser, because the front renders the first page, too. */
const origin = globalThis.location?.origin ?? '';

/** @type {import('@preact/signals').Signal<State|null>} */
export const state = signal(null);
/** @type {import('@preact/signals').Signal<'connecting'|'live'|'lost'>} */
export const connection = signal('connecting');
/** When the hub was last heard from, in Unix seconds; changes only while the connection is lost. */
export const lostAt = signal(0);
/** What happened since the page was opened, oldest first. @type {import('@preact/signals').Signal<HubEvent[]>} */
export const events = signal([]);

export const workspacesByName = computed(
  () => new Map((state.value?.workspaces ?? []).map((item) => [item.name, item])),
);
export const serversByKey = computed(() => new Map((state.value?.servers ?? []).map((item) => [item.key, item])));

/** @type {ReconnectingSocket|null} */
let socket = null;
/** @type {Map<string, { resolve: (answer: any) => void, reject: (error: ApiError) => void }>} */
const calls = new Map();
/** @type {Set<(record: any) => void>} */
const logListeners = new Set();
/** @type {Set<(event: HubEvent) => void>} */
const eventListeners = new Set();
let receivedAt = 0;
let lastCall = 0;

/** Set the State to one received from the hub. @param {State} next */
export function take(next) {
  next = seenFrom(next, origin);
  const news = eventsBetween(state.value, next);
  state.value = next;
  if (news.length === 0) return;
  events.value = [...events.value, ...news].slice(-MAX_EVENTS);
  for (const event of news) for (const listener of eventListeners) listener(event);
}

/**
 * Start to follow the hub.
 *
 * @param {string} [url]
 * @param {any} [Socket] class to connect with
 */
export function connect(url = `${location.origin.replace(/^http/, 'ws')}/api/hub/live`, Socket = undefined) {
  socket = new ReconnectingSocket(url, { opened, received, lost }, Socket);
}

/** Stop following the hub. */
export function disconnect() {
  socket?.close();
  socket = null;
}

function opened() {
  if (logListeners.size > 0) socket?.send({ type: 'logs', on: true });
}

/** @param {any} message */
function received(message) {
  receivedAt = Date.now() / 1000;
  if (message.type === 'state') {
    take(message.state);
    connection.value = 'live';
  } else if (message.type === 'change') {
    const next = merge(state.value, message);
    if (next) take(next);
    else socket?.send({ type: 'status' });
  } else if (message.type === 'tick') {
    if (message.seq !== state.value?.seq) socket?.send({ type: 'status' });
  } else if (message.type === 'log') {
    for (const listener of logListeners) listener(message.record);
  } else if (message.type === 'result') {
    answer(message);
  }
}

/** @param {any} message */
function answer({ id, result, seconds, error }) {
  const call = calls.get(id);
  calls.delete(id);
  if (error) call?.reject(new ApiError(error));
  else call?.resolve({ result, seconds });
}

function lost() {
  if (connection.value !== 'lost') lostAt.value = receivedAt || (state.value?.hub.at ?? 0);
  connection.value = 'lost';
  if (state.value?.hub.protected ?? true) checkLogin();
  const message = 'The connection to the hub ended before the response arrived.';
  const hint = 'The tool may have run nevertheless. Check its effects before you call it again.';
  for (const call of calls.values()) call.reject(new ApiError({ code: 'CONNECTION_LOST', message, hint }));
  calls.clear();
}

/** Request the whole State, if the live connection cannot deliver it. */
export async function refresh() {
  if (connection.value !== 'live') take(await api.get('/api/hub/state'));
}

/**
 * Wait until the State meets a condition, at most `seconds`.
 * @param {() => boolean} predicate @param {number} seconds
 */
export function until(predicate, seconds) {
  return /** @type {Promise<boolean>} */ (
    new Promise((resolve) => {
      const timer = setTimeout(() => done(false), seconds * 1000);
      /** @type {() => void} */
      let stop = () => {};
      const done = (/** @type {boolean} */ met) => {
        clearTimeout(timer);
        queueMicrotask(() => stop());
        resolve(met);
      };
      stop = effect(() => {
        if (predicate()) done(true);
      });
    })
  );
}

export const live = {
  /** Send a message; return whether it was sent. @param {any} message */
  send: (message) => socket?.send(message) ?? false,
  /** Reconnect now. */
  retry: () => socket?.retry(),
  /**
   * Call `listener` with the hub's log records; return a function that ends it.
   * @param {(record: any) => void} listener @returns {() => void}
   */
  onLog(listener) {
    logListeners.add(listener);
    if (logListeners.size === 1) socket?.send({ type: 'logs', on: true });
    return () => {
      if (logListeners.delete(listener) && logListeners.size === 0) socket?.send({ type: 'logs', on: false });
    };
  },
  /**
   * Call `listener` with each event; return a function that ends it.
   * @param {(event: HubEvent) => void} listener @returns {() => void}
   */
  onEvent(listener) {
    eventListeners.add(listener);
    return () => eventListeners.delete(listener);
  },
};

/**
 * Call a tool as a client of the workspace would.
 *
 * @param {string} workspace
 * @param {string} tool
 * @param {Record<string, any>} args
 * @param {number} [timeout] seconds
 * @returns {Promise<{ result: any, seconds: number }>}
 * @throws {ApiError}
 */
export function execute(workspace, tool, args, timeout) {
  const id = `call-${++lastCall}`;
  const question = { workspace, tool, arguments: args, ...(timeout ? { timeout } : {}) };
  if (!live.send({ type: 'execute', id, ...question })) return api.post('/api/hub/call', {}, question);
  return new Promise((resolve, reject) => calls.set(id, { resolve, reject }));
}
