// HTTPS with a given certificate, which is reloaded when its files change; plain HTTP on that port gets an error
// response.

import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import { Server } from 'node:https';
import { createSecureContext } from 'node:tls';
import { answerOf, FrontError } from '../errors.mjs';
import { hostname, isLiteral } from './origin.mjs';

/**
 * Milliseconds between checks of the files; programs that renew certificates replace links, for which there is no
 * event.
 */
const CHECK_INTERVAL_MS = 2_000;
/** Milliseconds for a client's first byte, and for the TLS handshake. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
const TLS_HANDSHAKE_RECORD = 0x16;
/**
 * Mozilla's intermediate profile (wiki.mozilla.org/Security/Server_Side_TLS, 5.7), without the suites that need DH
 * parameters of the server; clients of the last ten years support a better one.
 */
const TLS_PROFILE = {
  minVersion: /** @type {const} */ ('TLSv1.2'),
  ciphers: [
    'TLS_AES_128_GCM_SHA256',
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-RSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
    'ECDHE-RSA-CHACHA20-POLY1305',
  ].join(':'),
  ecdhCurve: 'X25519:prime256v1:secp384r1',
  honorCipherOrder: false,
};
/** Max-age of Strict-Transport-Security: two years, as in the profile. */
const HSTS_SECONDS = 63_072_000;

/** An HTTPS server, closed like an HTTP server. */
export class SecureServer extends Server {
  /** @type {Set<import('node:net').Socket>} */
  #sockets = new Set();

  /**
   * @param {import('../../../bridge/node/types.mjs').TlsFiles} files
   * @param {import('node:http').ServerOptions} options
   * @param {import('node:http').RequestListener} handle
   * @param {import('../log.mjs').Log} log
   * @throws {FrontError} SETTING_INVALID: the certificate or the key cannot be used
   */
  constructor(files, options, handle, log) {
    super({ ...options, ...context(files), handshakeTimeout: HANDSHAKE_TIMEOUT_MS }, handle);
    this.files = files;
    this.log = log;
    const [secure] = /** @type {((socket: import('node:net').Socket) => void)[]} */ (this.listeners('connection'));
    this.removeAllListeners('connection');
    this.on('connection', (socket) => this.#began(/** @type {import('node:net').Socket} */ (socket), secure));
    this.on('tlsClientError', (error, socket) => {
      this.log.debug('a client could not agree on TLS', { why: error.message });
      socket.destroy();
    });
    this.look = () => this.reload();
    for (const file of Object.values(files))
      watchFile(file, { interval: CHECK_INTERVAL_MS, persistent: false }, this.look);
    this.once('close', () => this.#unwatch());
  }

  /** Reload the certificate; if the new one is unusable, the present one stays in use. */
  reload() {
    try {
      this.setSecureContext(context(this.files));
      this.log.info('the certificate was read anew', { file: this.files.cert });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.log.warning('the certificate cannot be used; the one before stays in force', {
        code: 'SETTING_INVALID',
        why,
      });
    }
  }

  closeAllConnections() {
    for (const socket of this.#sockets) socket.destroy();
    super.closeAllConnections();
  }

  /** @param {import('node:net').Socket} socket @param {(socket: import('node:net').Socket) => void} secure */
  #began(socket, secure) {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    const gone = () => socket.destroy();
    socket.on('error', gone);
    socket.setTimeout(HANDSHAKE_TIMEOUT_MS, gone);
    socket.once('data', (first) => {
      socket.pause();
      socket.setTimeout(0);
      socket.off('timeout', gone);
      socket.off('error', gone);
      if (first[0] !== TLS_HANDSHAKE_RECORD) return refuse(socket);
      socket.unshift(first);
      secure.call(this, socket);
    });
  }

  #unwatch() {
    for (const file of Object.values(this.files)) unwatchFile(file, this.look);
  }
}

/**
 * Tell the browser to use HTTPS only for this host (RFC 6797). Not sent for loopback, whose name the ports of other
 * programs share, nor for an IP address, for which it has no meaning.
 * @param {import('node:http').IncomingMessage} request @param {import('node:http').ServerResponse} response
 */
export function sendHsts({ headers: { host = '' } }, response) {
  const name = hostname(host);
  if (!name || name === 'localhost' || name.endsWith('.localhost') || isLiteral(host)) return;
  response.setHeader('Strict-Transport-Security', `max-age=${HSTS_SECONDS}`);
}

/** @param {import('../../../bridge/node/types.mjs').TlsFiles} files @returns {import('node:tls').SecureContextOptions} */
function context({ cert, key }) {
  const found = { ...TLS_PROFILE, cert: read('HUB_TLS_CERT', cert), key: read('HUB_TLS_KEY', key) };
  try {
    createSecureContext(found);
    return found;
  } catch (error) {
    const why = /** @type {NodeJS.ErrnoException} */ (error).code ?? 'they cannot be used';
    throw new FrontError('SETTING_INVALID', `HUB_TLS_CERT and HUB_TLS_KEY: ${cert} and ${key}: ${why}.`);
  }
}

/** @param {string} name @param {string} file */
function read(name, file) {
  try {
    return readFileSync(file);
  } catch (error) {
    const why = /** @type {NodeJS.ErrnoException} */ (error).code ?? 'it cannot be read';
    throw new FrontError('SETTING_INVALID', `${name}: ${file} cannot be read: ${why}.`);
  }
}

/** @param {import('node:net').Socket} socket */
function refuse(socket) {
  const body = JSON.stringify(answerOf(new FrontError('HTTPS_REQUIRED')));
  const head = ['HTTP/1.1 400 Bad Request', 'Content-Type: application/json; charset=utf-8'];
  const lines = [...head, `Content-Length: ${Buffer.byteLength(body)}`, 'Connection: close'];
  socket.on('error', () => {});
  socket.setTimeout(HANDSHAKE_TIMEOUT_MS, () => socket.destroy());
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
  socket.resume();
}
