/** What of a workspace is missing, and why. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { missingServers, whyOf } from '../../../front/console/data/failing.mjs';

/** @param {string} key @param {string} state @param {object} [more] @returns {any} */
const server = (key, state, more = {}) => ({
  key,
  state,
  enabled: true,
  session: 'shared',
  workspaces: ['w'],
  reason: null,
  troubles: [],
  issues: [],
  stderr_line: '',
  ...more,
});
const reason = { code: 'SERVER_EXITED', message: 'It ended with exit code 3.', hint: '' };

test('the reason is told with what the server wrote, unless it says the same', () => {
  assert.equal(
    whyOf(server('a', 'backoff', { reason, stderr_line: 'no permit' })),
    `${reason.message} It wrote: no permit`,
  );
  assert.equal(whyOf(server('a', 'backoff', { reason, stderr_line: 'exit code 3' })), reason.message);
  assert.equal(whyOf(server('a', 'invalid', { issues: [{ severity: 'error', message: 'no command' }] })), 'no command');
  assert.equal(whyOf(server('a', 'starting')), '');
});

test('every server that does not serve is told, but those that are off in the workspace', () => {
  const servers = [
    server('well', 'ready'),
    server('half', 'degraded'),
    server('tries', 'backoff', { reason }),
    server('failed', 'failed', { reason }),
    server('everywhere', 'stopped', { enabled: false }),
    server('here', 'failed', { reason }),
    server('each', 'stopped', { session: 'per_client' }),
  ];
  const workspace = /** @type {any} */ ({
    servers: [...servers.map(({ key }) => key), 'unknown'],
    disabled_servers: ['here'],
  });
  const found = missingServers(workspace, new Map(servers.map((each) => [each.key, each])));
  assert.deepEqual(
    found.map(({ key, word, why }) => [key, word, why]),
    [
      ['tries', 'Trying again', reason.message],
      ['failed', 'Failed', reason.message],
      ['everywhere', 'Off', 'It is switched off everywhere.'],
    ],
  );
});
