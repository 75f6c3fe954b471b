/** A stand-in for YAMCP-UI 1.0.7, written from facts about it: its REST API without YAMCP beside it, its files, its manners.
 * Run as YAMCP-UI is: PORT and XDG_DATA_HOME (XDG_STATE_HOME) in the environment. It does not have its path traversal. */

import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { homedir } from 'node:os';
import { basename, extname, join, normalize } from 'node:path';

/** @typedef {Record<string, any>} Json @typedef {{status?: number, json?: unknown, file?: string}} Reply */
/** @typedef {(request: {id: string, more: string, body: any}) => Reply} Handler */

const PORT = process.env.PORT || '8765';
const DATA = join(process.env.XDG_DATA_HOME || join(homedir(), '.local/share'), 'yamcp-nodejs');
const LOGS = join(process.env.XDG_STATE_HOME || join(homedir(), '.local/state'), 'yamcp-nodejs');
const DIST = join(import.meta.dirname, 'dist');
const MOST_BYTES = 100 * 1024;
const TYPES = /** @type {Json} */ ({
  '.html': 'text/html',
  '.mjs': 'text/javascript',
  '.css': 'text/css',
  '.log': 'text/plain',
});

/** What is wrong with a request itself is told in HTML, as Express does. */
class Refusal extends Error {
  /** @param {number} status @param {string} text */
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

// --- files: written in place; a missing or broken one is empty ----------------------------------------------------

/** @typedef {'providers' | 'workspaces'} Name @type {(name: Name) => string} */
const fileOf = (name) => join(DATA, `${name}.json`);

/** @type {(name: Name) => Json} */
function load(name) {
  try {
    return JSON.parse(readFileSync(fileOf(name), 'utf8'));
  } catch {
    return {};
  }
}

/** @type {(name: Name, content: unknown) => void} */
const save = (name, content) => writeFileSync(fileOf(name), JSON.stringify(content, null, 2));

// --- the API -------------------------------------------------------------------------------------------------------

/** @type {(message: string) => Reply} */
const done = (message) => ({ json: { success: true, message } });

/** @type {(body: Json, namespace: string) => Json} */
function entryOf({ type, command, args, env, url }, namespace) {
  const launch = type === 'stdio' ? { command, args: args || [], env: env || {} } : { url };
  return { namespace, type, providerParameters: launch };
}

function stats() {
  const [servers, workspaces] = [load('providers'), load('workspaces')].map((content) => Object.keys(content).length);
  const json = { totalServers: servers, activeServers: servers };
  return { json: { ...json, totalWorkspaces: workspaces, activeWorkspaces: workspaces, issues: 0 } };
}

function servers() {
  const json = Object.entries(load('providers')).map(([key, { namespace, type, providerParameters }]) => {
    const { command, args = [], env = {}, url } = providerParameters;
    const launch = type === 'stdio' ? { command, args, env } : { url };
    return { id: key, name: key, namespace: namespace || key, type, status: 'stopped', ...launch };
  });
  return { json };
}

function workspaces() {
  const providers = load('providers');
  const json = Object.entries(load('workspaces')).map(([name, members]) => {
    const there = members.filter((/** @type {string} */ key) => providers[key]);
    const description = `Workspace with ${there.length} server${there.length === 1 ? '' : 's'}`;
    return { id: name, name, description, servers: there, status: 'inactive' };
  });
  return { json };
}

/** @type {Handler} */
function putServer({ id, body }) {
  const providers = load('providers');
  if (!providers[id]) return { status: 404, json: { error: `Server ${id} not found` } };
  const key = body.namespace || body.name;
  if (key !== id) delete providers[id];
  providers[key] = entryOf(body, key);
  if (key !== id) {
    const all = load('workspaces');
    for (const members of Object.values(all)) if (members.includes(id)) members[members.indexOf(id)] = key;
    save('workspaces', all); // first, and servers after it: as YAMCP-UI has it
  }
  save('providers', providers);
  return done(`Server ${key} updated successfully`);
}

/** @type {Handler} */
function putWorkspace({ id, body }) {
  const all = load('workspaces');
  if (!all[id]) return { status: 404, json: { error: `Workspace ${id} not found` } };
  const name = body.name || id;
  if (name !== id) delete all[id];
  all[name] = body.servers;
  save('workspaces', all);
  return done(`Workspace ${name} updated successfully`);
}

/** @type {(name: Name, key: string, value: unknown) => void} */
function change(name, key, value) {
  const content = load(name);
  if (value === undefined) delete content[key];
  else content[key] = value;
  save(name, content);
}

/** @type {(name: Name) => Handler} */
const putConfig =
  (name) =>
  ({ body }) => {
    save(name, body);
    return done(`${name === 'providers' ? 'Providers' : 'Workspaces'} config updated successfully`);
  };

function logDirs() {
  return existsSync(LOGS) ? readdirSync(LOGS).filter((name) => statSync(join(LOGS, name)).isDirectory()) : [];
}

function logs() {
  const records = logDirs().flatMap((dir) => {
    const path = join(LOGS, dir, 'combined.log');
    const lines = existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n').slice(-20) : [];
    return lines.flatMap((line) => {
      try {
        const { timestamp, level, message } = JSON.parse(line);
        return [{ id: `${dir}_${timestamp}`, timestamp, level, server: dir.split('_')[0], message: message || line }];
      } catch {
        return [];
      }
    });
  });
  const invented = ['info', 'error', 'warn'].map((level, at) => {
    const timestamp = new Date(Date.now() - at * 60_000).toISOString();
    return { id: `mock_${at + 1}`, timestamp, level, server: 'invented', message: `Nothing was logged (${at + 1})` };
  });
  return { json: records.length ? records.slice(0, 100) : invented };
}

function logFiles() {
  const json = logDirs().flatMap((dir) =>
    readdirSync(join(LOGS, dir)).map((name) => {
      const path = join(LOGS, dir, name);
      const { size, mtime } = statSync(path);
      return { name: `${dir}/${name}`, size, modified: mtime.toISOString(), path };
    }),
  );
  return { json };
}

/** @type {Handler} */
function logFile({ id, more }) {
  const file = join(LOGS, basename(id), basename(more));
  return existsSync(file) ? { file } : { status: 404, json: { error: 'Log file not found' } };
}

/** @type {(what: string) => Handler} */
const pretended =
  (what) =>
  ({ id }) =>
    done(`${what.replace('ID', id)} requested (not implemented yet)`);

/** Method, path with ID and MORE for parts of it, what is said where it fails, and what is done. @type {[string, string, string, Handler][]} */
const ROUTES = [
  ['GET', '/api/stats', 'get stats', stats],
  ['GET', '/api/servers', 'get servers', servers],
  [
    'POST',
    '/api/servers',
    'add server',
    ({ body }) => {
      change('providers', body.name, entryOf(body, body.name));
      return done(`Server ${body.name} added successfully`);
    },
  ],
  ['PUT', '/api/servers/ID', 'update server', putServer],
  [
    'DELETE',
    '/api/servers/ID',
    'delete server',
    ({ id }) => {
      change('providers', id, undefined);
      return done(`Server ${id} deleted successfully`);
    },
  ],
  ['POST', '/api/servers/ID/start', '', pretended('Server ID start')],
  ['POST', '/api/servers/ID/stop', '', pretended('Server ID stop')],
  ['GET', '/api/workspaces', 'get workspaces', workspaces],
  [
    'POST',
    '/api/workspaces',
    'create workspace',
    ({ body }) => {
      change('workspaces', body.name, body.servers);
      return done(`Workspace ${body.name} created successfully`);
    },
  ],
  ['PUT', '/api/workspaces/ID', 'update workspace', putWorkspace],
  [
    'DELETE',
    '/api/workspaces/ID',
    'delete workspace',
    ({ id }) => {
      change('workspaces', id, undefined);
      return done(`Workspace ${id} deleted successfully`);
    },
  ],
  ['POST', '/api/workspaces/ID/start', '', pretended('Workspace ID start')],
  ['POST', '/api/workspaces/ID/stop', '', pretended('Workspace ID stop')],
  ['GET', '/api/logs', 'get logs', logs],
  ['GET', '/api/log-files', 'get log files', logFiles],
  ['GET', '/api/log-files/ID/MORE', 'download log file', logFile],
  ['GET', '/api/config/providers', 'get providers config', () => ({ json: load('providers') })],
  ['GET', '/api/config/workspaces', 'get workspaces config', () => ({ json: load('workspaces') })],
  ['PUT', '/api/config/providers', 'update providers config', putConfig('providers')],
  ['PUT', '/api/config/workspaces', 'update workspaces config', putConfig('workspaces')],
];

// --- HTTP ----------------------------------------------------------------------------------------------------------

/** @param {import('node:http').IncomingMessage} request */
async function read(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  if (bytes.length > MOST_BYTES) throw new Refusal(413, 'request entity too large');
  if (!bytes.length || !/json/.test(request.headers['content-type'] ?? '')) return {};
  try {
    const body = JSON.parse(bytes.toString());
    if (typeof body === 'object' && body !== null) return body;
  } catch {
    // told below
  }
  throw new Refusal(400, 'SyntaxError');
}

/** @param {import('node:http').IncomingMessage} request @returns {Promise<Reply>} */
async function answer(request) {
  const path = (request.url ?? '/').split('?')[0];
  const local = [`localhost:${PORT}`, `127.0.0.1:${PORT}`].includes(request.headers.host ?? '');
  if (path.startsWith('/api/') && !local) return { status: 403, json: { error: 'Access denied' } };
  const asset = join(DIST, normalize(decoded(path)));
  if (extname(path) && asset.startsWith(DIST) && existsSync(asset)) return { file: asset };
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  const body = await read(request);
  for (const [verb, pattern, what, handle] of ROUTES) {
    const form = new RegExp(`^${pattern.replace(/ID|MORE/g, '([^/]+)')}/?$`, 'i');
    const found = verb === method && form.exec(path);
    if (!found) continue;
    const [id = '', more = ''] = found.slice(1).map(decoded);
    try {
      return handle({ id, more, body });
    } catch {
      return { status: 500, json: { error: `Failed to ${what}${id && ` ${id}`}` } };
    }
  }
  if (method !== 'GET') throw new Refusal(404, `Cannot ${method} ${path}`);
  return { file: join(DIST, 'index.html') };
}

/** @type {(text: string) => string} */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Refusal(400, 'URIError');
  }
}

/** @param {import('node:http').IncomingMessage} request @param {import('node:http').ServerResponse} response @param {Reply} reply */
function send(request, response, { status = 200, json, file }) {
  if (!file) {
    response.writeHead(status, { 'Content-Type': 'application/json; charset=utf-8' });
    return response.end(JSON.stringify(json));
  }
  const { size, mtimeMs } = statSync(file);
  const etag = `W/"${size}-${mtimeMs}"`;
  if (request.headers['if-none-match'] === etag) return response.writeHead(304, { ETag: etag }).end();
  const type = TYPES[extname(file)] ?? 'application/octet-stream';
  response.writeHead(200, {
    'Content-Type': `${type}; charset=utf-8`,
    ETag: etag,
    'Cache-Control': 'public, max-age=0',
  });
  return response.end(readFileSync(file));
}

createServer((request, response) => {
  answer(request).then(
    (reply) => send(request, response, reply),
    (error) => {
      response.writeHead(error.status ?? 500, { 'Content-Type': 'text/html; charset=utf-8' });
      response.end(`<!DOCTYPE html><pre>${error.message}</pre>`);
    },
  );
}).listen(/** @type {any} */ (PORT), 'localhost', () => console.log(`Server running on http://localhost:${PORT}`));
