// Limits the clients' connections at the public port: their number, in total and for each address, and the time that
// one may keep the front waiting. Seconds are calls of `tick`, so that no client is blamed while the front itself is
// blocked.

import { readFileSync } from 'node:fs';
import { clientAddress, isTrusted } from './http/client.mjs';
import { discardRest } from './http/discard.mjs';
import { answerOf, FrontError } from './errors.mjs';
import { sendRpcError } from './sidecar/proxy.mjs';

/**
 * @import {IncomingMessage, Server, ServerResponse} from 'node:http'
 * @import {Socket} from 'node:net'
 * @typedef {'CONNECTIONS_LIMIT' | 'REQUEST_TIMEOUT' | 'CLIENT_NOT_READING'} Why
 * @typedef {{key: string, address: string, socket: Socket, requests: number, waited: number, taken: number, stuck: number}} Client
 */

/** Milliseconds for the head of a request, and between two of Node's checks for late ones. */
export const HEAD_TIMEOUT_MS = 15_000;
export const CHECK_INTERVAL_MS = 1_000;
/** Seconds for a body, and bytes of it that add one second. */
const BODY_SECONDS = 30;
const BODY_BYTES_PER_SECOND = 16 * 1024;
/** Seconds within which a client must read some of the data that waits for it. */
const READ_SECONDS = 30;
/** Seconds after which a connection that keeps the front waiting is closed if others need room. */
const CROWDED_SECONDS = 2;
/** Limit for connections, even if more files may be open: each costs some kilobytes. */
const MAX_CONNECTIONS = 8_192;
/** Milliseconds between two log lines about the same limit. */
const LOG_INTERVAL_MS = 10_000;
const RETRY_AFTER_SECONDS = 5;

/**
 * Return how many connections leave enough file descriptors for files and for one connection to the sidecar each.
 * @param {string} limits  of /proc/self/limits
 */
export function maxConnections(limits) {
  const files = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? 1024);
  return Math.max(16, Math.min(MAX_CONNECTIONS, Math.floor((files - Math.max(64, files / 4)) / 2)));
}

/** The connections of one server. */
export class Connections {
  /** @type {Map<string, Client>} */
  #all = new Map();
  /** Connections that have not sent a complete request head yet, oldest first. @type {Map<string, Client>} */
  #fresh = new Map();
  /** Connections between two requests. @type {Map<string, Client>} */
  #idle = new Map();
  /** Number of connections of each address. @type {Map<string, number>} */
  #shares = new Map();
  /**
   * Requests whose body is not complete.
   * @type {Map<IncomingMessage, {response: ServerResponse, before: number, waited: number}>}
   */
  #bodies = new Map();
  /** @type {Map<Why, {ended: number, at: number}>} */
  #news = new Map();

  /** @param {Server} server @param {import('./settings.mjs').Settings} settings @param {import('./log.mjs').Log} log */
  constructor(server, settings, log) {
    this.secure = settings.tls !== null;
    this.trusted = settings.trustedProxies;
    this.log = log;
    this.most = maxConnections(readFileSync('/proc/self/limits', 'utf8'));
    this.timer = setInterval(() => this.tick(), 1_000).unref();
    server.on('connection', (socket) => this.#opened(socket));
    server.once('close', () => clearInterval(this.timer));
  }

  get size() {
    return this.#all.size;
  }

  /** Limit for the connections of one address; for a proxy, of its requests. */
  get share() {
    return Math.max(16, Math.floor(this.most / 4));
  }

  /**
   * Record the start of a request.
   * @param {IncomingMessage} request @param {ServerResponse} response
   * @throws {FrontError} CONNECTIONS_LIMIT
   */
  began(request, response) {
    const client = this.#used(/** @type {Socket} */ (request.socket));
    response.once('close', () => this.#answered(client));
    if (hasBody(request)) this.#watchBody(request, response);
    const address = clientAddress(request, this.trusted);
    if (!client || address === client.address || isLocal(address)) return;
    const requests = this.#count(address, 1);
    response.once('close', () => this.#count(address, -1));
    if (requests > this.share) {
      this.#tell('CONNECTIONS_LIMIT');
      throw limited(`${address} has ${this.share} requests under way.`);
    }
  }

  /** Record that a connection has become a WebSocket. @param {Socket} socket */
  upgraded(socket) {
    this.#used(socket);
  }

  /** Close connections that keep the front waiting too long. Called once a second. */
  tick() {
    for (const client of this.#fresh.values()) client.waited += 1;
    for (const [request, body] of this.#bodies) {
      body.waited += 1;
      const received = request.socket.bytesRead - body.before;
      if (body.waited >= BODY_SECONDS + received / BODY_BYTES_PER_SECOND) this.#late(request, body.response);
    }
    for (const client of this.#all.values()) {
      const { socket } = client;
      const taken = socket.bytesWritten - socket.writableLength;
      client.stuck = socket.writableLength > 0 && taken === client.taken ? client.stuck + 1 : 0;
      client.taken = taken;
      if (client.stuck >= READ_SECONDS) this.#end(client, 'CLIENT_NOT_READING');
    }
    for (const why of this.#news.keys()) this.#write(why);
  }

  /** @param {Socket} socket */
  #opened(socket) {
    const key = keyOf(socket);
    socket.once('close', () => this.#closed(key)); // anew, where what reenters has taken all listeners off
    if (this.#all.has(key)) return;
    const address = clientAddress({ headers: {}, socket }, this.trusted);
    const client = { key, address, socket, requests: 0, waited: 0, taken: 0, stuck: 0 };
    if (!this.#admit(client)) return this.#refuse(socket);
    this.#all.set(key, client);
    this.#fresh.set(key, client);
    this.#count(address, 1);
  }

  /** Return whether there is room, if necessary by closing a connection that is not in use. @param {Client} client */
  #admit({ address }) {
    const shared = !isLocal(address) && !isTrusted(address, this.trusted);
    if (shared && (this.#shares.get(address) ?? 0) >= this.share)
      return this.#makeRoom((other) => other.address === address);
    return this.#all.size < this.most || this.#makeRoom(() => true);
  }

  /** @param {(client: Client) => boolean} fits */
  #makeRoom(fits) {
    const oldest = first(this.#fresh, fits);
    const found = oldest && oldest.waited >= CROWDED_SECONDS ? oldest : (first(this.#idle, fits) ?? oldest);
    if (found) this.#end(found, 'CONNECTIONS_LIMIT');
    return found !== undefined;
  }

  /** @param {Socket} socket */
  #refuse(socket) {
    this.#tell('CONNECTIONS_LIMIT');
    socket.on('error', () => {});
    if (this.secure) return void socket.destroy(); // no word of HTTP is understood before the handshake
    const body = JSON.stringify(answerOf(limited(`${this.size} connections are open.`)));
    const head = ['HTTP/1.1 503 Service Unavailable', 'Content-Type: application/json', 'Connection: close'];
    const lines = [...head, `Retry-After: ${RETRY_AFTER_SECONDS}`, `Content-Length: ${Buffer.byteLength(body)}`];
    socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
  }

  /** @param {Socket} socket */
  #used(socket) {
    const client = this.#all.get(keyOf(socket));
    if (!client) return undefined;
    client.socket = socket; // over TLS, the one that has what waits
    client.requests += 1;
    this.#fresh.delete(client.key);
    this.#idle.delete(client.key);
    return client;
  }

  /** @param {Client | undefined} client */
  #answered(client) {
    if (!client) return;
    client.requests -= 1;
    if (client.requests === 0 && this.#all.get(client.key) === client) this.#idle.set(client.key, client);
  }

  /** @param {string} key */
  #closed(key) {
    const client = this.#all.get(key);
    if (client) this.#count(client.address, -1);
    for (const kept of [this.#all, this.#fresh, this.#idle]) kept.delete(key);
  }

  /** @param {Client} client @param {Why} why */
  #end(client, why) {
    this.#closed(client.key);
    client.socket.destroy();
    this.#tell(why);
  }

  /** @param {IncomingMessage} request @param {ServerResponse} response */
  #watchBody(request, response) {
    this.#bodies.set(request, { response, before: request.socket.bytesRead, waited: 0 });
    for (const end of ['end', 'close']) request.once(end, () => this.#bodies.delete(request));
    discardRest(request, response);
  }

  /** @param {IncomingMessage} request @param {ServerResponse} response */
  #late(request, response) {
    this.#bodies.delete(request);
    this.#tell('REQUEST_TIMEOUT');
    if (response.headersSent) return void request.socket.destroy();
    response.setHeader('Connection', 'close');
    sendRpcError(
      response,
      new FrontError('REQUEST_TIMEOUT', 'The body of the request did not arrive completely in time.'),
    );
  }

  /** @param {string} address @param {number} change */
  #count(address, change) {
    const count = (this.#shares.get(address) ?? 0) + change;
    if (count > 0) this.#shares.set(address, count);
    else this.#shares.delete(address);
    return count;
  }

  /** @param {Why} why */
  #tell(why) {
    const news = this.#news.get(why) ?? { ended: 0, at: -Infinity };
    news.ended += 1;
    this.#news.set(why, news);
    this.#write(why);
  }

  /** Log a limit, at most one line in `LOG_INTERVAL_MS`. @param {Why} why */
  #write(why) {
    const news = this.#news.get(why);
    if (!news?.ended || performance.now() - news.at < LOG_INTERVAL_MS) return;
    this.log.warning('connections of clients were ended', { code: why, ended: news.ended, open: this.#all.size });
    Object.assign(news, { ended: 0, at: performance.now() });
  }
}

/** @param {string} message */
const limited = (message) =>
  new FrontError('CONNECTIONS_LIMIT', message, { data: { retry_after: RETRY_AFTER_SECONDS } });

/** Return the same key for a connection and for TLS on it. @param {Socket} socket */
const keyOf = (socket) => `${socket.remoteAddress} ${socket.remotePort}`;

/** @param {string} address */
const isLocal = (address) => address === '' || address === '::1' || address.startsWith('127.');

/** @param {IncomingMessage} request */
const hasBody = ({ headers }) =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;

/** @param {Map<string, Client>} clients @param {(client: Client) => boolean} fits */
function first(clients, fits) {
  for (const client of clients.values()) if (fits(client)) return client;
  return undefined;
}
