/** The hub's own HTTP API, /api/hub/…, for everything that the console can do. */

import { access } from './access/handlers.mjs';
import { catalog } from './catalog/handlers.mjs';
import { activation } from './catalog/activation_handlers.mjs';
import { approvals } from './approvals/handlers.mjs';
import { curation } from './curation/handlers.mjs';
import { authorize } from './access/rights.mjs';
import { account } from './account/handlers.mjs';
import { clientRequests } from './client_requests/handlers.mjs';
import {
  addServer,
  addWorkspace,
  deleteServer,
  deleteWorkspace,
  importServers,
  replaceServer,
  replaceWorkspace,
  storedServer,
} from './edits.mjs';
import { readConfig } from './import_text.mjs';
import { records } from './history/handlers.mjs';
import { routerOf } from './router.mjs';
import { trust } from './trust/handlers.mjs';
import { FrontError } from '../errors.mjs';
import { ownedError, ownedServer, ownedState, ownsRecord } from '../state/owned.mjs';
import { HUB_ROUTES } from './routes.mjs';

/**
 * @typedef {import('../state/hub.mjs').HubClient} HubClient
 * @typedef {import('./router.mjs').HandlersOf<import('./describe/answers.mjs').HubAnswers>} Handlers
 */

const DEFAULT_LOG_LINES = 200;

/**
 * Return the router, to be mounted at the root.
 *
 * @param {{hub: HubClient, recorder: import('../state/recorder.mjs').Recorder,
 *   settings: import('../settings.mjs').Settings, auth: import('../access/auth.mjs').Auth}} parts
 * @returns {import('express').Router}
 */
export function hubApi({ hub, recorder, settings, auth }) {
  /** @type {Handlers} */
  const handlers = {
    ...reading(hub, auth),
    ...clientRequests(hub),
    ...workspaces(hub),
    ...servers(hub),
    ...many(hub),
    ...keys(hub, auth.keyUses),
    ...account(hub, auth, settings.oidc),
    ...curation(hub),
    ...access(hub),
    ...approvals(hub),
    ...catalog(hub),
    ...activation(hub),
    ...trust(hub),
    ...records(recorder),
  };
  const check = (/** @type {string} */ id, /** @type {import('./router.mjs').ApiRequest} */ asked) => {
    if (!auth.principals) return; // an unprotected hub
    const who = auth.who(asked.req);
    if (!who) throw new FrontError('TOKEN_REQUIRED');
    authorize(id, who.principal, asked, hub.state);
  };
  const shown = Object.entries(handlers).map(([id, handle]) => [id, forOwners(handle, auth)]);
  return routerOf(HUB_ROUTES, Object.fromEntries(shown), { ...settings, check });
}

/**
 * Return a handler whose answer or error shows an owner no more of servers and workspaces than the State does.
 * @param {import('./router.mjs').Handler} handle @param {Pick<import('../access/auth.mjs').Auth, 'ownedBy'>} auth
 * @returns {import('./router.mjs').Handler}
 */
function forOwners(handle, auth) {
  return async (asked) => {
    const owned = auth.ownedBy(asked.req)();
    if (!owned) return handle(asked);
    try {
      const answer = /** @type {any} */ (await handle(asked));
      return answer?.server ? { ...answer, server: ownedServer(answer.server, owned) } : answer;
    } catch (error) {
      throw ownedError(error, owned);
    }
  };
}

/** @type {(hub: HubClient, uses: import('../access/key_uses.mjs').KeyUses) => Pick<Handlers, 'keys' | 'addKey' | 'revokeKey'>} */
function keys(hub, uses) {
  return {
    async keys() {
      await uses.flush();
      return hub.askAdapter('keys');
    },
    addKey: ({ body }) => hub.askAdapter('add_key', body),
    revokeKey: ({ query }) => hub.askAdapter('revoke_key', { key: query.key }),
  };
}

/** @type {(hub: HubClient) => Pick<Handlers, 'copyServer' | 'copyWorkspace' | 'editMany' | 'undo' | 'export'>} */
function many(hub) {
  return {
    copyServer: async ({ query: { key }, body: { to } }) => ({
      ...(await hub.change('duplicate', { section: 'servers', name: key, to })),
      server: await serverNow(hub, to),
    }),
    copyWorkspace: async ({ query: { name }, body: { to } }) => ({
      ...(await hub.change('duplicate', { section: 'workspaces', name, to })),
      workspace: await workspaceNow(hub, to),
    }),
    editMany: ({ body }) => hub.change('edit_many', /** @type {any} */ (body)),
    undo: ({ body }) => hub.change('undo', body),
    export: ({ body }) => hub.askAdapter('export', /** @type {any} */ (body)),
  };
}

/** @type {(hub: HubClient, auth: import('../access/auth.mjs').Auth) => Pick<Handlers, 'state' | 'reload' | 'import' | 'sessions' | 'endSession' | 'limits' | 'replicas' | 'history' | 'logs'>} */
function reading(hub, auth) {
  return {
    async state({ req }) {
      const owned = auth.ownedBy(req)();
      const state = await hub.fresh();
      return owned ? ownedState(state, owned) : state;
    },
    reload: () => hub.change('reload', {}),
    import: async ({ body: { text, ...asked } }) => importServers(hub, { ...asked, config: await readConfig(text) }),
    sessions: ({ query }) => hub.askSidecar('sessions', query),
    limits: ({ query }) => hub.askSidecar('limits_state', query),
    replicas: () => hub.askSidecar('replicas', {}),
    endSession: async ({ query }) => hub.askSidecar('end_session', /** @type {any} */ (query)),
    history: ({ query }) => hub.askSidecar('history', query),
    async logs({ req, query }) {
      const owned = auth.ownedBy(req)();
      const found = await hub.askSidecar('logs', { limit: DEFAULT_LOG_LINES, ...query });
      return owned ? { ...found, records: found.records.filter((record) => ownsRecord(record, owned)) } : found;
    },
  };
}

/** @type {(hub: HubClient) => Pick<Handlers, 'addWorkspace' | 'putWorkspace' | 'deleteWorkspace' | 'setWorkspace' | 'startWorkspace' | 'stopWorkspace'>} */
function workspaces(hub) {
  const now = async (/** @type {any} */ changed, /** @type {string} */ name) => ({
    ...changed,
    workspace: await workspaceNow(hub, name),
  });
  const enable = async (/** @type {string} */ name, /** @type {boolean} */ enabled) =>
    now(await hub.change('set_workspace', { name, enabled }), name);
  return {
    addWorkspace: async ({ body }) => now(await addWorkspace(hub, body.name, body.servers), body.name),
    putWorkspace: async ({ query, body }) => now(await replaceWorkspace(hub, query.name, body, body.expect), body.name),
    deleteWorkspace: ({ query }) => deleteWorkspace(hub, query.name, query.expect),
    setWorkspace: async ({ query, body }) =>
      now(await hub.change('set_workspace', { name: query.name, ...body }), query.name),
    startWorkspace: ({ query }) => enable(query.name, true),
    stopWorkspace: ({ query }) => enable(query.name, false),
  };
}

/** @type {(hub: HubClient) => Pick<Handlers, 'readServer' | 'addServer' | 'putServer' | 'deleteServer' | 'setServer' | 'startServer' | 'stopServer' | 'forgetSettings' | 'restartServer'>} */
function servers(hub) {
  const now = async (/** @type {any} */ changed, /** @type {string} */ key) => ({
    ...changed,
    server: await serverNow(hub, key),
  });
  const set = async (/** @type {string} */ key, /** @type {Record<string, unknown>} */ settings) =>
    now(await hub.change('set_server', { key, settings }), key);
  const turn = async (
    /** @type {{key: string, workspace?: string}} */ { key, workspace },
    /** @type {boolean} */ on,
  ) =>
    workspace === undefined
      ? set(key, { enabled: on })
      : now(await hub.change('set_workspace', { name: workspace, servers: { [key]: on } }), key);
  return {
    readServer: ({ query }) => readServer(hub, query.key),
    addServer: async ({ body }) => now(await addServer(hub, body.key, body.entry), body.key),
    putServer: async ({ query, body }) => now(await replaceServer(hub, query.key, body, body.expect), body.key),
    deleteServer: ({ query }) => deleteServer(hub, query.key, query.expect),
    setServer: ({ query, body }) => set(query.key, body.settings),
    startServer: ({ query }) => turn(/** @type {any} */ (query), true),
    stopServer: ({ query }) => turn(/** @type {any} */ (query), false),
    forgetSettings: ({ query: { section, name } }) => hub.change('forget_settings', { section, name }),
    restartServer: async ({ query }) => now(await hub.askSidecar('restart', { key: query.key }), query.key),
  };
}

/** @type {(hub: HubClient, key: string) => Promise<import('./describe/answers.mjs').HubAnswers['readServer']>} */
async function readServer(hub, key) {
  const { entry, hash } = await storedServer(hub, key);
  return { key, entry, hash, settings: (await serverNow(hub, key))?.settings ?? null };
}

/** @type {(hub: HubClient, name: string) => Promise<import('../state/state.mjs').WorkspaceState | null>} */
async function workspaceNow(hub, name) {
  return (await hub.fresh()).workspaces.find((workspace) => workspace.name === name) ?? null;
}

/** @type {(hub: HubClient, key: string) => Promise<import('../state/state.mjs').ServerState | null>} */
async function serverNow(hub, key) {
  return (await hub.fresh()).servers.find((server) => server.key === key) ?? null;
}
