// Client ID Metadata Documents: a client whose id is an https URL describes itself in the document at that URL.
// draft-ietf-oauth-client-id-metadata-document. The URL comes from a stranger, so fetching it has narrow limits.

import { lookup } from 'node:dns/promises';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP } from 'node:net';
import { clientOf } from './client_metadata.mjs';
import { OAuthError } from '../oauth_error.mjs';
import { isLoopback, isPublic } from './public_address.mjs';

/** @typedef {import('./client_metadata.mjs').Client} Client */

const MAX_ID_LENGTH = 1024;
const MAX_BYTES = 32 * 1024;
/** Milliseconds for the whole fetch. */
const TIMEOUT_MS = 5_000;
/** Fetches in progress at the same time. */
const MAX_FETCHES = 8;
/** Documents that are kept. */
const MAX_CACHED = 200;
/** Seconds that a document is kept: what its server says (RFC 9111, max-age), within these bounds. */
const KEPT_SECONDS = { least: 60, most: 86_400, unsaid: 3_600 };
const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i;

/**
 * Return whether a client id is the URL of a metadata document (draft, 3): https, a path, no fragment, no user name, no
 * dot segments.
 * @param {string} id @param {{loopback?: boolean}} [options]  `loopback`: http is allowed there, for development
 */
export function isDocumentUrl(id, { loopback = false } = {}) {
  if (id.length > MAX_ID_LENGTH || !/^https?:\/\/[\x21-\x7e]+$/.test(id) || /[#\\@"<>^`{|}]/.test(id)) return false;
  if (!URL.canParse(id)) return false;
  const { href, protocol, pathname, hostname } = new URL(id);
  const secure = protocol === 'https:' || (loopback && (hostname === 'localhost' || isLoopback(bare(hostname))));
  return secure && href === id && pathname !== '/';
}

/** Fetches and keeps the documents of clients. */
export class ClientDocuments {
  /** @type {Map<string, {client: Client, until: number}>} */
  #kept = new Map();
  /** @type {Map<string, Promise<Client>>} */
  #fetching = new Map();

  /**
   * @param {{loopback?: boolean, timeout?: number, resolve?: typeof addressesOf, clock?: () => number}} [options]
   *   `loopback`: documents on the loopback interface are allowed; `timeout` in ms; `clock` in seconds
   */
  constructor({ loopback = false, timeout = TIMEOUT_MS, resolve = addressesOf, clock } = {}) {
    this.loopback = loopback;
    this.timeout = timeout;
    this.resolve = resolve;
    this.clock = clock ?? (() => performance.now() / 1000);
  }

  /**
   * Return the client that the document at the URL describes.
   * @param {string} id
   * @returns {Promise<Client>}
   * @throws {OAuthError} invalid_client: there is no such document; temporarily_unavailable: too many are being fetched
   */
  async client(id) {
    const kept = this.#kept.get(id);
    if (kept && kept.until > this.clock()) return kept.client;
    const running = this.#fetching.get(id);
    if (running) return running;
    if (this.#fetching.size >= MAX_FETCHES)
      throw new OAuthError('temporarily_unavailable', 'Too many client documents are being fetched.', { status: 503 });
    const fetching = this.#fetch(id).finally(() => this.#fetching.delete(id));
    this.#fetching.set(id, fetching);
    return fetching;
  }

  /** @param {string} id */
  async #fetch(id) {
    const { text, age } = await this.#document(new URL(id));
    const client = clientOf(parsed(text), id);
    const seconds = Math.min(Math.max(age ?? KEPT_SECONDS.unsaid, KEPT_SECONDS.least), KEPT_SECONDS.most);
    this.#kept.delete(id);
    this.#kept.set(id, { client, until: this.clock() + seconds });
    if (this.#kept.size > MAX_CACHED) this.#kept.delete(/** @type {string} */ (this.#kept.keys().next().value));
    return client;
  }

  /** @param {URL} url @returns {Promise<{text: string, age: number | null}>} */
  async #document(url) {
    const signal = AbortSignal.timeout(this.timeout);
    try {
      const address = await this.#address(url, signal);
      return await fetched(url, address, signal);
    } catch (error) {
      if (error instanceof OAuthError) throw error;
      throw notUsable(signal.aborted ? `did not answer within ${this.timeout} ms` : 'cannot be reached');
    }
  }

  /**
   * Return the one address that is connected to. All addresses of the name have to be allowed; the name is not resolved
   * again, so that its owner cannot change what was checked (DNS rebinding).
   * @param {URL} url @param {AbortSignal} signal
   */
  async #address({ hostname, protocol }, signal) {
    const aborted = new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('timeout'))));
    const found = await Promise.race([this.resolve(bare(hostname)), aborted]);
    const local = this.loopback && found.every(isLoopback);
    if (found.length === 0) throw new Error('the name has no address');
    if (!local && !(protocol === 'https:' && found.every(isPublic))) throw notUsable('is not on the public Internet');
    return found[0];
  }
}

/** Return all addresses of a name. @param {string} name @returns {Promise<string[]>} */
async function addressesOf(name) {
  if (isIP(name)) return [name];
  return (await lookup(name, { all: true })).map(({ address }) => address);
}

/**
 * Request a document from one address. Redirects are not followed.
 * @param {URL} url @param {string} address @param {AbortSignal} signal
 * @returns {Promise<{text: string, age: number | null}>}
 */
function fetched(url, address, signal) {
  const request = url.protocol === 'https:' ? requestHttps : requestHttp;
  const pinned = (/** @type {string} */ _, /** @type {any} */ { all }, /** @type {any} */ done) =>
    all ? done(null, [{ address, family: isIP(address) }]) : done(null, address, isIP(address));
  const headers = { accept: 'application/json', 'user-agent': 'yamcp-hub' };
  return new Promise((resolve, reject) => {
    const asking = request(url, { agent: false, signal, headers, lookup: pinned }, (response) => {
      read(response).then(resolve, (error) => {
        asking.destroy();
        reject(error);
      });
    });
    asking.once('error', reject);
    asking.end();
  });
}

/** @param {import('node:http').IncomingMessage} response */
async function read(response) {
  if (response.statusCode !== 200) throw notUsable(`answered ${response.statusCode}`);
  if (!JSON_TYPE.test(response.headers['content-type'] ?? '')) throw notUsable('is not JSON');
  /** @type {Buffer[]} */
  const chunks = [];
  let bytes = 0;
  for await (const chunk of response) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw notUsable(`is larger than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  const age = /(?:^|[\s,])max-age=(\d{1,9})/i.exec(response.headers['cache-control'] ?? '')?.[1];
  return { text: Buffer.concat(chunks).toString('utf8'), age: age === undefined ? null : Number(age) };
}

/** @param {string} text @returns {unknown} */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw notUsable('is not JSON');
  }
}

/** @param {string} why */
const notUsable = (why) => new OAuthError('invalid_client', `The document that client_id names ${why}.`);

/** @param {string} hostname */
const bare = (hostname) => hostname.replace(/^\[|\]$/g, '');
