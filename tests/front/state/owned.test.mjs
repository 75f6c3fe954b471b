/** What owners see: names by pattern, the State, and the live connection. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { Live } from '../../../front/server/state/live.mjs';
import { ownedState, owns } from '../../../front/server/state/owned.mjs';
import { diff } from '../../../front/server/state/view.mjs';
import { Page } from '../support/live.mjs';

const VECTORS = JSON.parse(readFileSync(new URL('../../../bridge/vectors/patterns.json', import.meta.url), 'utf8'));
const OWNED = { servers: ['git*'], workspaces: ['dev'] };

/** @param {string} name @param {object} [more] @returns {any} */
const workspace = (name, more) => ({ name, servers: ['github', 'search'], sessions: 2, ...more });
/** @param {string} key @param {object} [more] @returns {any} */
const server = (key, more) => ({
  ...{ key, workspaces: ['dev', 'prod'], command: 'secret-tool', settings: { sign_in: 'none' } },
  ...more,
});
/** @param {number} seq @param {object} [more] @returns {any} */
const stateOf = (seq, more) => ({
  seq,
  hub: {
    sessions: 9,
    issues: [{ code: 'X' }],
    undoable: ['1'],
    last_change: { id: '1' },
    sidecar_url: 'http://s',
    hub_tools: [{ name: 'hub_status', calls: 3 }],
  },
  workspaces: [workspace('dev'), workspace('prod')],
  servers: [server('github'), server('search')],
  ...more,
});

for (const { pattern, name, matches } of VECTORS) {
  test(`the pattern ${JSON.stringify(pattern)} ${matches ? 'fits' : 'does not fit'} ${JSON.stringify(name)}`, () => {
    assert.equal(owns([pattern], name), matches);
  });
}

test('an owner sees what it owns of the State, and nothing of the rest', () => {
  const seen = ownedState(stateOf(1), OWNED);
  assert.deepEqual(
    seen.workspaces.map(({ name }) => name),
    ['dev'],
  );
  assert.deepEqual(
    seen.servers.map(({ key, workspaces }) => [key, workspaces]),
    [['github', ['dev']]],
  );
  const { sessions, issues, undoable, last_change, sidecar_url, hub_tools } = seen.hub;
  assert.deepEqual([sessions, issues, undoable, last_change, sidecar_url, hub_tools], [2, [], [], null, '', []]);
  assert.doesNotMatch(JSON.stringify(seen), /prod/);
});

test(
  'a live page of an owner gets its part of each change, and what it may see now',
  { timeout: 180_000 },
  async (t) => {
    /** @type {Set<(change: any) => void>} */
    const watchers = new Set();
    /** @type {Set<(record: any) => void>} */
    const followers = new Set();
    /** @type {any[]} */
    const asked = [];
    /** @type {any} */
    const hub = {
      state: stateOf(1),
      onChange: (/** @type {any} */ tell) => watchers.add(tell) && (() => watchers.delete(tell)),
      onLog: (/** @type {any} */ tell) => followers.add(tell) && (() => followers.delete(tell)),
      askSidecar: async (/** @type {any[]} */ ...question) => asked.push(question) && { result: {} },
      /** @param {any} next */
      become(next) {
        const change = diff(this.state, next);
        this.state = next;
        for (const tell of watchers) tell(change);
      },
    };
    /** @type {any} */
    const settings = { maxBodyBytes: 65536, pingInterval: 60, protected: true };
    /** @type {any} */
    const log = { debug() {}, fault() {} };
    const live = new Live(hub, settings, log);
    /** @type {any} */
    let owned = OWNED;
    const http = createServer().listen(0, '127.0.0.1');
    http.on('upgrade', (request, socket, head) =>
      live.upgrade(request, socket, head, () => true, request.url === '/all' ? () => null : () => owned),
    );
    await once(http, 'listening');
    t.after(async () => {
      await live.close();
      http.close();
    });
    const { port } = /** @type {import('node:net').AddressInfo} */ (http.address());
    const [owner, admin] = ['/own', '/all'].map((path) => new Page(new WebSocket(`ws://127.0.0.1:${port}${path}`)));
    await Promise.all([owner.next('state'), admin.next('state')]);
    const names = () => owner.state.workspaces.map((/** @type {any} */ { name }) => name);
    assert.deepEqual(names(), ['dev']);

    hub.become(stateOf(2, { workspaces: [workspace('dev'), workspace('prod', { sessions: 5 })] }));
    hub.become(stateOf(3, { servers: [server('github', { command: 'other' }), server('search')] }));
    await Promise.all([owner.until(({ seq }) => seq === 3), admin.until(({ seq }) => seq === 3)]);
    assert.deepEqual(owner.state, ownedState(hub.state, OWNED));
    assert.deepEqual(admin.state, hub.state);
    assert.equal(owner.seen('state'), 1);

    owner.send({ type: 'logs', on: true });
    owner.send({ type: 'execute', id: 1, workspace: 'prod', tool: 'x' });
    const refused = await owner.next('result', ({ id }) => id === 1);
    assert.equal(refused.error.code ?? refused.error.error?.code, 'NOT_OWNER');
    owner.send({ type: 'execute', id: 2, workspace: 'dev', tool: 'x' });
    assert.deepEqual((await owner.next('result', ({ id }) => id === 2)).result, {});
    assert.deepEqual(
      asked.map(([, { workspace }]) => workspace),
      ['dev'],
    );
    const told = owner.next('log');
    for (const follower of followers) {
      for (const key of ['search', undefined]) follower({ server: key, message: 'm' });
      follower({ server: 'github', workspace: 'prod', message: 'of somebody else' });
      follower({ server: 'github', workspace: 'dev', message: 'm' });
    }
    assert.deepEqual((await told).record, { server: 'github', workspace: 'dev', message: 'm' });

    // Calls of the console are the hub's own: with `sign_in`, they would be in the name of whoever has its token.
    hub.become(stateOf(4, { servers: [server('github'), server('search', { settings: { sign_in: 'user' } })] }));
    for (const [page, outcome] of /** @type {[Page, string | undefined][]} */ ([
      [owner, 'NOT_OWNER'],
      [admin, undefined],
    ])) {
      page.send({ type: 'execute', id: 3, workspace: 'dev', tool: 'x' });
      assert.equal((await page.next('result', ({ id }) => id === 3)).error?.code, outcome);
    }

    owned = { servers: [], workspaces: ['prod'] };
    await owner.until(() => names().includes('prod'));
    assert.deepEqual(names(), ['prod']);
    owned = null;
    await owner.until(({ servers }) => servers.length === 2);
    assert.deepEqual(owner.state, hub.state);
  },
);
