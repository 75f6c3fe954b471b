// The way of /mcp/* to the sidecar: unbuffered, over connections that are kept open.

import { Agent } from 'node:http';
import { connect } from 'node:net';
import { FrontError } from '../errors.mjs';
import { answerHeaders, passOn } from '../http/hop.mjs';

/**
 * @typedef {import('node:http').IncomingMessage} Request
 * @typedef {import('node:http').ServerResponse} Response
 */

/** Milliseconds that a connection to the sidecar is kept unused; the sidecar itself would end it after 75 s. */
const IDLE = 30_000;
/** Milliseconds that a request waits for a sidecar that is being started again, and between two attempts. */
const PATIENCE = 5_000;
const RETRY = 50;
const RETRY_AFTER = 5; // s

/** Connections to the sidecar; one that is asked for while it does not listen is made as soon as it does. */
class PatientAgent extends Agent {
  /** @param {import('node:http').AgentOptions} options @param {number} patience  milliseconds */
  constructor(options, patience) {
    super(options);
    this.patience = patience;
  }

  /**
   * @param {import('node:net').NetConnectOpts} options
   * @param {(error: Error | null, socket?: import('node:stream').Duplex) => void} made
   */
  createConnection(options, made) {
    const until = performance.now() + this.patience;
    const attempt = () => {
      const socket = connect(options);
      const failed = (/** @type {NodeJS.ErrnoException} */ error) => {
        if (isAway(error) && performance.now() < until) setTimeout(attempt, RETRY).unref();
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

/** What passes requests on to the sidecar. */
export class Relay {
  /**
   * @param {import('../settings.mjs').Settings} settings @param {import('../log.mjs').Log} log
   * @param {{patience?: number}} [options]  milliseconds that a request waits for a sidecar that does not listen
   */
  constructor(settings, log, { patience = PATIENCE } = {}) {
    this.log = log;
    this.place = placeOf(settings);
    const kept = { keepAlive: true, timeout: IDLE, maxFreeSockets: 256, scheduling: /** @type {const} */ ('lifo') };
    this.agent = new PatientAgent(kept, patience);
  }

  /**
   * Pass a request on. Whatever happens, the response is ended.
   * @param {Request} request  that the guard let pass @param {Response} response
   */
  handle(request, response) {
    passOn(request, response, {
      place: this.place,
      agent: this.agent,
      headers: request.headers,
      answered: (answer) => carry(answer, response),
      failed: (error) => this.#failed(error, response),
    });
  }

  /** End all connections to the sidecar. */
  close() {
    this.agent.destroy();
  }

  /** @param {NodeJS.ErrnoException} error @param {Response} response */
  #failed(error, response) {
    this.log.warning('the sidecar could not be reached', { code: 'SIDECAR_AWAY', why: error.message });
    if (response.headersSent) return void response.destroy();
    if (!isAway(error)) return sendRpcError(response, new FrontError('SIDECAR_AWAY')); // it may have carried it out
    response.setHeader('Retry-After', RETRY_AFTER);
    sendRpcError(
      response,
      new FrontError('SIDECAR_AWAY', undefined, { status: 503, data: { retry_after: RETRY_AFTER } }),
    );
  }
}

/** Whether nobody listens there, so that nothing was sent. @param {NodeJS.ErrnoException} error */
const isAway = ({ code = '' }) => ['ECONNREFUSED', 'ENOENT', 'EAGAIN'].includes(code);

/** @param {import('../settings.mjs').Settings} settings @returns {import('../http/hop.mjs').Way['place']} */
function placeOf(settings) {
  if (settings.protected) return { socketPath: settings.sidecarSocket };
  const { hostname, port } = new URL(settings.sidecarUrl);
  return { host: hostname.replace(/^\[|\]$/g, ''), port };
}

/** Give an answer to the client as it comes, its head before its first byte. @param {Request} answer @param {Response} response */
function carry(answer, response) {
  answer.once('close', () => {
    if (!answer.complete) response.destroy(); // the sidecar died in mid-answer
  });
  const headers = answerHeaders(answer.headers);
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
  const { code, rpc, message, hint, data } = error;
  const body = { code: rpc, message: `${message} ${hint}`, data: { code, hint, ...data } };
  response.writeHead(error.status, { 'content-type': 'application/json', 'x-content-type-options': 'nosniff' });
  response.end(JSON.stringify({ jsonrpc: '2.0', id: null, error: body }));
}
