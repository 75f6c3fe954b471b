// GET /healthz: asks the hub's processes whether they work. With `?probe=`, for load balancers and Kubernetes.

import { get } from 'node:http';
import { FrontError } from './errors.mjs';
import { placeOf } from './yamcp_ui/place.mjs';

/** Seconds that a process may take to answer. */
const PING_TIMEOUT_SECONDS = 2;

/** @import {State, ErrorDescription} from './state/state.mjs' */

/**
 * What keeps a hub from passing a probe: what others would do better, but nothing that all replicas share, such as a
 * server that is down, and nothing that endpoints do without, such as the adapter.
 * @type {Record<string, (found: Found) => ErrorDescription[]>}
 * @typedef {{sidecar: ErrorDescription[], others: ErrorDescription[], state: State | null}} Found  of the sidecar, of the
 *   other processes, and the state that the sidecar has told (null if it does not answer)
 */
const PROBES = {
  liveness: nothing,
  readiness: ({ sidecar, state }) => [...sidecar, ...(state ? [...unconfigured(state), ...draining(state)] : [])],
  startup: ({ sidecar, state }) => [...sidecar, ...(state ? [...unconfigured(state), ...starting(state)] : [])],
};

/** Checks the hub's health; simultaneous requests share one check. */
export class Health {
  /** @type {Promise<Found> | null} */
  #asking = null;

  /**
   * @param {import('./state/hub.mjs').HubClient} hub
   * @param {Pick<import('./settings.mjs').Settings, 'yamcpUiDir' | 'yamcpUiSocket'>} settings
   */
  constructor(hub, settings) {
    this.hub = hub;
    this.settings = settings;
  }

  /**
   * Return the problems found that count for the probe; empty if there are none.
   * @param {unknown} [probe]  one of PROBES, or undefined for all problems
   * @returns {Promise<ErrorDescription[]>}
   */
  async check(probe) {
    if (probe === 'liveness') return [];
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = null;
    });
    const found = await this.#asking;
    if (typeof probe === 'string') return PROBES[probe](found);
    const { sidecar, others, state } = found;
    return [...others, ...sidecar, ...(state ? [...unconfigured(state), ...unready(state)] : [])];
  }

  async #ask() {
    const [adapter, sidecar, yamcpUi] = await Promise.all([
      this.hub.askAdapter('ping', {}, { timeout: PING_TIMEOUT_SECONDS }).then(nothing, problemOf),
      this.hub.askSidecar('ping', {}, { timeout: PING_TIMEOUT_SECONDS }).then(nothing, problemOf),
      this.settings.yamcpUiDir ? this.#askYamcpUi() : [],
    ]);
    const state = sidecar.length ? null : await this.hub.fresh();
    return { sidecar, others: [...adapter, ...yamcpUi], state };
  }

  async #askYamcpUi() {
    const { request, host } = placeOf(this.settings);
    const signal = AbortSignal.timeout(PING_TIMEOUT_SECONDS * 1000);
    return answers({ ...request, headers: { host }, signal }).then(nothing, () =>
      problemOf(new FrontError('YAMCP_UI_AWAY')),
    );
  }
}

/**
 * Connect to an address of this machine; resolves when a server answers.
 * @param {import('node:http').RequestOptions} options
 */
function answers(options) {
  return new Promise((resolve, reject) => {
    const asking = get({ ...options, agent: false }, (answer) => resolve(answer.resume()));
    asking.once('error', reject);
  });
}

/**
 * Return an error while the sidecar answers and has no configuration. Pure.
 * @param {{hub: Pick<State['hub'], 'sidecar' | 'source'>}} state
 * @returns {ErrorDescription[]}
 */
export function unconfigured({ hub }) {
  return hub.sidecar === 'ok' && hub.source === 'none' ? problemOf(new FrontError('HUB_STARTING')) : [];
}

/**
 * Return an error while this replica is about to stop (`hubctl drain`). Pure.
 * @param {{hub: Pick<State['hub'], 'errors'>}} state
 * @returns {ErrorDescription[]}
 */
export function draining({ hub }) {
  return hub.errors.filter(({ code }) => code === 'HUB_DRAINING');
}

/**
 * Return errors for the enabled workspaces with servers of which none is ready. Pure.
 * @param {Pick<State, 'workspaces' | 'servers'>} state
 * @returns {ErrorDescription[]}
 */
export function unready({ workspaces }) {
  return workspaces
    .filter(({ enabled, state, ready }) => enabled && ready === 0 && (state === 'failed' || state === 'starting'))
    .flatMap(({ name, error }) => {
      const why = error ? ` ${error.message}` : '';
      return problemOf(
        new FrontError('WORKSPACE_NOT_READY', `No server of the workspace ${JSON.stringify(name)} is ready.${why}`),
      );
    });
}

/**
 * Return errors for the enabled workspaces whose servers start for the first time. Pure.
 * @param {Pick<State, 'workspaces' | 'servers'>} state
 * @returns {ErrorDescription[]}
 */
function starting({ workspaces, servers }) {
  return unready({ workspaces: workspaces.filter(({ state }) => state === 'starting'), servers });
}

/** @returns {ErrorDescription[]} */
function nothing() {
  return [];
}

/** @param {FrontError} error @returns {ErrorDescription[]} */
const problemOf = ({ code, message, hint }) => [{ code, message, hint }];

/**
 * Return the handler of /healthz.
 * @param {Health} health
 * @param {(request: import('express').Request) => boolean} mayKnow  whether a request may see the details
 * @returns {import('express').Handler}
 */
export function healthz(health, mayKnow) {
  return async (request, response) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.set('Allow', 'GET, HEAD');
      throw new FrontError('METHOD_NOT_ALLOWED');
    }
    const { probe } = request.query;
    if (probe !== undefined && !(typeof probe === 'string' && Object.hasOwn(PROBES, probe)))
      throw new FrontError('QUERY_INVALID', `The probe is not one of ${Object.keys(PROBES).join(', ')}.`);
    const reasons = await health.check(probe);
    const { sessions, version } = health.hub.state.hub;
    const status = reasons.length ? 'failing' : 'ok';
    const more = reasons.length ? { reasons } : { version, sessions };
    const body = mayKnow(request) ? { status, ...more } : { status };
    response
      .status(reasons.length ? 503 : 200)
      .set('Cache-Control', 'no-store')
      .json(body);
  };
}
