/** A protected hub with YAMCP-UI, and requests of its users and programs. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import WebSocket from 'ws';
import { setTimeout as pause } from 'node:timers/promises';
import { ask } from './api.mjs';
import { mock } from './hub.mjs';
import { runHub } from './run.mjs';
import { STANDIN } from './yamcp_ui.mjs';

/** @typedef {import('./api.mjs').More} More @typedef {Record<string, string>} Headers */

export const TOKEN = 'the-token-of-this-hub';
export const WRONG = 'wr0ng-t0ken-that-nobody-has';
export const ADMIN = { authorization: `Bearer ${TOKEN}` };
export const HTML = { accept: 'text/html,application/xhtml+xml' };
const INITIALIZE = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 't', version: '1' } },
};
const LOOK = 50; // ms
const BOTH = { accept: 'application/json, text/event-stream' };

/** Two workspaces, `alpha` and `beta`; made by `openProtected`. */
export class Protected {
  #clients = 0;

  /** @param {import('./run.mjs').Run} hub @param {string} state */
  constructor(hub, state) {
    this.hub = hub;
    this.state = state;
    this.url = hub.url;
  }

  async close() {
    await this.hub.stop();
    rmSync(this.state, { recursive: true });
  }

  /** One request. @param {string} method @param {string} path @param {More} [more] */
  ask(method, path, more) {
    return ask(this.url, method, path, more);
  }

  /** Headers of one from an address of its own, whose attempts count for nobody else: loopback is a trusted proxy here. */
  stranger() {
    this.#clients += 1;
    return { 'x-forwarded-for': `192.0.2.${this.#clients}` };
  }

  /** A key, made as people make them. @param {string} name @param {...string} options */
  async key(name, ...options) {
    const { id, token } = JSON.parse(await this.hub.hubctl('keys', 'add', name, ...options, '--json'));
    const headers = { authorization: `Bearer ${token}` };
    const known = async () =>
      (await this.ask('GET', '/mcp/none', { headers: { ...headers, ...this.stranger() } })).status;
    while ((await known()) !== 404) await pause(LOOK); // keys are looked for every half second, and no event tells of it
    return { id, token, headers };
  }

  /** What a page of a login sends: the cookie, and the secret that the page keeps. @param {string} [token] */
  async login(token = TOKEN) {
    const answer = await this.ask('GET', `/?token=${token}`, { headers: HTML });
    assert.equal(answer.status, 302);
    const [, secret] = /#hub_page=([\w-]{43})$/.exec(String(answer.headers.location)) ?? [];
    return { cookie: String(answer.headers['set-cookie']).split(';')[0], 'x-hub-page': secret };
  }

  /** The cookie that a login gives. @param {string} [token] */
  async cookie(token = TOKEN) {
    return (await this.login(token)).cookie;
  }

  /** The status with which a WebSocket is answered. @param {Headers} headers @param {string} [path] */
  async upgrade(headers, path = '/api/hub/live') {
    const socket = new WebSocket(this.url.replace('http', 'ws') + path, { headers });
    const refused = once(socket, 'unexpected-response').then(([, response]) => response.statusCode);
    const status = await Promise.race([refused, once(socket, 'open').then(() => 101)]);
    socket.on('error', () => {}).terminate();
    return status;
  }

  /** How an endpoint answers a client that connects. @param {string} workspace @param {Headers} headers */
  async initialize(workspace, headers) {
    const { status, body } = await this.ask('POST', `/mcp/${workspace}`, {
      body: INITIALIZE,
      headers: { ...BOTH, ...headers },
    });
    return { status, body };
  }
}

/** Start one. Close it. */
export async function openProtected() {
  const state = mkdtempSync(join(tmpdir(), 'ui')); // YAMCP's logs
  mkdirSync(join(state, 'yamcp-nodejs'));
  const hub = await runHub({
    providers: { a: mock('a'), b: mock('b') },
    workspaces: { alpha: ['a'], beta: ['b'] },
    env: {
      HUB_TOKEN: TOKEN,
      HUB_TRUSTED_PROXIES: '127.0.0.1',
      HUB_ALLOWED_HOSTS: 'box.lan',
      HUB_YAMCP_UI_DIR: STANDIN,
      XDG_STATE_HOME: state,
    },
  });
  const opened = new Protected(hub, state);
  try {
    await hub.until(({ hub: { yamcp_ui } }) => yamcp_ui === 'ok');
    return opened;
  } catch (error) {
    await opened.close();
    throw error;
  }
}
