/** Refused requests are reported in batches of bounded size, and again after a report failed. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Refusals } from '../../../front/server/access/refusals.mjs';

/** @param {string} url @param {Record<string, string>} [headers] */
const request = (url, headers = {}) =>
  /** @type {import('node:http').IncomingMessage} */ (/** @type {any} */ ({ url, headers }));

test('refusals are reported together, without query and credentials', { timeout: 180_000 }, async () => {
  const refusals = new Refusals();
  /** @type {import('../../../bridge/node/types.d.mts').NoteRefusals[]} */
  const told = [];
  const once = new Promise((done) => refusals.start(async (body) => done(told.push(body))));
  const headers = { authorization: 'Bearer secret', 'mcp-method': 'tools/call', 'mcp-protocol-version': '2026-07-28' };
  refusals.note(request('/mcp/w?key=secret', headers), 'TOKEN_INVALID', '192.0.2.1');
  refusals.note(request('/mcp/w/sse'), 'TOKEN_REQUIRED', '::1');
  const awake = setInterval(() => {}, 1_000); // its own timer keeps no process alive
  await once;
  clearInterval(awake);
  assert.deepEqual(told, [
    {
      refusals: [
        { code: 'TOKEN_INVALID', path: '/mcp/w', address: '192.0.2.1', method: 'tools/call', version: '2026-07-28' },
        { code: 'TOKEN_REQUIRED', path: '/mcp/w/sse', address: '::1', method: '', version: '' },
      ],
      omitted: 0,
    },
  ]);
  await refusals.flush();
  assert.equal(told.length, 1, 'nothing is told twice');
});

test(
  'excess refusals are counted, and nothing is lost while the sidecar is unavailable',
  { timeout: 180_000 },
  async () => {
    const refusals = new Refusals();
    let away = true;
    /** @type {import('../../../bridge/node/types.d.mts').NoteRefusals[]} */
    const told = [];
    refusals.start(async (body) => {
      if (away) throw new Error('away');
      told.push(body);
    });
    for (let count = 0; count < 600; count += 1) refusals.note(request('/mcp/w'), 'TOKEN_INVALID', '::1');
    await refusals.flush();
    refusals.note(request('/mcp/w'), 'TOO_MANY_ATTEMPTS', '::1');
    away = false;
    await refusals.flush();
    assert.equal(told[0].refusals.length, 500);
    assert.equal(told[0].omitted, 101);
    refusals.close();
  },
);
