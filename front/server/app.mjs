// Connects the parts of the front: one HTTP server with authorization before everything that is served.

import { createServer } from 'node:http';
import { Server } from 'node:net';
import express from 'express';
import { Auth } from './access/auth.mjs';
import { authorOf, handleAs } from './access/author.mjs';
import { originOf } from './http/client.mjs';
import { CHECK_INTERVAL_MS, Connections, HEAD_TIMEOUT_MS } from './connections.mjs';
import { seenFrom } from '../console/hub/address.mjs';
import { listenBehindAcceptor } from './http/behind.mjs';
import { allowReading, isPreflight, sendPreflight } from './http/cors.mjs';
import { answerOf, FrontError, headersOf, describeError } from './errors.mjs';
import { isFramingError } from './http/framing.mjs';
import { Health, healthz } from './health.mjs';
import { HubClient } from './state/hub.mjs';
import { Recorder } from './state/recorder.mjs';
import { described } from './api/describe/described.mjs';
import { onDemand } from './api/on_demand.mjs';
import { Live } from './state/live.mjs';
import { Login } from './access/login.mjs';
import { errorPage, Pages } from './pages/pages.mjs';
import { Refusals } from './access/refusals.mjs';
import { scopesOf } from './oauth/metadata.mjs';
import { signInOnDemand } from './oidc/on_demand.mjs';
import { baseOf, OAUTH_PATHS, resourceMetadataUrl } from './oauth/urls.mjs';
import { McpProxy, sendRpcError } from './sidecar/proxy.mjs';
import { sidecarPages } from './sidecar/sidecar_pages.mjs';
import { sendHsts, SecureServer } from './http/tls.mjs';
import { reenter, refuseUpgrade } from './http/upgrade.mjs';
import { YamcpUi } from './yamcp_ui/yamcp_ui.mjs';

/**
 * @import {IncomingMessage, Server as HttpServer, ServerResponse} from 'node:http'
 * @import {Duplex} from 'node:stream'
 */

/** Milliseconds that open requests may take to end at shutdown. */
const SHUTDOWN_TIMEOUT_MS = 1_000;
/** Milliseconds for which a replica that stops forwards requests: for less time than its sidecar hands them over. */
const LAST_MS = 800;
/** Milliseconds for which a replica that speaks TLS waits for its sidecar before it listens. */
const OPENING_MS = 30_000;
/** Milliseconds that a connection may stay open without a request; longer than the keep-alive of common clients. */
const KEEP_ALIVE_MS = 75_000;

/** The front, from start to stop. */
export class Front {
  /**
   * Connections with a request whose end is ambiguous; data that follows may belong to its body.
   * @type {WeakSet<Duplex>}
   */
  #ambiguous = new WeakSet();
  #stopping = false;

  /** @param {import('./settings.mjs').Settings} settings @param {import('./log.mjs').Log} log */
  constructor(settings, log) {
    this.settings = settings;
    this.log = log;
    this.auth = new Auth(settings, log);
    this.refusals = new Refusals();
    this.hub = new HubClient(settings, log);
    const signIn = signInOnDemand(this.auth, this.hub, log);
    this.login = settings.protected
      ? new Login(this.auth, log, (...refused) => this.#refuse(...refused), signIn)
      : null;
    this.recorder = new Recorder(settings.addresses.records, log);
    this.proxy = new McpProxy(settings, log);
    this.live = new Live(this.hub, settings, log);
    this.yamcpUi = settings.yamcpUiDir ? new YamcpUi({ hub: this.hub, settings, log }) : null;
    this.site = this.#site();
    /** @type {HttpServer} */
    this.server = this.#serverFor((request, response) => this.#handle(request, response));
    this.connections = new Connections(this.server, settings, log);
    this.server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  /** Start to serve. Resolves when connections are accepted. @throws {FrontError} PORT_TAKEN */
  async start() {
    this.hub.start();
    this.auth.keyUses.start((uses) => this.hub.askAdapter('note_key_uses', { uses }));
    this.refusals.start((body) => this.hub.askSidecar('note_refusals', body));
    this.yamcpUi?.start();
    const { replica, tls } = this.settings;
    if (replica && tls) await this.proxy.untilListening(OPENING_MS); // see acceptor/opening.py
    await this.#listen();
    this.log.info('front started', { url: this.settings.baseUrl, pid: process.pid });
  }

  /** @throws {FrontError} PORT_TAKEN */
  #listen() {
    const { host, port, ownSocket } = this.settings;
    return new Promise((resolve, reject) => {
      this.server.once('error', (error) => reject(portError(host, port, error)));
      this.server.once('listening', () => resolve(undefined));
      if (ownSocket) listenBehindAcceptor(this.server, ownSocket);
      else this.server.listen(port, host);
    });
  }

  /** Answer the requests in progress; then stop, and close all connections, timers and sockets. */
  async stop() {
    const { handsOver, ownSocket, stopTimeout } = this.settings;
    this.#stopping = true;
    const closed = new Promise((resolve) => this.server.once('close', resolve));
    if (!ownSocket) Server.prototype.close.call(this.server); // refuses connections; idle ones stay for now
    await this.proxy.finish(handsOver ? LAST_MS : 0, stopTimeout * 1_000);
    this.server.close();
    const late = setTimeout(() => this.server.closeAllConnections(), SHUTDOWN_TIMEOUT_MS);
    this.server.closeIdleConnections();
    await Promise.all([
      ...[closed, this.live.close(), this.hub.close(), this.recorder.close()],
      this.auth.signIns.flush(),
    ]);
    clearTimeout(late);
    this.auth.keyUses.close();
    this.refusals.close();
    this.proxy.close();
    this.yamcpUi?.close();
  }

  /** Reload the certificate. */
  reload() {
    if (this.server instanceof SecureServer) this.server.reload();
  }

  /** @param {import('node:http').RequestListener} handle @returns {HttpServer} */
  #serverFor(handle) {
    const options = {
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: HEAD_TIMEOUT_MS,
      requestTimeout: 0, // of bodies `Connections` takes care
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
    };
    const { tls } = this.settings;
    const server = tls ? new SecureServer(tls, options, handle, this.log) : createServer(options, handle);
    server.maxHeadersCount = 0; // no limit: Node would drop the rest without a word, and with it what frames the body
    return server;
  }

  /** Return the handler of everything but the endpoints, which go directly to the sidecar. */
  #site() {
    const site = express();
    site.disable('x-powered-by');
    site.disable('etag'); // what may be kept by a browser has one of its own
    site.enable('case sensitive routing');
    const { hub, recorder, settings, auth, log } = this;
    site.use(protect);
    site.use(
      '/healthz',
      healthz(new Health(hub, settings), (request) => auth.isAdmin(request)),
    );
    if (auth.principals) {
      const key = () => auth.principals?.keyring.front ?? null;
      site.use(sidecarPages({ socket: settings.sidecarSocket, key, log }));
    }
    site.use(described({ settings, version: () => hub.state.hub.version }));
    site.use(
      new Pages().handler((request) =>
        auth.isAdmin(request) ? seenFrom(hub.state, originOf(request, settings.trustedProxies)) : null,
      ),
    );
    site.use(
      settings.oauth || settings.jwtIssuer !== null
        ? onDemand(
            async () =>
              (await import('./oauth/authorization_server.mjs')).authorizationServer({ auth, hub, settings, log }),
            OAUTH_PATHS,
          )
        : (request, response, next) => (OAUTH_PATHS.test(request.path) ? notFound(request, response, next) : next()),
    );
    site.use(onDemand(async () => (await import('./oauth/pages/account_page.mjs')).accountPage(), /^\/account$/));
    site.use(
      onDemand(async () => (await import('./connect/connect.mjs')).connect({ auth, hub, settings }), /^\/connect\//),
    );
    site.use(
      onDemand(
        async () => (await import('./secrets_page/secrets_page.mjs')).secretsPage({ auth, hub }),
        /^\/secrets\//,
      ),
    );
    site.use('/.well-known', notFound); // YAMCP-UI would answer with a page
    site.use(onDemand(async () => (await import('./api/hub_api.mjs')).hubApi({ hub, recorder, settings, auth })));
    site.use(closedToOthers(auth)); // what follows knows no owners
    if (this.yamcpUi) site.use(this.yamcpUi.router);
    site.use(onDemand(async () => (await import('./api/yamcp_api.mjs')).yamcpApi({ hub, settings })));
    site.get('/', (_, response) => response.redirect(302, '/hub/'));
    site.use(notFound);
    site.use(this.#errorHandler());
    return site;
  }

  /** @param {IncomingMessage} request @param {ServerResponse} response */
  #handle(request, response) {
    if (this.#ambiguous.has(request.socket)) return; // it ends with the refusal that is being sent
    const { guard } = this.auth;
    if (this.#stopping) response.shouldKeepAlive = false;
    try {
      this.connections.began(request, response);
      if (this.settings.tls) sendHsts(request, response);
      allowReading(request, response, guard);
      if (isPreflight(request, guard)) {
        guard.pass(request); // without a token: a browser sends none with it
        return sendPreflight(request, response);
      }
      const area = this.auth.pass(request);
      if (area === 'mcp') this.proxy.handle(this.auth.forSidecar(request), response);
      else if (!this.login?.answers(request, response))
        handleAs(authorOf(request, this.auth.who(request)), () => this.site(request, response));
    } catch (error) {
      this.#refuse(request, response, error);
    }
  }

  /** @param {IncomingMessage} request @param {Duplex} socket @param {Buffer} head */
  #upgrade(request, socket, head) {
    socket.on('error', () => {}); // the client has disconnected
    if (this.#ambiguous.has(socket)) return;
    try {
      if (request.headers.upgrade?.toLowerCase() !== 'websocket') return reenter(this.server, request, socket, head);
      this.connections.upgraded(/** @type {import('node:net').Socket} */ (socket));
      this.auth.pass(request);
      if (!this.auth.who(request)) this.auth.guard.checkPage(request); // who has a token was asked already
      if (request.url !== '/api/hub/live') throw new FrontError('NOT_FOUND', 'There is no WebSocket at this path.');
      const { auth } = this;
      this.live.upgrade(request, socket, head, auth.isStillAuthorized(request), auth.ownedBy(request));
    } catch (error) {
      refuseUpgrade(socket, error);
    }
  }

  /** @returns {import('express').ErrorRequestHandler} */
  #errorHandler() {
    return (error, request, response, _next) => {
      if (response.headersSent) response.destroy();
      else this.#refuse(request, response, error);
    };
  }

  /**
   * Return the challenge that tells an MCP client where to sign in (RFC 9728, 5.1).
   * @param {IncomingMessage} request @param {unknown} error @returns {Record<string, string>}
   */
  #challenge(request, error) {
    const { 'WWW-Authenticate': challenge } = headersOf(error);
    const { settings, auth } = this;
    const signsIn = settings.oauth || settings.jwtIssuer !== null;
    if (!challenge || !signsIn || !auth.guard.serves(request.headers.host ?? '')) return {};
    const metadata = resourceMetadataUrl(baseOf(request, settings), pathOf(request) ?? '');
    const scopes = scopesOf(settings).join(' ');
    const scope = scopes ? `, scope="${scopes}"` : '';
    return metadata ? { 'WWW-Authenticate': `${challenge}, resource_metadata="${metadata}"${scope}` } : {};
  }

  /** @param {IncomingMessage} request @param {ServerResponse} response @param {unknown} error */
  #refuse(request, response, error) {
    const known = describeError(error);
    if (known.code === 'HUB_INTERNAL' && known.status === 500)
      this.log.fault('a request failed', error, { path: pathOf(request) });
    const headers = { ...headersOf(error), ...this.#challenge(request, error) };
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    if (isFramingError(known.code)) {
      this.#ambiguous.add(request.socket);
      response.setHeader('Connection', 'close');
    }
    if (/^\/mcp(\/|$)/i.test(request.url ?? '') && error instanceof FrontError) {
      this.refusals.note(request, error.code, this.auth.addressOf(request));
      sendRpcError(response, error);
    } else if (!wantsPage(request))
      send(response, known.status, 'application/json; charset=utf-8', JSON.stringify(answerOf(error)));
    else if (!this.login?.showsLoginPage(request, response, error))
      send(response, known.status, 'text/html; charset=utf-8', errorPage(known));
  }
}

/**
 * Set the security headers of every response; a page may set stricter ones. YAMCP-UI's pages have no content policy,
 * but no site may frame them.
 * @param {import('express').Request} _
 * @param {import('express').Response} response
 * @param {import('express').NextFunction} next
 */
function protect(_, response, next) {
  response.set({
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'same-origin',
    'Content-Security-Policy': "frame-ancestors 'none'",
  });
  next();
}

/**
 * Return a handler that passes on requests of admins, and of everybody in an unprotected hub. Others are sent to the
 * console from `/`, and find nothing elsewhere.
 * @param {Auth} auth
 * @returns {import('express').Handler}
 */
function closedToOthers(auth) {
  return (request, response, next) => {
    if (auth.who(request)?.principal.admin !== false) next();
    else if (request.path === '/') response.redirect(302, '/hub/');
    else notFound(request, response, next);
  };
}

/** @type {import('express').Handler} */
const notFound = (request) => {
  throw new FrontError('NOT_FOUND', `There is nothing at ${request.baseUrl}${request.path}.`);
};

/** @param {ServerResponse} response @param {number} status @param {string} type @param {string} body */
function send(response, status, type, body) {
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'same-origin',
    'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  });
  response.end(body);
}

/**
 * Return whether a request comes from a browser that loads a page, rather than from a program.
 * @param {IncomingMessage} request
 */
function wantsPage({ url = '', headers }) {
  return !/^\/(api|healthz)(\/|\?|$)/i.test(url) && (headers.accept ?? '').includes('text/html');
}

/** @param {IncomingMessage} request */
const pathOf = (request) => request.url?.split('?')[0];

/** @param {string} host @param {number} port @param {Error} error */
function portError(host, port, error) {
  const why =
    /** @type {NodeJS.ErrnoException} */ (error).code === 'EADDRINUSE' ? 'Address already in use' : error.message;
  return new FrontError('PORT_TAKEN', `Port ${port} on ${host} (HUB_PORT) cannot be used: ${why}.`);
}
