// Forwards /mcp/* to the sidecar, unbuffered, over persistent connections.

import { Agent } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { FrontError } from '../errors.mjs';
import { responseHeaders, forward } from '../http/hop.mjs';

/**
 * @typedef {import('node:http').IncomingMessage} Request
 * @typedef {import('node:http').ServerResponse} Response
 */

/** Milliseconds that an unused connection to the sidecar is kept; the sidecar would close it after 75 s. */
const IDLE_TIMEOUT_MS = 30_000;
/** Milliseconds that a request waits for a sidecar that is restarting, and between two attempts to connect. */
const CONNECT_TIMEOUT_MS = 5_000;
const RETRY_MS = 50;
const RETRY_AFTER_SECONDS = 5; // s
/** Milliseconds between two looks whether a sidecar that is starting listens. */
const LOOK_MS = 100;

/** Of an error after which the request can be sent again. */
const RETRY_LATER = { status: 503, data: { retry_after: RETRY_AFTER_SECONDS } };

/** Connections to the sidecar. While it does not listen, a new connection is retried. */
class RetryingAgent extends Agent {
  /** @param {import('node:http').AgentOptions} options @param {number} connectTimeout  milliseconds */
  constructor(options, connectTimeout) {
    super(options);
    this.connectTimeout = connectTimeout;
  }

  /**
   * @param {import('node:net').NetConnectOpts} options
   * @param {(error: Error | null, socket?: import('node:stream').Duplex) => void} made
   */
  createConnection(options, made) {
    const began = performance.now();
    const attempt = () => {
      const socket = connect(options);
      const failed = (/** @type {NodeJS.ErrnoException} */ error) => {
        if (isAway(error) && performance.now() - began < this.connectTimeout) setTimeout(attempt, RETRY_MS).unref();
        else made(error);
      };
      socket.once('error', failed);
      socket.once('connect', () => {
        socket.off('error', failed);
        made(null, socket);
      });
    };
    attempt();
    return /** @type {any} */ (undefined);
  }
}

/** Forwards requests to the sidecar. */
export class McpProxy {
  /** Requests in progress. @type {Set<Response>} */
  #open = new Set();
  /** Whether no request is forwarded any more. */
  #refusing = false;
  #stopping = false;
  #idle = () => {};

  /**
   * @param {import('../settings.mjs').Settings} settings @param {import('../log.mjs').Log} log
   * @param {{connectTimeout?: number}} [options]  milliseconds that a request waits for a sidecar that does not listen
   */
  constructor(settings, log, { connectTimeout = CONNECT_TIMEOUT_MS } = {}) {
    this.log = log;
    this.place = sidecarAddress(settings);
    const kept = {
      keepAlive: true,
      timeout: IDLE_TIMEOUT_MS,
      maxFreeSockets: 256,
      scheduling: /** @type {const} */ ('lifo'),
    };
    this.agent = new RetryingAgent(kept, connectTimeout);
  }

  /**
   * Forward a request. The response is ended in any case.
   * @param {Request} request  that the guard let pass @param {Response} response
   */
  handle(request, response) {
    if (this.#refusing) return this.#refuse(response, new FrontError('HUB_STOPPING', undefined, RETRY_LATER));
    this.#open.add(response);
    response.once('close', () => {
      this.#open.delete(response);
      if (this.#open.size === 0) this.#idle();
    });
    forward(request, response, {
      place: this.place,
      agent: this.agent,
      headers: { ...request.headers, 'x-hub-front': '1' }, // http_protocol.py: it says so before it closes a connection
      answered: (answer) => {
        if (this.#stopping) response.shouldKeepAlive = false;
        pipeResponse(answer, response);
      },
      failed: (error) => this.#failed(error, response),
    });
  }

  /** Wait until the sidecar listens, at most so many milliseconds. @param {number} milliseconds */
  async untilListening(milliseconds) {
    const until = performance.now() + milliseconds;
    while (!(await listens(this.place)) && performance.now() < until) await sleep(LOOK_MS);
  }

  /**
   * Answer the requests in progress, and end their connections; new ones are refused.
   * @param {number} forwarding  milliseconds for which new ones are still forwarded
   * @param {number} limit  milliseconds for all of it
   */
  async finish(forwarding, limit) {
    this.#stopping = true;
    this.agent.connectTimeout = 0; // no other sidecar comes
    const late = sleep(limit, undefined, { ref: false });
    await sleep(forwarding);
    this.#refusing = true;
    for (const sockets of Object.values(this.agent.freeSockets)) sockets?.forEach((socket) => socket.destroy());
    const idle = new Promise((resolve) => (this.#idle = () => resolve(undefined)));
    if (this.#open.size > 0) await Promise.race([idle, late]);
  }

  /** Close all connections to the sidecar. */
  close() {
    this.agent.destroy();
  }

  /** @param {NodeJS.ErrnoException} error @param {Response} response */
  #failed(error, response) {
    this.log.warning('the sidecar could not be reached', { code: 'SIDECAR_AWAY', why: error.message });
    if (response.headersSent) return void response.destroy();
    if (!isAway(error)) return sendRpcError(response, new FrontError('SIDECAR_AWAY')); // it may have carried it out
    this.#refuse(response, new FrontError('SIDECAR_AWAY', undefined, RETRY_LATER));
  }

  /** Refuse a request that was not sent to the sidecar. @param {Response} response @param {FrontError} error */
  #refuse(response, error) {
    response.setHeader('Retry-After', RETRY_AFTER_SECONDS);
    sendRpcError(response, error);
  }
}

/** Return whether nothing listens at the address, so that nothing was sent. @param {NodeJS.ErrnoException} error */
const isAway = ({ code = '' }) => ['ECONNREFUSED', 'ENOENT', 'EAGAIN'].includes(code);

/** @param {import('../settings.mjs').Settings} settings @returns {import('../http/hop.mjs').ForwardOptions['place']} */
function sidecarAddress(settings) {
  if (settings.protected) return { socketPath: settings.sidecarSocket };
  const { hostname, port } = new URL(settings.sidecarUrl);
  return { host: hostname.replace(/^\[|\]$/g, ''), port };
}

/** Return whether somebody listens there. @param {import('../http/hop.mjs').ForwardOptions['place']} place */
function listens(place) {
  return new Promise((resolve) => {
    const socket = connect(/** @type {import('node:net').NetConnectOpts} */ (place));
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

/**
 * Pipe a response to the client as it arrives, and send its head before the first byte of the body.
 * @param {Request} answer @param {Response} response
 */
function pipeResponse(answer, response) {
  answer.once('close', () => {
    if (!answer.complete) response.destroy(); // the sidecar died in mid-answer
  });
  const headers = responseHeaders(answer.headers);
  for (const name of Object.keys(headers)) if (name.startsWith('access-control-')) delete headers[name]; // see cors.mjs
  headers.connection = response.shouldKeepAlive ? 'keep-alive' : 'close';
  response.writeHead(answer.statusCode ?? 502, answer.statusMessage, headers);
  if (answer.headers['content-length'] === undefined) response.flushHeaders();
  answer.pipe(response);
}

/**
 * Answer an error as a JSON-RPC response without an id, as the sidecar does.
 * @param {Response} response @param {FrontError} error
 */
export function sendRpcError(response, error) {
  const { code, rpc, message, hint, retryable, data } = error;
  const body = { code: rpc, message: `${message} ${hint}`, data: { code, hint, retryable, ...data } };
  response.writeHead(error.status, { 'content-type': 'application/json', 'x-content-type-options': 'nosniff' });
  response.end(JSON.stringify({ jsonrpc: '2.0', id: null, error: body }));
}
