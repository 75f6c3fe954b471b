/** Which right each route of the API needs. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { authorize, RIGHTS } from '../../../front/server/api/access/rights.mjs';
import { HUB_ROUTES, OTHER_ROUTES, YAMCP_ROUTES } from '../../../front/server/api/routes.mjs';
import { mayOpen } from '../../../front/server/access/areas.mjs';

/** @typedef {{query?: any, body?: any, params?: any}} Asked */
/** @type {any} */
const STATE = {
  workspaces: [
    { name: 'dev', servers: ['github', 'search'] },
    { name: 'dev-mail', servers: ['search', 'mail'] },
  ],
  servers: [
    { key: 'search', settings: { sign_in: 'shared' } },
    { key: 'mail', settings: { sign_in: 'user' } },
  ],
};
/** @type {any} */
const ADMIN = { admin: true, role: 'admin', owns: { servers: [], workspaces: [] } };
/** @type {any} */
const OWNER = { admin: false, role: 'owner', owns: { servers: ['git*'], workspaces: ['dev*'] } };
/** @type {any} */
const USER = { admin: false, role: 'user', owns: { servers: [], workspaces: [] } };

/** @param {string} id @param {any} principal @param {Asked} asked @returns {string} `ok`, or the code of the refusal */
function outcome(id, principal, { query = {}, body = undefined, params = {} }) {
  try {
    authorize(id, principal, { query, body, params }, STATE);
    return 'ok';
  } catch (error) {
    return /** @type {any} */ (error).code;
  }
}

/** A request that names only what OWNER owns, for each route that owners may use. @type {Record<string, Asked>} */
const OWN = {
  state: {},
  addWorkspace: { body: { name: 'dev2', servers: ['github'] } },
  putWorkspace: { query: { name: 'dev' }, body: { name: 'dev-new', servers: ['search', 'gitlab'] } },
  deleteWorkspace: { query: { name: 'dev' } },
  setWorkspace: { query: { name: 'dev' }, body: { slug: 'dev-x', name_template: 't' } },
  startWorkspace: { query: { name: 'dev' } },
  stopWorkspace: { query: { name: 'dev' } },
  copyWorkspace: { query: { name: 'dev' }, body: { to: 'dev3' } },
  readServer: { query: { key: 'github' } },
  deleteServer: { query: { key: 'github' } },
  setServer: { query: { key: 'github' }, body: { settings: { call_timeout: 3 } } },
  startServer: { query: { key: 'github' } },
  stopServer: { query: { key: 'search', workspace: 'dev' } },
  restartServer: { query: { key: 'github' } },
  editMany: { body: { action: 'join', servers: ['github'], workspaces: ['dev'] } },
  tools: { query: { workspace: 'dev' } },
  searchTools: { query: { workspace: 'dev', text: 'x' } },
  curation: { query: { name: 'dev' } },
  call: { body: { workspace: 'dev', tool: 'x' } },
  prompts: { query: { workspace: 'dev' } },
  getPrompt: { body: { workspace: 'dev', prompt: 'x' } },
  resources: { query: { workspace: 'dev' } },
  readResource: { body: { workspace: 'dev', uri: 'x' } },
  complete: { body: { workspace: 'dev' } },
  sessions: { query: { workspace: 'dev' } },
  history: { query: { server: 'github' } },
  logs: { query: { server: 'github' } },
};
/** Requests of these routes that reach beyond. @type {[string, Asked][]} */
const BEYOND = [
  ['addWorkspace', { body: { name: 'prod', servers: [] } }],
  ['addWorkspace', { body: { name: 'dev2', servers: ['search'] } }],
  ['putWorkspace', { query: { name: 'dev' }, body: { name: 'prod', servers: [] } }],
  ['putWorkspace', { query: { name: 'prod' }, body: { name: 'dev', servers: [] } }],
  ['putWorkspace', { query: { name: 'dev' }, body: { name: 'dev', servers: ['github', 'files'] } }],
  ['setWorkspace', { query: { name: 'dev' }, body: { record: 'full' } }],
  ['setWorkspace', { query: { name: 'dev' }, body: { slug: 'old-name-of-prod' } }],
  ['setWorkspace', { query: { name: 'dev' }, body: { registry: 'add' } }],
  ['curation', { query: { name: 'prod' } }],
  ['copyWorkspace', { query: { name: 'dev' }, body: { to: 'prod' } }],
  ['copyWorkspace', { query: { name: 'prod' }, body: { to: 'dev4' } }],
  ['readServer', { query: { key: 'search' } }],
  ['setServer', { query: { key: 'github' }, body: { settings: { call_timeout: 3, container: null } } }],
  ['setServer', { query: { key: 'github' }, body: { settings: { tenancy: 'all' } } }],
  ['setServer', { query: { key: 'github' }, body: { settings: { oauth_client_secret: '${HUB_TOKEN}' } } }],
  ['setServer', { query: { key: 'github' }, body: { settings: { oauth_client_id: 'x' } } }],
  ['setServer', { query: { key: 'github' }, body: { settings: { a_setting_of_a_later_version: 1 } } }],
  ['startServer', { query: { key: 'search' } }],
  ['startServer', { query: { key: 'github', workspace: 'prod' } }],
  ['editMany', { body: { action: 'delete', servers: ['github', 'search'] } }],
  ['editMany', { body: { action: 'join', servers: ['github'], workspaces: ['prod'] } }],
  ['editMany', { body: { action: 'enable' } }],
  ['call', { body: { workspace: 'prod', tool: 'x' } }],
  ['call', { body: { workspace: 'prod', tool: 'x' }, query: { workspace: 'dev' } }],
  // Requests of the console are the hub's own: those to `mail` are in the name of whoever has the hub's token.
  ...['call', 'getPrompt', 'readResource', 'complete'].map(
    (id) => /** @type {[string, Asked]} */ ([id, { body: { workspace: 'dev-mail' } }]),
  ),
  ['resources', { query: { workspace: 'dev-mail' } }],
  ['sessions', {}],
  ['history', {}],
  ['logs', {}],
  ['logs', { query: { server: 'search' } }],
];

test('each right is that of a route, and each route that is not named is for admins', () => {
  const ids = HUB_ROUTES.map(({ id }) => id);
  assert.deepEqual(
    Object.keys(RIGHTS).filter((id) => !ids.includes(id)),
    [],
  );
  for (const id of ids) {
    assert.equal(outcome(id, ADMIN, {}), 'ok', id);
    if (Object.hasOwn(RIGHTS, id)) continue;
    for (const principal of [OWNER, USER]) assert.equal(outcome(id, principal, OWN.call), 'NOT_OWNER', id);
  }
  assert.equal(outcome('toString', OWNER, {}), 'NOT_OWNER');
});

test('owners may use what they own, and nobody else may', () => {
  const rest = Object.keys(RIGHTS).filter((id) => RIGHTS[id] !== 'signed-in');
  assert.deepEqual(Object.keys(OWN).sort(), rest.sort());
  for (const [id, asked] of Object.entries(OWN)) {
    assert.equal(outcome(id, OWNER, asked), 'ok', id);
    assert.equal(outcome(id, USER, asked), 'NOT_OWNER', id);
    if (id === 'state') continue; // it is filtered
    const nothing = { ...OWNER, owns: { servers: [], workspaces: [] } };
    assert.equal(outcome(id, nothing, asked), 'NOT_OWNER', id);
  }
});

for (const [id, asked] of BEYOND) {
  test(`${id} refuses an owner ${JSON.stringify(asked)}`, () => {
    assert.equal(outcome(id, OWNER, asked), 'NOT_OWNER');
    assert.equal(outcome(id, ADMIN, asked), 'ok');
  });
}

test('every principal has its account', () => {
  for (const id of ['account', 'self', 'endOwnGrant']) assert.equal(outcome(id, USER, {}), 'ok');
});

test('the paths of all other routes are closed to owners, but for pages and what is public', () => {
  const open = [...YAMCP_ROUTES, ...OTHER_ROUTES].filter(({ path }) => mayOpen(OWNER, path)).map(({ id }) => id);
  assert.deepEqual(open, ['apiPage', 'live']);
  const [closed, own] = ['/api/access', '/hub/'].map((path) => mayOpen(OWNER, path));
  assert.deepEqual([closed, own, mayOpen(USER, '/hub/'), mayOpen(USER, '/account')], [false, true, false, true]);
});
