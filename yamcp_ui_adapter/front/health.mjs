// GET /healthz: whether the hub is well, found out by asking its processes.

import { get } from 'node:http';
import { FrontError } from './errors.mjs';

/** Seconds that a process gets to answer. */
const DEADLINE = 2;

/** @import {State, Told} from './state.mjs' */

/** Answers how the hub is; those who ask at the same time get the same answer. */
export class Health {
  /** @type {Promise<Told[]> | null} */
  #asking = null;

  /**
   * @param {import('./hub.mjs').Hub} hub
   * @param {Pick<import('./settings.mjs').Settings, 'yamcpUiDir' | 'yamcpUiPort'>} settings
   */
  constructor(hub, settings) {
    this.hub = hub;
    this.settings = settings;
  }

  /** What is wrong; empty when nothing is. @returns {Promise<Told[]>} */
  check() {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  async #ask() {
    const [adapter, sidecar, yamcpUi] = await Promise.all([
      this.hub.desired('ping', {}, { timeout: DEADLINE }).then(nothing, told),
      this.hub.ask('ping', {}, { timeout: DEADLINE }).then(nothing, told),
      this.settings.yamcpUiDir ? this.#askYamcpUi() : [],
    ]);
    const state = sidecar.length ? null : await this.hub.fresh();
    return [...adapter, ...sidecar, ...yamcpUi, ...(state ? unready(state) : [])];
  }

  async #askYamcpUi() {
    const url = `http://localhost:${this.settings.yamcpUiPort}/`;
    const signal = AbortSignal.timeout(DEADLINE * 1000);
    return answers(url, signal).then(nothing, () => told(new FrontError('YAMCP_UI_AWAY')));
  }
}

/**
 * Resolves when something answers at a URL of this machine.
 * @param {string} url @param {AbortSignal} signal
 */
function answers(url, signal) {
  return new Promise((resolve, reject) => {
    const asking = get(url, { family: 4, agent: false, signal }, (answer) => resolve(answer.resume()));
    asking.once('error', reject);
  });
}

/**
 * The workspaces that are on and have servers, none of which is ready (pure).
 * @param {Pick<State, 'workspaces' | 'servers'>} state
 * @returns {Told[]}
 */
export function unready({ workspaces }) {
  return workspaces
    .filter(({ enabled, state, ready }) => enabled && ready === 0 && (state === 'failed' || state === 'starting'))
    .flatMap(({ name, error }) => {
      const why = error ? ` ${error.message}` : '';
      return told(
        new FrontError('WORKSPACE_NOT_READY', `No server of the workspace ${JSON.stringify(name)} is ready.${why}`),
      );
    });
}

/** @returns {Told[]} */
const nothing = () => [];

/** @param {FrontError} error @returns {Told[]} */
const told = ({ code, message, hint }) => [{ code, message, hint }];

/**
 * The handler of /healthz.
 * @param {Health} health
 * @returns {import('express').Handler}
 */
export function healthz(health) {
  return async (request, response) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.set('Allow', 'GET, HEAD');
      throw new FrontError('METHOD_NOT_ALLOWED');
    }
    const reasons = await health.check();
    const { sessions, version } = health.hub.state.hub;
    const body = reasons.length ? { status: 'failing', reasons } : { status: 'ok', version, sessions };
    response
      .status(reasons.length ? 503 : 200)
      .set('Cache-Control', 'no-store')
      .json(body);
  };
}
