/**
 * Serves YAMCP-UI, unmodified, behind the public port: its pages with the overlay added, its API with corrected
 * answers.
 */

import { Agent } from 'node:http';
import express from 'express';
import { responseInterceptor } from 'http-proxy-middleware';
import { answerOf, CATALOGUE, FrontError } from '../errors.mjs';
import { responseHeaders, forward } from '../http/hop.mjs';
import { onDemand } from '../api/on_demand.mjs';
import { placeOf } from './place.mjs';
import { Presence } from './presence.mjs';

/**
 * @typedef {import('express').Request} Request
 * @typedef {import('express').Response} Response
 * @typedef {import('node:http').IncomingMessage} Answer
 */

/**
 * Milliseconds that YAMCP-UI may take to answer, and that an unused connection to it is kept (it closes them after 5
 * s).
 */
const RESPONSE_TIMEOUT_MS = 10_000;
const IDLE_TIMEOUT_MS = 4_000;
/**
 * Request headers that YAMCP-UI does not need, and those that would let it answer "not modified" for a page without
 * overlay.
 */
const STRIPPED_REQUEST_HEADERS = ['cookie', 'authorization', 'origin', 'x-hub-page'];
const CONDITIONAL_HEADERS = ['if-none-match', 'if-modified-since', 'if-range', 'range'];
const STRIPPED_RESPONSE_HEADERS = ['x-powered-by', 'access-control-allow-credentials'];
const SECRET_SCRIPT = '<script src="/hub/assets/secret.mjs"></script>';
const OVERLAY_TAGS =
  '<link rel="stylesheet" href="/hub/overlay/overlay.css"><script type="module" src="/hub/overlay/overlay.mjs"></script>';
const PAGE_HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'content-security-policy': "frame-ancestors 'none'",
};
const AWAY_PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>YAMCP-UI does not answer</title>
${SECRET_SCRIPT}
<noscript><meta http-equiv="refresh" content="3"></noscript>
<link rel="stylesheet" href="/hub/overlay/overlay.css"><script type="module" src="/hub/overlay/away.mjs"></script>
</head>
<body class="hub-away">
<main>
<h1>YAMCP-UI does not answer</h1>
<p>${CATALOGUE.YAMCP_UI_AWAY.cause} Endpoints are not affected.</p>
<p role="status">This page reloads automatically when YAMCP-UI answers again.</p>
<p><a href="/hub/">Go to the hub's own console</a></p>
<p><code>YAMCP_UI_AWAY</code></p>
</main>
</body>
</html>
`;

/** Serves all paths that are not the hub's own, if HUB_YAMCP_UI_DIR is set. */
export class YamcpUi {
  /**
   * @param {{hub: import('../state/hub.mjs').HubClient, settings: import('../settings.mjs').Settings, log: import('../log.mjs').Log}} parts
   */
  constructor({ hub, settings, log }) {
    this.log = log;
    this.agent = new Agent({ keepAlive: true, timeout: IDLE_TIMEOUT_MS, maxFreeSockets: 16 });
    this.place = placeOf(settings);
    this.presence = new Presence(this.place.connect, (there) => hub.yamcpUiAnswers(there));
    /** To be mounted after all of the hub's own routes; it answers every request. */
    this.router = express.Router({ caseSensitive: true });
    this.router.use(onDemand(() => apiOf({ hub, settings, log, agent: this.agent })));
    this.router.use((request, response) => this.#page(request, response));
  }

  /** Start to detect whether YAMCP-UI runs. */
  start() {
    this.presence.start();
  }

  /** Close all connections to it. */
  close() {
    this.presence.close();
    this.agent.destroy();
  }

  /** @param {Request} request @param {Response} response */
  #page(request, response) {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.set('Allow', 'GET, HEAD');
      throw new FrontError('METHOD_NOT_ALLOWED');
    }
    const headers = /** @type {import('node:http').IncomingHttpHeaders} */ ({
      ...request.headers,
      host: this.place.host,
    });
    for (const name of wantsPage(request)
      ? [...STRIPPED_REQUEST_HEADERS, ...CONDITIONAL_HEADERS]
      : STRIPPED_REQUEST_HEADERS)
      delete headers[name];
    forward(request, response, {
      place: this.place.request,
      agent: this.agent,
      headers,
      timeout: RESPONSE_TIMEOUT_MS,
      answered: (answer) => sendResponse(answer, request, response),
      failed: (error) => this.#failed(error, request, response),
    });
  }

  /** @param {Error} error @param {Request} request @param {Response} response */
  #failed(error, request, response) {
    this.log.warning('YAMCP-UI could not be reached', { code: 'YAMCP_UI_AWAY', why: error.message });
    if (response.headersSent) response.destroy();
    else sendAway(request, response);
  }
}

/**
 * Return the handler of YAMCP-UI's API, which answers every request below /api.
 * @param {import('./edits.mjs').Parts} parts @returns {Promise<import('express').Handler>}
 */
async function apiOf(parts) {
  const [{ apiNotFound, yamcpOverrides }, { yamcpUiEdits }] = await Promise.all([
    import('../api/yamcp_api.mjs'),
    import('./edits.mjs'),
  ]);
  return express.Router({ caseSensitive: true }).use(yamcpOverrides(parts), yamcpUiEdits(parts), apiNotFound);
}

/** Return whether a browser requests a page, rather than a part of one. @param {Request} request */
const wantsPage = (request) => (request.headers.accept ?? '').includes('text/html');

/** @param {Request} request @param {Response} response */
function sendAway(request, response) {
  response.status(CATALOGUE.YAMCP_UI_AWAY.status).set({ ...PAGE_HEADERS, 'Retry-After': '1' });
  if (!wantsPage(request)) response.json(answerOf(new FrontError('YAMCP_UI_AWAY')));
  else {
    response.set('content-security-policy', "default-src 'self'; frame-ancestors 'none'");
    response.type('html').send(AWAY_PAGE);
  }
}

/**
 * Pass YAMCP-UI's response on, with the overlay added to pages.
 * @param {Answer} answer @param {Request} request @param {Response} response
 */
function sendResponse(answer, request, response) {
  answer.once('close', () => {
    if (!answer.complete) response.destroy();
  });
  answer.headers = responseHeaders(answer.headers);
  for (const name of STRIPPED_RESPONSE_HEADERS) delete answer.headers[name];
  const page = /^text\/html\b/.test(answer.headers['content-type'] ?? '');
  if (page) for (const name of ['etag', 'last-modified', 'accept-ranges']) delete answer.headers[name];
  Object.assign(answer.headers, page ? PAGE_HEADERS : {});
  if (page && request.method === 'GET') return void addOverlay(answer, request, response);
  if (page) delete answer.headers['content-length'];
  response.writeHead(answer.statusCode ?? 502, answer.headers);
  answer.pipe(response);
}

const addOverlay = responseInterceptor(async (bytes) => {
  const html = bytes.toString('utf8');
  const [start] = /<head(?:\s[^>]*)?>/i.exec(html) ?? [''];
  const end = html.search(/<\/head\s*>/i);
  if (end < 0) return SECRET_SCRIPT + OVERLAY_TAGS + html;
  const begin = start ? html.indexOf(start) + start.length : end;
  return html.slice(0, begin) + SECRET_SCRIPT + html.slice(begin, end) + OVERLAY_TAGS + html.slice(end);
});
