/** YAMCP-UI's REST API in its format, served by the hub, so that scripts written for it work and get actual states. */

import { pipeline } from 'node:stream/promises';
import { noSuchServer, noSuchWorkspace } from './api_errors.mjs';
import * as edits from './edits.mjs';
import { FrontError } from '../errors.mjs';
import { listLogFiles, logDirs, openLogFile } from './log_files.mjs';
import { routerOf } from './router.mjs';
import { YAMCP_ROUTES } from './routes.mjs';
import { addedServer, changedServer, logOf, serverOf, statsOf, workspaceOf } from './yamcp_forms.mjs';

const DEFAULT_LOG_LINES = 100;
/**
 * Routes whose answer YAMCP-UI would give wrongly, or whose request it would not carry out; it serves the others
 * itself.
 */
const OVERRIDDEN_ROUTES = [
  'stats',
  'servers',
  'workspaces',
  'logs',
  'logFiles',
  'logFile',
  'providersConfig',
  'workspacesConfig',
  'startServer',
  'stopServer',
  'startWorkspace',
  'stopWorkspace',
];

/**
 * @typedef {import('../state/hub.mjs').HubClient} HubClient
 * @typedef {import('./router.mjs').HandlersOf<import('./describe/answers.mjs').YamcpAnswers>} Handlers
 * @typedef {'logFile'} Sent  of which the handler sends the answer by itself
 * @typedef {{hub: HubClient, settings: import('../settings.mjs').Settings}} Parts
 */

/**
 * Return the router of the whole API, to be mounted at the root. Other paths are passed on.
 *
 * @param {Parts} parts
 * @returns {import('express').Router}
 */
export function yamcpApi({ hub, settings }) {
  return routerOf(YAMCP_ROUTES, handlersOf(hub, settings), {
    maxBodyBytes: settings.maxBodyBytes,
    ignoreUnknown: true,
  });
}

/**
 * Return the router in front of a running YAMCP-UI, with `OVERRIDDEN_ROUTES` only. Other paths are passed on.
 *
 * @param {Parts} parts
 * @returns {import('express').Router}
 */
export function yamcpOverrides({ hub, settings }) {
  const routes = YAMCP_ROUTES.filter(({ id }) => OVERRIDDEN_ROUTES.includes(id));
  const options = { maxBodyBytes: settings.maxBodyBytes, ignoreUnknown: true, passMethods: true };
  return routerOf(routes, handlersOf(hub, settings), options);
}

/**
 * Answer requests below /api that no route matched; other paths are passed on.
 *
 * @param {import('express').Request} req
 * @param {import('express').Response} _res
 * @param {import('express').NextFunction} next
 */
export function apiNotFound(req, _res, next) {
  const ours = req.path === '/api' || req.path.startsWith('/api/');
  next(ours ? new FrontError('NOT_FOUND', 'There is nothing at this path of the API.') : undefined);
}

/** @type {(hub: HubClient, settings: import('../settings.mjs').Settings) => Handlers & Record<Sent, import('./router.mjs').Handler>} */
function handlersOf(hub, settings) {
  return {
    stats: async () => statsOf(await hub.fresh()),
    logs: () => logs(hub),
    ...servers(hub),
    ...workspaces(hub),
    ...config(hub),
    ...logFiles(logDirs(settings.dataDir)),
  };
}

/** @type {(hub: HubClient) => Pick<Handlers, 'servers' | 'addServer' | 'putServer' | 'deleteServer' | 'startServer' | 'stopServer'>} */
function servers(hub) {
  const enable = async (/** @type {string} */ id, /** @type {boolean} */ enabled) => {
    await hub.change('set_server', { key: id, settings: { enabled } });
    const server = (await hub.fresh()).servers.find((item) => item.key === id);
    if (!server) throw noSuchServer(id);
    return {
      ...done(`Server ${id} ${enabled ? `is switched on (${server.state})` : 'is switched off'}`),
      server: serverOf(server),
    };
  };
  return {
    servers: async () => (await hub.fresh()).servers.map(serverOf),
    addServer: async ({ body }) => {
      const { key, entry } = addedServer(body);
      await edits.addServer(hub, key, entry);
      return done(`Server ${key} added successfully`);
    },
    putServer: async ({ params: { id }, body }) => {
      const { key } = await edits.remakeServer(hub, id, (stored) => changedServer(id, body, stored));
      return done(`Server ${key} updated successfully`);
    },
    deleteServer: async ({ params: { id } }) => {
      await edits.deleteServer(hub, id);
      return done(`Server ${id} deleted successfully`);
    },
    startServer: ({ params: { id } }) => enable(id, true),
    stopServer: ({ params: { id } }) => enable(id, false),
  };
}

/** @type {(hub: HubClient) => Pick<Handlers, 'workspaces' | 'addWorkspace' | 'putWorkspace' | 'deleteWorkspace' | 'startWorkspace' | 'stopWorkspace'>} */
function workspaces(hub) {
  const enable = async (/** @type {string} */ id, /** @type {boolean} */ enabled) => {
    await hub.change('set_workspace', { name: id, enabled });
    const workspace = (await hub.fresh()).workspaces.find((item) => item.name === id);
    if (!workspace) throw noSuchWorkspace(id);
    const message = `Workspace ${id} ${enabled ? `is switched on (${workspace.state})` : 'is switched off'}`;
    return { ...done(message), workspace: workspaceOf(workspace) };
  };
  return {
    workspaces: async () => (await hub.fresh()).workspaces.map(workspaceOf),
    addWorkspace: async ({ body: { name, servers: members = [] } }) => {
      await edits.addWorkspace(hub, name, members);
      return done(`Workspace ${name} created successfully`);
    },
    putWorkspace: async ({ params: { id }, body }) => {
      const name = body.name || id;
      await edits.replaceWorkspace(hub, id, { name, servers: body.servers });
      return done(`Workspace ${name} updated successfully`);
    },
    deleteWorkspace: async ({ params: { id } }) => {
      await edits.deleteWorkspace(hub, id);
      return done(`Workspace ${id} deleted successfully`);
    },
    startWorkspace: ({ params: { id } }) => enable(id, true),
    stopWorkspace: ({ params: { id } }) => enable(id, false),
  };
}

/** @type {(hub: HubClient) => Pick<Handlers, 'providersConfig' | 'workspacesConfig' | 'putProvidersConfig' | 'putWorkspacesConfig'>} */
function config(hub) {
  const put = async (
    /** @type {'providers' | 'workspaces'} */ file,
    /** @type {import('./router.mjs').ApiRequest} */ { body, req },
  ) => {
    if (typeof body !== 'object' || body === null || Array.isArray(body)) {
      throw new FrontError('BODY_INVALID', 'Invalid JSON: must be an object');
    }
    await edits.replaceConfig(hub, file, body, /^"([^"]*)"$/.exec(req.get('If-Match') ?? '')?.[1]);
    return done(`${file === 'providers' ? 'Providers' : 'Workspaces'} config updated successfully`);
  };
  return {
    providersConfig: ({ res }) => sendConfig(hub, 'providers', res),
    workspacesConfig: ({ res }) => sendConfig(hub, 'workspaces', res),
    putProvidersConfig: (asked) => put('providers', asked),
    putWorkspacesConfig: (asked) => put('workspaces', asked),
  };
}

/** @type {(hub: HubClient, file: 'providers' | 'workspaces', res: import('express').Response) => Promise<undefined>} */
async function sendConfig(hub, file, res) {
  const { text, hash } = await edits.readConfig(hub, file);
  res.set('ETag', `"${hash}"`).type('json');
  res.send(text);
  return undefined;
}

/** @type {(hub: HubClient) => Promise<import('./describe/answers.mjs').YamcpAnswers['logs']>} */
async function logs(hub) {
  try {
    const { records } = await hub.askSidecar('logs', { limit: DEFAULT_LOG_LINES });
    return records.map(logOf).reverse();
  } catch (error) {
    // YAMCP-UI's Logs page shows the lines of an error only.
    const message = error instanceof Error ? error.message : String(error);
    return [logOf({ time: new Date().toISOString(), level: 'error', process: 'hub', message }, 0)];
  }
}

/** @type {(dirs: import('./log_files.mjs').LogDirs) => Pick<Handlers, 'logFiles'> & Record<Sent, import('./router.mjs').Handler>} */
function logFiles(dirs) {
  return {
    logFiles: () => listLogFiles(dirs),
    logFile: async ({ params, req, res }) => {
      const file = await openLogFile(dirs, params.workspace, params.filename);
      if (!file) throw new FrontError('NOT_FOUND', 'Log file not found', { hint: 'GET /api/log-files lists them.' });
      try {
        res
          .attachment(params.filename)
          .type('text/plain')
          .set({ 'Content-Length': String(file.size), 'Cache-Control': 'no-store' });
        await send(req.method === 'HEAD' ? 0 : file.size, file.handle, res);
      } finally {
        await file.handle.close();
      }
    },
  };
}

/** @type {(size: number, handle: import('node:fs/promises').FileHandle, res: import('express').Response) => Promise<unknown>} */
async function send(size, handle, res) {
  if (size === 0) return res.end();
  const stream = handle.createReadStream({ start: 0, end: size - 1, autoClose: false });
  return pipeline(stream, res).catch(() => res.destroy()); // the client left, or the file was cut: nobody to tell
}

/** @type {(message: string) => {success: true, message: string}} */
function done(message) {
  return { success: true, message };
}
