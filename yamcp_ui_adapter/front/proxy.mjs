// The way of /mcp/* to the sidecar: http-proxy-middleware, unbuffered, over connections that are kept open.

import { Agent } from 'node:http';
import { createProxyMiddleware } from 'http-proxy-middleware';
import { FrontError } from './errors.mjs';

/**
 * @typedef {import('node:http').IncomingMessage} Request
 * @typedef {import('node:http').ServerResponse} Response
 * @typedef {import('node:http').ClientRequest} Upstream
 */

/** Milliseconds that a connection to the sidecar is kept unused; the sidecar itself would end it after 75 s. */
const IDLE = 30_000;
const HOP_BY_HOP = ['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'];

/** What passes requests on to the sidecar. */
export class Relay {
  /** @param {import('./settings.mjs').Settings} settings @param {import('./log.mjs').Log} log */
  constructor(settings, log) {
    this.log = log;
    this.agent = new Agent({ keepAlive: true, timeout: IDLE, maxFreeSockets: 256, scheduling: 'lifo' });
    this.middleware = createProxyMiddleware({
      target: /** @type {any} */ ({ protocol: 'http:', path: '', ...placeOf(settings) }),
      agent: this.agent,
      toProxy: true, // the path as it came
      ejectPlugins: true,
      plugins: [(proxy) => this.#mend(proxy)],
    });
  }

  /**
   * Pass a request on. Whatever happens, the response is ended.
   * @param {Request} request @param {Response} response
   */
  handle(request, response) {
    dropHopByHop(request.headers);
    delete request.headers.expect; // Node has answered it
    this.middleware(request, response, (error) => this.#failed(error, response));
  }

  /** End all connections to the sidecar. */
  close() {
    this.agent.destroy();
  }

  /**
   * http-proxy 1.18 leaves three things open under Node 20: a client that leaves once its request is read does not
   * end the request to the sidecar; a sidecar that dies in mid-answer leaves the client waiting; and the headers of a
   * stream wait for its first bytes.
   * @param {Parameters<import('http-proxy-middleware').Plugin<Request, Response>>[0]} proxy
   */
  #mend(proxy) {
    proxy.on('proxyReq', (upstream, _, response) => endWith(upstream, /** @type {Response} */ (response)));
    proxy.on('proxyRes', (answer, _, response) => carry(answer, response));
    proxy.on('error', (error, _, response) => this.#failed(error, /** @type {Response} */ (response)));
    proxy.on('econnreset', () => {}); // the client has left
  }

  /** @param {Error} error @param {Response} response */
  #failed(error, response) {
    if (response.destroyed || response.writableEnded) return;
    this.log.warning('the sidecar could not be reached', { code: 'SIDECAR_AWAY', why: error.message });
    if (response.headersSent) response.destroy();
    else sendRpcError(response, new FrontError('SIDECAR_AWAY'));
  }
}

/** @param {import('./settings.mjs').Settings} settings */
function placeOf(settings) {
  if (settings.protected) return { host: 'localhost', socketPath: settings.sidecarSocket };
  const { hostname, port } = new URL(settings.sidecarUrl);
  const host = hostname.replace(/^\[|\]$/g, '');
  return { host, hostname: host, port };
}

/** @param {Upstream} upstream @param {Response} response */
function endWith(upstream, response) {
  if (response.closed) upstream.destroy();
  else {
    response.once('close', () => {
      if (!response.writableFinished) upstream.destroy();
    });
  }
}

/** @param {Request} answer @param {Response} response */
function carry(answer, response) {
  dropHopByHop(answer.headers);
  answer.headers.connection = response.shouldKeepAlive ? 'keep-alive' : 'close';
  answer.once('close', () => {
    if (!answer.complete) response.destroy();
  });
  if (answer.headers['content-length'] === undefined) process.nextTick(() => response.flushHeaders());
}

/** @param {import('node:http').IncomingHttpHeaders} headers */
function dropHopByHop(headers) {
  const { connection } = headers;
  if (connection !== undefined && connection !== 'keep-alive' && connection !== 'close') {
    for (const name of connection.split(',')) delete headers[name.trim().toLowerCase()];
  }
  for (const name of HOP_BY_HOP) delete headers[name];
}

/**
 * Answer an error as a JSON-RPC response without an id, as the sidecar does.
 * @param {Response} response @param {FrontError} error
 */
export function sendRpcError(response, error) {
  const { code, rpc, message, hint, data } = error;
  const body = { code: rpc, message: `${message} ${hint}`, data: { code, hint, ...data } };
  response.writeHead(error.status, { 'content-type': 'application/json', 'x-content-type-options': 'nosniff' });
  response.end(JSON.stringify({ jsonrpc: '2.0', id: null, error: body }));
}
