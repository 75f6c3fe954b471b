/** A front whose users sign in at an OpenID provider, in this process; its adapter is in memory and writes a journal. */

import { createHash } from 'node:crypto';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BridgeError } from '../../../bridge/node/errors.mjs';
import { Front } from '../../../front/server/app.mjs';
import { Log } from '../../../front/server/log.mjs';
import { freePort } from './hub.mjs';
import { CLIENT } from './oidc_provider.mjs';
import { load } from './settings.mjs';
import { Visitor } from './visitor.mjs';

export const TOKEN = 'the-token-of-a-hub-with-users-0123456789';

/** What the adapter does with requests about users and logins. */
export class FakeAdapter {
  away = false;
  /** @type {any[]} */
  users = [];
  /** @type {any[]} */
  logins = [];

  /** @param {string} journal */
  constructor(journal) {
    this.journal = journal;
  }

  /** @param {string} kind @param {any} body @returns {Promise<any>} */
  async ask(kind, body) {
    if (this.away) throw new BridgeError('BRIDGE_UNAVAILABLE', 'away');
    return /** @type {any} */ (this)[kind](body);
  }

  /** @param {any} user */
  sign_in_user(user) {
    const id = `u${createHash('sha256').update(`${user.issuer}\n${user.sub}`).digest('hex').slice(0, 15)}`;
    this.users.push({ ...user, id });
    this.#write({ t: 'user', id, ...user, at: 1 });
    return { id };
  }

  /** @param {any} login */
  begin_login(login) {
    this.logins.push(login);
    this.#write({ t: 'login', ...login });
    return {};
  }

  /** @param {any} which */
  end_logins({ sub, grants: _, ...which }) {
    const subject = this.users.find((user) => user.sub === sub);
    const wanted = { ...which, ...(sub !== undefined && { principal: subject?.id ?? 'nobody' }) };
    for (const login of this.logins)
      if (Object.entries(wanted).every(([name, value]) => login[name] === value))
        this.#write({ t: 'login_end', id: login.id });
    return {};
  }

  note_key_uses() {
    return {};
  }

  /** @param {object} record */
  #write(record) {
    appendFileSync(this.journal, `${JSON.stringify(record)}\n`);
  }
}

/** A front, made by `openSite`. */
export class Site {
  /** What its front logged. @type {any[]} */
  logged = [];
  /** @type {Front} set by `start` */
  front = /** @type {any} */ (null);

  /** @param {string} root @param {number} port @param {Record<string, string>} env */
  constructor(root, port, env) {
    this.root = root;
    this.url = `http://127.0.0.1:${port}`;
    this.env = { HUB_PORT: String(port), HUB_DATA_DIR: root, HUB_TOKEN: TOKEN, ...env };
    this.adapter = new FakeAdapter(join(root, 'credentials.jsonl'));
  }

  /** Start, also anew. */
  async start() {
    const log = new Log('debug', (line) => void this.logged.push(JSON.parse(line)));
    this.front = new Front(load(this.env), log);
    Object.assign(this.front.hub, {
      start: () => {},
      askAdapter: (/** @type {any} */ kind, /** @type {any} */ body) => this.adapter.ask(kind, body),
    });
    await this.front.start();
  }

  /** Give roles, as the adapter applies access.json. @param {object[]} roles */
  give(...roles) {
    writeFileSync(join(this.root, 'access.applied.json'), JSON.stringify({ roles }));
    this.front.auth.principals?.roles.refresh();
  }

  /** Sign a browser in; return it, and where it was sent in the end. @param {string} [next] @param {Visitor} [visitor] */
  async signIn(next = '/hub/', visitor = new Visitor()) {
    const begin = `${this.url}/login/oidc?${new URLSearchParams({ next })}`;
    const { url, answer } = await visitor.open(begin, (at) => at.includes('#hub_page='));
    const [, secret] = /[#&]hub_page=([\w-]{43})$/.exec(url) ?? ['', ''];
    return { visitor, url, answer, secret };
  }

  /** How the API answers a browser. @param {{visitor: Visitor, secret: string}} browser @param {string} [path] */
  api({ visitor, secret }, path = '/api/openapi.json') {
    const headers = { accept: 'application/json', 'x-hub-page': secret, 'sec-fetch-site': 'same-origin' };
    return visitor.ask('GET', this.url + path, { headers });
  }

  /** The recorded sign-ins, as far as they wait for the recorder. */
  async signIns() {
    await this.front.auth.signIns.flush();
    const { readdirSync } = await import('node:fs');
    const spool = join(this.root, 'spool');
    const files = readdirSync(spool).sort();
    return files.flatMap((name) => JSON.parse(readFileSync(join(spool, name), 'utf8').split('\n')[0]).sign_ins);
  }

  /** All that it logged, as text. */
  get text() {
    return JSON.stringify(this.logged);
  }

  stop() {
    return this.front.stop();
  }

  async close() {
    await this.stop();
    rmSync(this.root, { recursive: true });
  }
}

/**
 * A front that is not started yet, of whose provider the issuer may depend on its URL.
 * @param {(hub: string) => Promise<{issuer: string}>} provider @param {Record<string, string>} [env]  more variables
 */
export async function siteFor(provider, env = {}) {
  const port = await freePort();
  const { issuer } = await provider(`http://127.0.0.1:${port}`);
  const own = { HUB_OIDC_ISSUER: issuer, HUB_OIDC_CLIENT_ID: CLIENT.id, HUB_OIDC_CLIENT_SECRET_FILE: '' };
  const root = mkdtempSync(join(tmpdir(), 'hub'));
  const secret = join(root, 'secret');
  writeFileSync(secret, `${CLIENT.secret}\n`, { mode: 0o600 });
  return new Site(root, port, { ...own, HUB_OIDC_CLIENT_SECRET_FILE: secret, ...env });
}
