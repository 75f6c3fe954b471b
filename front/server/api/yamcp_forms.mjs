/** YAMCP-UI's forms of things: what its API shows of State, and what it makes of an entry (pure). */

/** @typedef {Record<string, any>} Item a server or workspace of State, or an entry of providers.json */

const PARAMETER_FIELDS = ['command', 'args', 'env', 'cwd', 'url', 'headers'];
/** @type {Record<string, string>} */
const STATUS = { ready: 'running', degraded: 'running', sleeping: 'running', failed: 'error', invalid: 'error' };

/** Return the body of `GET /api/stats`. @param {{hub: Item, servers: Item[], workspaces: Item[]}} state */
export function statsOf({ hub, servers, workspaces }) {
  const all = [hub, ...servers, ...workspaces].flatMap((item) => item.issues ?? []);
  const failing = servers.filter(({ state }) => ['failed', 'backoff', 'degraded'].includes(state)).length;
  return {
    totalServers: servers.length,
    activeServers: servers.filter(({ state }) => ['ready', 'degraded', 'sleeping'].includes(state)).length,
    totalWorkspaces: workspaces.length,
    activeWorkspaces: workspaces.filter(({ enabled }) => enabled).length,
    issues: all.filter(({ severity }) => severity !== 'info').length + failing + (hub.errors ?? []).length,
  };
}

/**
 * Return one server of `GET /api/servers`; the fields after `env` or `url` are the hub's own.
 *
 * @param {Item} server of State, its secrets masked
 */
export function serverOf(server) {
  const { key, namespace, command, args = [], env = {}, url, state, enabled, tools, workspaces } = server;
  const type = server.type === 'remote' || server.type === 'websocket' ? 'sse' : server.type;
  const launch = type === 'stdio' ? { command, args, env } : { url };
  const status = STATUS[state] ?? 'stopped';
  const reason = server.reason?.message ?? server.troubles?.[0]?.message ?? null;
  return { id: key, name: key, namespace, type, status, ...launch, enabled, state, reason, tools, workspaces };
}

/**
 * Return one workspace of `GET /api/workspaces`; the fields after `status` are the hub's own.
 *
 * @param {Item} workspace of State
 */
export function workspaceOf({ name, servers, enabled, state, slug, sse_url, http_url }) {
  const description = `Workspace with ${servers.length} server${servers.length === 1 ? '' : 's'}`;
  const status = enabled ? 'active' : 'inactive';
  return { id: name, name, description, servers, status, enabled, state, slug, sse_url, http_url };
}

/**
 * Return one line of `GET /api/logs`. Its message is always text, because YAMCP-UI's page fails otherwise.
 *
 * @param {Item} record of the hub's log
 * @param {number} at its place, which makes its id unique
 */
export function logOf(record, at) {
  const { time, level, server, workspace, process, message } = record;
  const timestamp = typeof time === 'string' ? time : new Date(0).toISOString();
  return {
    id: `hub_${timestamp}_${at}`,
    timestamp,
    level: level === 'warning' ? 'warn' : String(level ?? 'info'),
    server: String(server ?? workspace ?? process ?? 'hub'),
    message: typeof message === 'string' ? message : JSON.stringify(message ?? ''),
  };
}

/**
 * Return the entry of providers.json that the body of `POST /api/servers` requests.
 *
 * @param {Item} body
 * @returns {{key: string, entry: Item}}
 */
export function addedServer(body) {
  const type = body.type ?? (body.url === undefined ? 'stdio' : 'sse');
  return { key: body.name, entry: { namespace: body.name, type, providerParameters: parametersOf(body, type) } };
}

/**
 * Return the entry that the body of `PUT /api/servers/:id` requests.
 *
 * The server's key becomes the namespace, as in YAMCP-UI, but only if the body changes that; fields that YAMCP-UI's
 * form does not have (`cwd`, `headers`) are preserved.
 *
 * @param {string} id
 * @param {Item} body
 * @param {unknown} stored
 * @returns {{key: string, entry: Item}}
 */
export function changedServer(id, body, stored) {
  const entry = isObject(stored) ? stored : {};
  const before = entry.namespace || id;
  const moved = Boolean(body.namespace) && body.namespace !== before;
  const key = moved ? body.namespace : (body.name ?? id);
  const namespace = moved || before === id ? key : before;
  const type = body.type ?? entry.type ?? (body.url === undefined ? 'stdio' : 'sse');
  const parameters = isObject(entry.providerParameters) ? entry.providerParameters : entry;
  const kept = type === entry.type ? pick(parameters, type === 'stdio' ? ['cwd'] : ['headers']) : {};
  const outer = Object.fromEntries(Object.entries(entry).filter(([name]) => !PARAMETER_FIELDS.includes(name)));
  return { key, entry: { ...outer, namespace, type, providerParameters: { ...parametersOf(body, type), ...kept } } };
}

/** @type {(body: Item, type: string) => Item} */
function parametersOf({ command, args = [], env = {}, url }, type) {
  return type === 'stdio' ? { command, args, env } : { url };
}

/** @type {(item: Item, names: string[]) => Item} */
function pick(item, names) {
  return Object.fromEntries(names.filter((name) => Object.hasOwn(item, name)).map((name) => [name, item[name]]));
}

/** @type {(value: unknown) => value is Item} */
function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
