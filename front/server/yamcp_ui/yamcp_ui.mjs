/** YAMCP-UI behind the public port: its pages with the overlay added, its API with the truth in it; it runs unmodified. */

import { Agent } from 'node:http';
import express from 'express';
import { responseInterceptor } from 'http-proxy-middleware';
import { answerOf, CATALOGUE, FrontError } from '../errors.mjs';
import { answerHeaders, passOn } from '../http/hop.mjs';
import { apiNotFound, yamcpTruth } from '../api/yamcp_api.mjs';
import { yamcpUiEdits } from './edits.mjs';
import { placeOf } from './place.mjs';
import { Presence } from './presence.mjs';

/**
 * @typedef {import('express').Request} Request
 * @typedef {import('express').Response} Response
 * @typedef {import('node:http').IncomingMessage} Answer
 */

/** Milliseconds that YAMCP-UI gets to answer, and that a connection to it is kept unused (it ends them after 5 s). */
const PATIENCE = 10_000;
const IDLE = 4_000;
/** What YAMCP-UI has no use for, and what would let it answer that its page has not changed since the overlay was not in it. */
const NOT_SENT = ['cookie', 'authorization', 'origin', 'x-hub-page'];
const CONDITIONS = ['if-none-match', 'if-modified-since', 'if-range', 'range'];
const NOT_TOLD = ['x-powered-by', 'access-control-allow-credentials'];
const EARLY = '<script src="/hub/assets/secret.mjs"></script>';
const OVERLAY =
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
${EARLY}
<noscript><meta http-equiv="refresh" content="3"></noscript>
<link rel="stylesheet" href="/hub/overlay/overlay.css"><script type="module" src="/hub/overlay/away.mjs"></script>
</head>
<body class="hub-away">
<main>
<h1>YAMCP-UI does not answer</h1>
<p>${CATALOGUE.YAMCP_UI_AWAY.cause} Endpoints are not affected.</p>
<p role="status">This page comes back by itself as soon as it does.</p>
<p><a href="/hub/">Go to the hub's own console</a></p>
<p><code>YAMCP_UI_AWAY</code></p>
</main>
</body>
</html>
`;

/** Everything that is not the hub's own, where HUB_YAMCP_UI_DIR is set. */
export class YamcpUi {
  /**
   * @param {{hub: import('../state/hub.mjs').Hub, settings: import('../settings.mjs').Settings, log: import('../log.mjs').Log}} parts
   */
  constructor({ hub, settings, log }) {
    this.log = log;
    this.agent = new Agent({ keepAlive: true, timeout: IDLE, maxFreeSockets: 16 });
    this.place = placeOf(settings);
    this.presence = new Presence(this.place.connect, (there) => hub.yamcpUiAnswers(there));
    /** Mount it behind all that is the hub's own: it answers every request. */
    this.router = express.Router({ caseSensitive: true });
    this.router.use(yamcpTruth({ hub, settings }));
    this.router.use(yamcpUiEdits({ hub, settings, log, agent: this.agent }));
    this.router.use(apiNotFound);
    this.router.use((request, response) => this.#page(request, response));
  }

  /** Begin to look whether it is there. */
  start() {
    this.presence.start();
  }

  /** End all connections to it. */
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
    for (const name of wantsPage(request) ? [...NOT_SENT, ...CONDITIONS] : NOT_SENT) delete headers[name];
    passOn(request, response, {
      place: this.place.request,
      agent: this.agent,
      headers,
      timeout: PATIENCE,
      answered: (answer) => carry(answer, request, response),
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

/** Somebody looks for a page, not for a part of one. @param {Request} request */
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
 * Give YAMCP-UI's answer to whoever asked; a page gets the overlay.
 * @param {Answer} answer @param {Request} request @param {Response} response
 */
function carry(answer, request, response) {
  answer.once('close', () => {
    if (!answer.complete) response.destroy();
  });
  answer.headers = answerHeaders(answer.headers);
  for (const name of NOT_TOLD) delete answer.headers[name];
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
  if (end < 0) return EARLY + OVERLAY + html;
  const begin = start ? html.indexOf(start) + start.length : end;
  return html.slice(0, begin) + EARLY + html.slice(begin, end) + OVERLAY + html.slice(end);
});
