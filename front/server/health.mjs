// GET /healthz: asks the hub's processes whether they work.

import { get } from 'node:http';
import { FrontError } from './errors.mjs';
import { placeOf } from './yamcp_ui/place.mjs';

/** Seconds that a process may take to answer. */
const PING_TIMEOUT_SECONDS = 2;

/** @import {State, ErrorDescription} from './state/state.mjs' */

/** Checks the hub's health; simultaneous requests share one check. */
export class Health {
  /** @type {Promise<ErrorDescription[]> | null} */
  #asking = null;

  /**
   * @param {import('./state/hub.mjs').HubClient} hub
   * @param {Pick<import('./settings.mjs').Settings, 'yamcpUiDir' | 'yamcpUiSocket'>} settings
   */
  constructor(hub, settings) {
    this.hub = hub;
    this.settings = settings;
  }

  /** Return the problems found; empty if there are none. @returns {Promise<ErrorDescription[]>} */
  check() {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  async #ask() {
    const [adapter, sidecar, yamcpUi] = await Promise.all([
      this.hub.askAdapter('ping', {}, { timeout: PING_TIMEOUT_SECONDS }).then(nothing, problemOf),
      this.hub.askSidecar('ping', {}, { timeout: PING_TIMEOUT_SECONDS }).then(nothing, problemOf),
      this.settings.yamcpUiDir ? this.#askYamcpUi() : [],
    ]);
    const state = sidecar.length ? null : await this.hub.fresh();
    return [...adapter, ...sidecar, ...yamcpUi, ...(state ? [...unconfigured(state), ...unready(state)] : [])];
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

/** @returns {ErrorDescription[]} */
const nothing = () => [];

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
    const reasons = await health.check();
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
