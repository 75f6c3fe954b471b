/** The hub in a container, as people and clients use it: through the published port, over restarts, and its end. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { openBrowser } from '../front/support/browser.mjs';
import { McpClient } from '../front/support/mcp.mjs';
import { Container, IMAGES, volume } from './support/container.mjs';

/** @import {Visit, Window} from '../front/support/browser.mjs' */

const LIMIT = { timeout: 180_000 };
const SLOWEST_START = 30_000; // ms; the bar is 5 s, for a machine that does nothing else
const SLOWEST_END = 10_000;
const MOST_MEMORY = 600e6; // bytes; the bar is 400 MB
const NOTES = ['/opt/venv/bin/python', '/opt/yamcp-hub/demo_servers/notes.py'];
const server = (/** @type {string} */ namespace) => ({
  namespace,
  type: 'stdio',
  providerParameters: { command: NOTES[0], args: NOTES.slice(1) },
});

/** @type {Window} */
let browser;
before(async () => {
  browser = await openBrowser();
}, LIMIT);
after(async () => {
  await browser?.close();
}, LIMIT);

/** The address that is shown when the hub starts for the first time. @param {string} text */
function addresses(text) {
  return [...text.matchAll(/http:\/\/\S+\?token=(\S+)/g)].map(([url, token]) => ({ url, token }));
}

for (const [kind, image] of Object.entries(IMAGES)) {
  test(
    `the hub with the ${kind}: from the first start to the last stop, over a restart and an upgrade`,
    LIMIT,
    async (t) => {
      const data = await volume(kind);
      const container = await Container.run(image, { data });
      const started = performance.now() - container.since;
      t.diagnostic(`start to healthy ${(started / 1000).toFixed(1)} s (bar: 5 s)`);
      assert.ok(started < SLOWEST_START);
      const zombies = container.watchZombies();
      await zombies.looking;

      const shown = addresses(await logged(container, /Streamable HTTP/));
      assert.equal(shown.length, 1, 'the token is shown once');
      const [{ url, token }] = shown;
      const headers = { authorization: `Bearer ${token}` };

      await t.test('nobody gets in without a token', async () => {
        for (const path of ['/', '/api/hub/state', '/mcp/demo', '/mcp/demo/sse', '/metrics']) {
          assert.equal((await fetch(container.url + path, { redirect: 'manual' })).status, 401, path);
        }
      });

      await t.test('a client connects by HTTP+SSE and by Streamable HTTP, and sees an edit of the files', async () => {
        const added = await container.exec('hubctl', 'keys', 'add', 'agent', '--json');
        const key = { authorization: `Bearer ${JSON.parse(added).token}` };
        const clients = await Promise.all(
          ['/sse', ''].map((end) => McpClient.connect(`${container.url}/mcp/demo${end}`, key)),
        );
        for (const client of clients) assert.match(await client.call('clock_now'), /\d/);
        const providers = {
          ...JSON.parse(await container.exec('cat', '/data/yamcp/providers.json')),
          more: server('more'),
        };
        await container.write('/data/yamcp/providers.json', providers);
        await container.write('/data/yamcp/workspaces.json', { demo: ['notes', 'more'], second: ['more'] });
        for (const client of clients) {
          const names = await client.untilTools((tools) => tools.some((name) => name.startsWith('more_')));
          assert.ok(!names.some((name) => name.startsWith('clock_')), names.join());
        }
        await Promise.all(clients.map((client) => client.close()));
        await container.exec('hubctl', 'disable', 'second');
      });

      await t.test('the address that was shown opens the pages; a workspace is switched off and on there', async () => {
        await visited(container, async ({ page }) => {
          await page.goto(url.replace(/^http:\/\/[^/]+/, ''));
          assert.doesNotMatch(page.url(), /token/);
          if (kind === 'standin') await page.goto('/workspaces');
          const name = kind === 'standin' ? 'Workspace demo on/off' : 'demo';
          const rests = page.locator(kind === 'standin' ? '[aria-busy=false]' : ':not([aria-busy])');
          const named = page.getByRole('switch', { name, exact: true });
          for (const on of [false, true]) {
            await named.click();
            await named
              .and(page.locator(`[aria-checked=${on}]`))
              .and(rests)
              .waitFor();
          }
        });
      });

      await t.test('idle, all its processes together are small', async () => {
        const rows = await container.memory();
        const sum = rows.reduce((total, [, bytes]) => total + bytes, 0);
        for (const [name, bytes] of rows)
          t.diagnostic(`${(bytes / 1e6).toFixed(0).padStart(4)} MB ${name.slice(0, 90)}`);
        t.diagnostic(`idle memory ${(sum / 1e6).toFixed(0)} MB in ${rows.length} processes (bar: 400 MB)`);
        assert.ok(sum < MOST_MEMORY);
      });

      await t.test('many servers that come and go leave no zombie', async () => {
        for (let turn = 0; turn < 3; turn += 1) await container.exec('hubctl', 'restart', 'notes');
        assert.deepEqual(await zombies.end(), []);
      });

      await t.test('stopped, it leaves soon and well; started again, everything is there', async () => {
        await left(container, t);
        await container.start();
        await found(container, headers);
        assert.equal(addresses(await container.logs()).length, 1, 'the token is not shown again');
      });

      await t.test('another container with the same volume has everything too', async () => {
        await left(container, t);
        await container.remove();
        const next = await Container.run(image, { data });
        await found(next, headers);
        await left(next, t);
        await next.remove();
      });
    },
  );
}

/** @param {Container} container @param {import('node:test').TestContext} t */
async function left(container, t) {
  const { took, code } = await container.stop();
  t.diagnostic(`stop ${(took / 1000).toFixed(1)} s (bar: 10 s)`);
  assert.equal(code, 0, await container.logs());
  assert.ok(took < SLOWEST_END, `${took} ms`);
  assert.match(await container.logs(), /yamcp-hub has stopped\.\s*$/);
}

/**
 * Somebody looks at the pages. A container that starts, here or elsewhere on the machine, gives it another network
 * interface, at which chromium drops what it is loading: then they look again.
 * @param {Container} container
 * @param {(visit: Visit) => Promise<void>} look
 */
async function visited(container, look) {
  for (let tries = 1; ; tries += 1) {
    const visit = await browser.visit(container.url);
    const failed = await look(visit).then(
      () => null,
      (error) => error,
    );
    if (tries < 5 && visit.troubles().some((trouble) => trouble.includes('ERR_NETWORK_CHANGED'))) visit.expect(/./);
    else if (failed) throw failed;
    else return visit.end();
    await visit.end();
  }
}

/** What the test made is there. @param {Container} container @param {Record<string, string>} headers */
async function found(container, headers) {
  const state = await (await fetch(`${container.url}/api/hub/state`, { headers })).json();
  const workspaces = state.workspaces.map((/** @type {any} */ { name, enabled, servers }) => [name, enabled, servers]);
  assert.deepEqual(workspaces.sort(), [
    ['demo', true, ['notes', 'more']],
    ['second', false, ['more']],
  ]);
  assert.match(await container.exec('hubctl', 'keys'), /agent/);
  const client = await McpClient.connect(`${container.url}/mcp/demo`, headers);
  await client.untilTools((tools) => tools.some((name) => name.startsWith('more_')));
  await client.close();
}

/** What `docker logs` shows, once it has that. @param {Container} container @param {RegExp} wanted */
async function logged(container, wanted) {
  for (let tries = 0; ; tries += 1) {
    const text = await container.logs();
    if (wanted.test(text)) return text;
    assert.ok(tries < 100, text);
    await pause(100);
  }
}
