/** YAMCP-UI's REST API in its format, but true: what scripts for it ask for is done. */

import { pipeline } from 'node:stream/promises';
import { noSuchServer, noSuchWorkspace } from './api_errors.mjs';
import * as edits from './edits.mjs';
import { FrontError } from '../errors.mjs';
import { listLogFiles, logDirs, openLogFile } from './log_files.mjs';
import { routerOf } from './router.mjs';
import { YAMCP_ROUTES } from './routes.mjs';
import { addedServer, changedServer, logOf, serverOf, statsOf, workspaceOf } from './yamcp_forms.mjs';

const LOGS = 100;
/** Routes that tell the truth or do what YAMCP-UI itself only promises; the rest it does well itself. */
const TRUTH = [
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
 * @typedef {import('../state/hub.mjs').Hub} Hub
 * @typedef {Record<string, import('./router.mjs').Handler>} Handlers
 * @typedef {{hub: Hub, settings: import('../settings.mjs').Settings}} Parts
 */

/**
 * The router of the whole API; mount it at the root. Other paths it passes on.
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
 * The router in front of a YAMCP-UI that runs: only what that does not tell or do. It passes on all else.
 *
 * @param {Parts} parts
 * @returns {import('express').Router}
 */
export function yamcpTruth({ hub, settings }) {
  const routes = YAMCP_ROUTES.filter(({ id }) => TRUTH.includes(id));
  const options = { maxBodyBytes: settings.maxBodyBytes, ignoreUnknown: true, passMethods: true };
  return routerOf(routes, handlersOf(hub, settings), options);
}

/**
 * Answers what is asked of /api and is nothing that there is; other paths it passes on.
 *
 * @param {import('express').Request} req
 * @param {import('express').Response} _res
 * @param {import('express').NextFunction} next
 */
export function apiNotFound(req, _res, next) {
  const ours = req.path === '/api' || req.path.startsWith('/api/');
  next(ours ? new FrontError('NOT_FOUND', 'There is nothing at this path of the API.') : undefined);
}

/** @type {(hub: Hub, settings: import('../settings.mjs').Settings) => Handlers} */
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

/** @type {(hub: Hub) => Handlers} */
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

/** @type {(hub: Hub) => Handlers} */
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

/** @type {(hub: Hub) => Handlers} */
function config(hub) {
  const put = async (
    /** @type {'providers' | 'workspaces'} */ file,
    /** @type {import('./router.mjs').Asked} */ { body, req },
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

/** @type {(hub: Hub, file: 'providers' | 'workspaces', res: import('express').Response) => Promise<void>} */
async function sendConfig(hub, file, res) {
  const { text, hash } = await edits.readConfig(hub, file);
  res.set('ETag', `"${hash}"`).type('json');
  res.send(text);
}

/** @type {(hub: Hub) => Promise<object[]>} */
async function logs(hub) {
  try {
    const { records } = await hub.ask('logs', { limit: LOGS });
    return records.map(logOf).reverse();
  } catch (error) {
    // YAMCP-UI's Logs page shows nothing of an error but its lines
    const message = error instanceof Error ? error.message : String(error);
    return [logOf({ time: new Date().toISOString(), level: 'error', process: 'hub', message }, 0)];
  }
}

/** @type {(dirs: import('./log_files.mjs').LogDirs) => Handlers} */
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
