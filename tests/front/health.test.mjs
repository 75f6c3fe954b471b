import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Health } from '../../front/server/health.mjs';

/** Make the check of a hub whose processes answer, with these errors in its state. @param {string[]} codes */
function healthOf(codes) {
  const errors = codes.map((code) => ({ code, message: 'x', hint: '' }));
  const state = { hub: { sidecar: 'ok', source: 'adapter', errors }, workspaces: [], servers: [] };
  const answering = () => Promise.resolve({});
  const hub = { askAdapter: answering, askSidecar: answering, fresh: () => Promise.resolve(state) };
  return new Health(/** @type {any} */ (hub), { yamcpUiDir: null, yamcpUiSocket: '' });
}

test('a replica that is about to stop is not ready, and works all the same', async () => {
  const health = healthOf(['LIMITS_UNAVAILABLE', 'HUB_DRAINING']);
  assert.deepEqual(
    (await health.check('readiness')).map(({ code }) => code),
    ['HUB_DRAINING'],
  );
  for (const probe of ['liveness', 'startup', undefined]) assert.deepEqual(await health.check(probe), []);
  assert.deepEqual(await healthOf(['LIMITS_UNAVAILABLE']).check('readiness'), []);
});
