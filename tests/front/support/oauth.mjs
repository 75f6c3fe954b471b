/** A front with an authorization server, in this process, whose adapter is in memory; and the browser of its user. */

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BridgeError } from '../../../bridge/node/errors.mjs';
import { Front } from '../../../front/server/app.mjs';
import { Log } from '../../../front/server/log.mjs';
import { ask } from './api.mjs';
import { freePort } from './hub.mjs';
import { load } from './settings.mjs';

export const TOKEN = 'the-token-of-a-hub-with-oauth-0123456789';
export const KEY = `yh_k1234567_${'A'.repeat(43)}`;
export const REDIRECT = 'http://127.0.0.1:7777/callback';
export const VERIFIER = 'v'.repeat(43);
export const CHALLENGE = createHash('sha256').update(VERIFIER).digest('base64url');
const HTML = { accept: 'text/html' };
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

/** @param {string} text */
const sha256 = (text) => createHash('sha256').update(text).digest('hex');

/** What the adapter does with requests about sign-in, as far as the front can tell the difference. */
export class FakeAdapter {
  /** @type {Map<string, any>} */
  clients = new Map();
  /** @type {Map<string, any>} */
  codes = new Map();
  /** @type {any[]} */
  asked = [];
  away = false;

  /** @param {string} kind @param {any} body @returns {Promise<any>} */
  async ask(kind, body) {
    this.asked.push({ kind, body });
    if (this.away) throw new BridgeError('BRIDGE_UNAVAILABLE', 'away');
    const handle = /** @type {any} */ (this)[kind];
    if (!handle) throw new BridgeError('BRIDGE_UNKNOWN_KIND', kind);
    return handle.call(this, body);
  }

  /** @param {any} client */
  register_client(client) {
    const id = `c${randomBytes(8).toString('hex')}`;
    this.clients.set(id, { ...client, id, at: 1, used: null });
    return { id, issued_at: 1 };
  }

  /** @param {{id: string}} asked */
  find_client({ id }) {
    const found = this.clients.get(id);
    if (!found) throw new BridgeError('NO_SUCH_CLIENT', 'There is no such client.');
    return found;
  }

  /** @param {any} issued */
  issue_code(issued) {
    const code = `yhc_${randomBytes(32).toString('base64url')}`;
    this.codes.set(code, issued);
    return { code };
  }

  /** @param {any} asked */
  redeem_code({ code, client, redirect_uri: uri, verifier }) {
    const issued = this.codes.get(code);
    this.codes.delete(code);
    const proven = createHash('sha256').update(verifier).digest('base64url') === issued?.challenge;
    if (!issued || issued.client !== client || (uri !== '' && issued.redirect_uri !== uri) || !proven)
      throw new BridgeError('OAUTH_GRANT_INVALID', 'The code is not valid.', {
        data: { oauth_error: 'invalid_grant' },
      });
    return this.#tokens();
  }

  refresh_grant() {
    return this.#tokens();
  }

  revoke_token() {
    return {};
  }

  /** Each principal has one grant. @param {{principal?: string}} asked */
  list_grants({ principal }) {
    const owners = ['admin', 'k1234567'].filter((id) => principal === undefined || id === principal);
    return { grants: owners.map((id) => ({ id: `g${id}`, principal: id })) };
  }

  /** @param {{id: string, principal?: string}} asked */
  end_grant({ id, principal }) {
    if (principal !== undefined && id !== `g${principal}`) throw new BridgeError('NO_SUCH_GRANT', 'no');
    return {};
  }

  #tokens() {
    const [access, refresh] = [randomBytes(32), randomBytes(32)].map((bytes) => bytes.toString('base64url'));
    const tokens = { access_token: `yha_${access}`, refresh_token: `yhr_${refresh}`, expires_in: 3600 };
    return { ...tokens, scopes: ['mcp'], grant: `g${'0'.repeat(16)}` };
  }
}

/** A front, made by `openFront`. */
export class Site {
  /** @param {Front} front @param {FakeAdapter} adapter @param {string} root */
  constructor(front, adapter, root) {
    this.front = front;
    this.adapter = adapter;
    this.root = root;
    this.url = `http://127.0.0.1:${front.settings.port}`;
  }

  /** @param {string} method @param {string} path @param {import('./api.mjs').More} [more] */
  ask(method, path, more) {
    return ask(this.url, method, path, more);
  }

  /** @param {string} path @param {Record<string, string>} fields @param {Record<string, string>} [headers] */
  post(path, fields, headers = {}) {
    return this.ask('POST', path, { raw: String(new URLSearchParams(fields)), headers: { ...FORM, ...headers } });
  }

  /** Register a client. @param {object} [metadata] @returns {Promise<string>} its id */
  async client(metadata = {}) {
    const body = { client_name: 'A client', redirect_uris: [REDIRECT], ...metadata };
    const { status, body: answer } = await this.ask('POST', '/oauth/register', { body });
    assert.equal(status, 201, JSON.stringify(answer));
    return answer.client_id;
  }

  /** The query of a valid authorization request. @param {string} client @param {Record<string, string>} [changes] */
  request(client, changes = {}) {
    const valid = {
      client_id: client,
      redirect_uri: REDIRECT,
      response_type: 'code',
      code_challenge: CHALLENGE,
      code_challenge_method: 'S256',
      state: 'st4te',
      resource: `${this.url}/mcp/alpha`,
    };
    return Object.fromEntries(Object.entries({ ...valid, ...changes }).filter(([, value]) => value !== ''));
  }

  /**
   * Log a browser in, with a token.
   * @param {string} [token] @param {string} [next]
   * @returns {Promise<{headers: Record<string, string>, secret: string, location: string}>}
   */
  async login(token = TOKEN, next = '/oauth/authorize') {
    const answer = await this.post('/login', { token, next }, { ...HTML, origin: this.url });
    assert.equal(answer.status, 303, JSON.stringify(answer.body));
    const location = String(answer.headers.location);
    const [, secret] = /[#&]hub_page=([\w-]{43})$/.exec(location) ?? [];
    const cookie = String(answer.headers['set-cookie']).split(';')[0];
    return { headers: { ...HTML, cookie }, secret, location };
  }

  /**
   * Open an authorization request in a browser that is logged in.
   * @param {Record<string, string>} query @param {{headers: Record<string, string>}} browser
   */
  authorize(query, { headers }) {
    return this.ask('GET', '/oauth/authorize', { query, headers });
  }

  /**
   * Answer the question on a consent page.
   * @param {string} html @param {{headers: Record<string, string>, secret: string}} browser
   * @param {Record<string, string>} [changes] @param {Record<string, string>} [headers]
   */
  answer(html, browser, changes = {}, headers = {}) {
    const ticket = ticketOf(html);
    const fields = { ticket, hub_page: browser.secret, decision: 'approve', ...changes };
    return this.post('/oauth/consent', fields, { ...browser.headers, origin: this.url, ...headers });
  }

  async close() {
    await this.front.stop();
    rmSync(this.root, { recursive: true });
  }
}

/** The ticket on a consent page. @param {string} html */
export function ticketOf(html) {
  const [, ticket] = /name="ticket" value="([\w-]{32})"/.exec(html) ?? [];
  assert.ok(ticket, html.slice(0, 3000));
  return ticket;
}

/** The parameters of a redirect to a client. @param {import('./api.mjs').Answer} answer @param {string} [to] */
export function sentTo({ status, headers, body }, to = REDIRECT) {
  const location = String(headers.location);
  assert.equal(status, 303, `${status} ${JSON.stringify(body).slice(0, 500)}`);
  assert.ok(location.startsWith(`${to}?`), location);
  return Object.fromEntries(new URLSearchParams(location.slice(to.length + 1).split('#')[0]));
}

/** Start a front. Close it. @param {Record<string, string>} [env]  more variables */
export async function openFront(env = {}) {
  const root = mkdtempSync(join(tmpdir(), 'hub'));
  const key = { id: 'k1234567', name: 'laptop', hash: sha256(KEY), workspaces: ['alpha'], admin: false, created: 1 };
  writeFileSync(join(root, 'keys.json'), JSON.stringify({ version: 1, keys: [key] }));
  const own = {
    HUB_PORT: String(await freePort()),
    HUB_DATA_DIR: root,
    HUB_TOKEN: TOKEN,
    HUB_TRUSTED_PROXIES: '127.0.0.1',
  };
  const front = new Front(load({ ...own, ...env }), new Log('error', () => {}));
  const adapter = new FakeAdapter();
  const workspaces = [
    { name: 'alpha', slug: 'alpha', aliases: ['first'] },
    { name: 'Beta two', slug: 'beta-two', aliases: [] },
  ];
  Object.assign(front.hub, {
    start: () => {},
    askAdapter: (/** @type {any} */ kind, /** @type {any} */ body) => adapter.ask(kind, body),
    askSidecar: async (/** @type {string} */ kind) => {
      if (kind === 'upstream_sign_ins') return { sign_ins: ['mail', 'crm'].map((server) => ({ server })) };
      const seen = { alpha: ['mail'], 'Beta two': [] };
      return {
        workspaces: Object.entries(seen).map(([name, servers]) => ({ name, usable: servers.length > 0, servers })),
      };
    },
    fresh: async () => ({ hub: { source: 'adapter' }, workspaces, servers: [] }),
  });
  await front.start();
  return new Site(front, adapter, root);
}
