/** The hub as `hubctl run` starts it: if one process dies, the others keep running, and no process is left over. */

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { mock } from './support/hub.mjs';
import { McpClient } from './support/mcp.mjs';
import { runHub } from './support/run.mjs';

/** @import {Program, Run} from './support/run.mjs' */

const OPTIONS = { timeout: 180_000 };
const PROGRAMS = /** @type {Program[]} */ (['adapter', 'sidecar', 'front']);
/** @type {Run} */
let run;

before(async () => {
  run = await runHub({ providers: { time: mock('time') }, workspaces: { dev: ['time'] } });
});

after(() => run?.stop());

const pids = async () =>
  Object.fromEntries(await Promise.all(PROGRAMS.map(async (name) => [name, await run.pid(name)])));

for (const name of PROGRAMS) {
  for (const how of /** @type {const} */ (['killed', 'restarted'])) {
    test(`the ${name} ${how}: the other processes keep running, and clients are served again`, OPTIONS, async () => {
      const earlier = await pids();
      if (how === 'killed') process.kill(earlier[name], 'SIGKILL');
      else await run.restart(name);
      // Both are true already before the death is noticed: the new process has to be there, too.
      await run.until(async ({ hub }) => {
        const pid = await run.pid(name);
        return hub.settled && hub.adapter === 'ok' && hub.sidecar === 'ok' && pid > 0 && pid !== earlier[name];
      });
      const later = await pids();
      for (const other of PROGRAMS) assert.equal(later[other] === earlier[other], other !== name, other);
      const client = await McpClient.connect(`${run.url}/mcp/dev`);
      assert.equal(await client.call('time_echo', { text: name }), name);
      await client.close();
    });
  }
}

test('a session through the front continues while the adapter is unavailable', OPTIONS, async () => {
  const client = await McpClient.connect(`${run.url}/mcp/dev/sse`);
  await run.control('stop', 'adapter');
  assert.equal(await client.call('time_echo', { text: 'no adapter' }), 'no adapter');
  await run.control('start', 'adapter');
  await run.until(({ hub }) => hub.adapter === 'ok');
  assert.equal(await client.call('time_echo', { text: 'again' }), 'again');
  await client.close();
});

test(
  'Ctrl-C ends all processes, also with clients connected; after a restart the hub serves the same',
  OPTIONS,
  async () => {
    const client = await McpClient.connect(`${run.url}/mcp/dev/sse`);
    const open = await fetch(`${run.url}/mcp/dev/sse`);
    assert.equal(open.status, 200);
    assert.ok(run.processes().length > 5, 'its processes are found by their mark');
    await run.interrupt();
    await open.text().catch(() => '');
    await client.close().catch(() => {});
    assert.match(run.text, /has stopped/);
    await run.start();
    await run.until(({ hub }) => hub.settled);
    const again = await McpClient.connect(`${run.url}/mcp/dev/sse`);
    assert.equal(await again.call('time_echo', { text: 'same' }), 'same');
    await again.close();
    await run.stop();
    assert.ok(!existsSync(run.root));
  },
);
