/** Pages that are not the hub's, in a real browser, against every port that an unprotected hub with YAMCP-UI opens: a page of
 * a name that was made to mean this machine (DNS rebinding), one of another program here, one of another site. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openBrowser } from '../front/support/browser.mjs';
import { mock } from '../front/support/hub.mjs';
import { Stage } from '../front/support/yamcp_ui.mjs';

const OPTIONS = { timeout: 180_000 };
const SITE = 'evil.example';
const SERVER = { id: 'evil', name: 'evil', namespace: 'evil', type: 'stdio', command: 'sh', args: ['-c', 'true'] };
const INITIALIZE = {
  ...{ jsonrpc: '2.0', id: 1, method: 'initialize' },
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'page', version: '1' } },
};
/** @type {[string, string, string?][]} method, path, body */
const REQUESTS = [
  ...['/', '/api/servers', '/API/servers', '/api/hub/state', '/api/log-files/..%2f..%2f..%2fetc%2fhostname'].map(get),
  ...['/status', '/metrics', '/healthz', '/readyz', '/mcp/dev', '/mcp/dev/sse'].map(get),
  ...['/api/servers', '/API/servers'].map((path) => post(path, SERVER)),
  post('/api/workspaces/dev/stop', {}),
  post('/mcp/dev', INITIALIZE),
];
/** @type {Stage} */
let stage;
/** @type {import('../front/support/browser.mjs').Window} */
let browser;
/** @type {import('node:http').Server} */
let site;

before(async () => {
  stage = await Stage.open({ providers: { time: mock('time') }, workspaces: { dev: ['time'] } });
  browser = await openBrowser([`--host-resolver-rules=MAP ${SITE} 127.0.0.1`]);
  site = createServer((_, answer) =>
    answer.setHeader('content-type', 'text/html').end('<!doctype html><title>x</title>'),
  );
  site.listen(0, '127.0.0.1');
  await once(site, 'listening');
});
after(async () => {
  try {
    await browser?.close();
  } finally {
    site?.closeAllConnections();
    site?.close();
    await stage?.close();
  }
});

/** @param {string} path @returns {[string, string]} */
function get(path) {
  return ['GET', path];
}

/** @param {string} path @param {object} body @returns {[string, string, string]} */
function post(path, body) {
  return ['POST', path, JSON.stringify(body)];
}

/** Every port that is open. */
const ports = () => [stage.run.env.HUB_PORT, stage.run.env.HUB_SIDECAR_PORT];
const sitePort = () => /** @type {import('node:net').AddressInfo} */ (site.address()).port;

/**
 * What a page gets for each request: its status, `opaque`, or `none`.
 * @param {import('playwright-core').Page} page @param {string} base @param {'cors' | 'no-cors'} mode
 */
function outcomes(page, base, mode) {
  return page.evaluate(
    async ({ base, mode, requests }) => {
      const one = async (/** @type {[string, string, string?]} */ [method, path, body]) => {
        const headers = mode === 'cors' && body ? { 'content-type': 'application/json' } : undefined;
        const signal = AbortSignal.timeout(60_000);
        try {
          const answer = await fetch(base + path, { method, body, mode, headers, signal, redirect: 'manual' });
          return answer.type === 'opaque' ? 'opaque' : String(answer.status);
        } catch {
          return 'none';
        }
      };
      return Promise.all(requests.map(one));
    },
    { base, mode: /** @type {RequestMode} */ (mode), requests: REQUESTS },
  );
}

/** Whether a page gets a live connection. @param {import('playwright-core').Page} page @param {string} base */
function connects(page, base) {
  return page.evaluate(
    (url) => {
      const socket = new WebSocket(url);
      return new Promise((resolve) => {
        socket.onopen = () => resolve(true);
        socket.onerror = () => resolve(false);
      });
    },
    `${base.replace('http', 'ws')}/api/hub/live`,
  );
}

/** @param {string} url @param {(page: import('playwright-core').Page) => Promise<void>} look */
async function visited(url, look) {
  const context = await browser.browser.newContext({ bypassCSP: true }); // a site's own page has its own policy, or none
  try {
    const page = await context.newPage();
    await page.goto(url);
    await look(page);
  } finally {
    await context.close();
  }
}

/** Nothing was added, switched off or opened. */
async function untouched() {
  const stored = JSON.parse(readFileSync(join(stage.run.env.HUB_YAMCP_DIR, 'providers.json'), 'utf8'));
  assert.deepEqual(Object.keys(stored), ['time']);
  const { servers, workspaces } = await stage.run.until(() => true);
  assert.deepEqual(
    servers.map(({ key }) => key),
    ['time'],
  );
  const [{ enabled, sessions }] = workspaces;
  assert.deepEqual([enabled, sessions], [true, 0]);
}

test('DNS rebinding: a page whose host name resolves to this machine gets nothing from any port', OPTIONS, async () => {
  for (const port of ports()) {
    const base = `http://${SITE}:${port}`;
    await visited(`${base}/`, async (page) => {
      const refused = REQUESTS.map((request) => `${request.slice(0, 2).join(' ')} 403`);
      const found = (await outcomes(page, base, 'cors')).map(
        (one, at) => `${REQUESTS[at].slice(0, 2).join(' ')} ${one}`,
      );
      assert.deepEqual(found.map(pathRefused), refused.map(pathRefused), port);
      assert.equal(await connects(page, base), false);
    });
  }
  await untouched();
});

/** A path that is refused as a path is as good. @param {string} found */
const pathRefused = (found) => found.replace(/ 404$/, ' 403');

for (const [who, page] of /** @type {[string, () => string][]} */ ([
  ['another program of this machine', () => `http://127.0.0.1:${sitePort()}/`],
  ['another program, by another name', () => `http://localhost:${sitePort()}/`],
  ['another site', () => `http://${SITE}:${sitePort()}/`],
])) {
  test(`a page of ${who} reads nothing from any port, changes nothing, and opens no session`, OPTIONS, async () => {
    await visited(page(), async (foreign) => {
      for (const port of ports()) {
        const base = `http://127.0.0.1:${port}`;
        assert.deepEqual(new Set(await outcomes(foreign, base, 'cors')), new Set(['none']), port);
        await outcomes(foreign, base, 'no-cors');
        assert.equal(await connects(foreign, base), false);
      }
    });
    await untouched();
  });
}
