/** Servers of a workspace that are not available, and the reasons. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failureReason, missingServers } from '../../../front/console/data/failing.mjs';

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

test('a failure reason includes the last output of the server, unless it is already in it', () => {
  assert.equal(
    failureReason(server('a', 'backoff', { reason, stderr_line: 'no permit' })),
    `${reason.message} Last output: no permit`,
  );
  assert.equal(failureReason(server('a', 'backoff', { reason, stderr_line: 'exit code 3' })), reason.message);
  assert.equal(
    failureReason(server('a', 'invalid', { issues: [{ severity: 'error', message: 'no command' }] })),
    'no command',
  );
  assert.equal(failureReason(server('a', 'starting')), '');
});

test('all servers that are not serving are listed, except those that are switched off in the workspace', () => {
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
      ['tries', 'Retrying', reason.message],
      ['failed', 'Failed', reason.message],
      ['everywhere', 'Off', 'The server is switched off everywhere.'],
    ],
  );
});
