/** docs/api.md lists every route, and its examples work. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { hubApi } from '../../../front/server/api/hub_api.mjs';
import { HUB_ROUTES, OTHER_ROUTES, YAMCP_ROUTES } from '../../../front/server/api/routes.mjs';
import { yamcpApi } from '../../../front/server/api/yamcp_api.mjs';
import { PYTHON, ROOT, startHub, stdio } from '../support/hub.mjs';
import { rowOf } from '../../../front/cli/route_rows.mjs';

const text = readFileSync(join(ROOT, 'docs/api.md'), 'utf8');
const run = promisify(execFile);
const OPTIONS = { timeout: 180_000 };
/** @type {import('../support/hub.mjs').Hub} */
let hub;

before(async () => {
  const demo = (/** @type {string} */ name) => stdio(name, PYTHON, [join(ROOT, 'demo_servers', `${name}.py`)]);
  hub = await startHub({
    providers: { notes: demo('notes'), clock: demo('clock') },
    workspaces: { demo: ['notes', 'clock'] },
  });
});
after(() => hub?.close());

test('docs/api.md has exactly one row for each route, with its text', OPTIONS, () => {
  const rows = text.split('\n').filter((line) => /^\| `(?:GET|POST|PUT|PATCH|DELETE|WS) /.test(line));
  const routes = [...HUB_ROUTES, ...OTHER_ROUTES, ...YAMCP_ROUTES];
  assert.ok(routes.length > 20);
  assert.deepEqual(rows, routes.map(rowOf));
});

test('every route has a handler', OPTIONS, () => {
  const parts = /** @type {any} */ ({ hub: {}, auth: {}, settings: { maxBodyBytes: 1, dataDir: '/' } });
  assert.ok(hubApi(parts) && yamcpApi(parts));
});

test('the examples work as documented', OPTIONS, async () => {
  const blocks = [...text.matchAll(/```sh\n(.*?)```(?:\n\n```json\n(.*?)```)?/gs)];
  assert.ok(blocks.length > 8);
  const here = (/** @type {string} */ words) => words.replaceAll('http://127.0.0.1:8765', hub.front);
  for (const [, commands, answer] of blocks) {
    const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', here(commands)], { timeout: 180_000 });
    if (answer)
      assertHolds(
        JSON.parse(here(answer)),
        JSON.parse(
          stdout
            .trim()
            .split(/(?<=\})(?=\{)/)
            .at(-1) ?? '',
        ),
        commands,
      );
  }
});

/**
 * What is expected is there; there may be more.
 *
 * @param {any} expected
 * @param {any} actual
 * @param {string} message
 */
function assertHolds(expected, actual, message) {
  if (typeof expected !== 'object' || expected === null) return assert.equal(actual, expected, message);
  if (Array.isArray(expected)) assert.equal(actual?.length, expected.length, message);
  for (const [name, value] of Object.entries(expected)) assertHolds(value, actual?.[name], `${message}: ${name}`);
}
