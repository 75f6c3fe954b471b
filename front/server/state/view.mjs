// Merges the desired state of the adapter and the status of the sidecar into the State that pages show. Pure.

import { DEFAULTS } from '../../console/forms/server_settings.mjs';

/**
 * @import {Desired, Issue, ServerSpec, ServerStatus, Status, WorkspaceSpec, WorkspaceStatus}
 *   from '../../../bridge/node/types.mjs'
 * @import {Change, HubState, ServerState, State, ErrorDescription, WorkspaceState} from './state.mjs'
 */

/**
 * @typedef {object} Known  the last answers of the adapter and the sidecar, and which processes are unavailable
 * @property {Desired | null} desired
 * @property {Status | null} status
 * @property {{servers: Entries, workspaces: Entries}} config
 * @property {'ok' | 'away'} adapter
 * @property {'ok' | 'away'} sidecar
 * @property {'ok' | 'away' | 'none'} yamcpUi
 * @property {ErrorDescription[]} errors  one for each process that is unavailable
 * @property {number} activations  how many events told of activations
 * @property {number | null} proposals  how many wait; null: unknown
 *
 * @typedef {Map<string, {hash: string, shown: Shown}>} Entries  of one of YAMCP's files, by name, in its order
 * @typedef {Partial<Pick<ServerState, 'namespace' | 'type' | 'command' | 'args' | 'cwd' | 'env' | 'url' | 'headers'>>} Shown
 */

/** @type {Omit<ServerStatus, 'key' | 'namespace' | 'state' | 'stale' | 'session'>} */
const NO_RUN = {
  reason: null,
  troubles: [],
  since: 0,
  attempts: 0,
  restarts: 0,
  retry_at: null,
  breaker: 'closed',
  transport: '',
  era: '',
  pids: [],
  memory_bytes: 0,
  instances: 0,
  server_name: '',
  server_version: '',
  tools: 0,
  resources: 0,
  prompts: 0,
  calls_in_flight: 0,
  stderr: [],
  stderr_line: '',
  hints: [],
  changes: 0,
  scan: null,
  limits: [],
};

/** Return what is known before the first answer. @returns {Known} */
export function initialKnown() {
  /** @type {Entries} */
  const none = new Map();
  return {
    desired: null,
    status: null,
    config: { servers: none, workspaces: none },
    adapter: 'away',
    sidecar: 'away',
    yamcpUi: 'none',
    errors: [],
    activations: 0,
    proposals: null,
  };
}

/**
 * Return the State.
 * @param {Known} known
 * @param {{baseUrl: string, published: boolean, sidecarUrl: string, protected: boolean, seq: number, at: number}} here  URLs without a slash at
 *   the end; `sidecarUrl` is empty where only the front reaches the sidecar
 * @returns {State}
 */
export function view(known, here) {
  const status = known.sidecar === 'ok' ? known.status : null;
  const specs = known.desired?.snapshot ?? desiredFromStatus(known.status);
  const issues = bySubject(known.desired?.issues ?? []);
  const servers = serverStates(known, specs, status, issues);
  const actual = new Map((status?.workspaces ?? []).map((workspace) => [workspace.name, workspace]));
  const workspaces = specs.workspaces.map((spec) =>
    workspaceState(spec, actual.get(spec.name), {
      ...addresses(here, spec.slug),
      away: status === null,
      hash: known.config.workspaces.get(spec.name)?.hash ?? '',
      issues: issues.get(`workspace:${spec.name}`) ?? [],
    }),
  );
  return { seq: here.seq, hub: hubState(known, here, { servers, workspaces }), workspaces, servers };
}

/**
 * Return the desired state as far as the sidecar's status contains it, for when the adapter is away.
 * @param {Status | null} status
 */
function desiredFromStatus(status) {
  const servers = (status?.servers ?? []).map((server) => /** @type {Specified} */ ({ ...server, settings: DEFAULTS }));
  const workspaces = (status?.workspaces ?? []).map((workspace) => ({
    ...workspace,
    own_slug: false,
    earlier_slug: null,
    name_template: '',
    record: /** @type {const} */ ('off'),
    cache_read_only: 0,
    hub_tools: false,
    registry: /** @type {const} */ ('off'),
    tools: /** @type {const} */ ('all'),
    pinned_tools: [],
    curation: null,
  }));
  return { servers, workspaces };
}

/** @typedef {Omit<ServerSpec, 'launch'> & {launch?: ServerSpec['launch']}} Specified */

// --- servers -----------------------------------------------------------------------------------------------------

/**
 * @param {Known} known
 * @param {{servers: Specified[], workspaces: WorkspaceSpec[]}} specs
 * @param {Status | null} status
 * @param {Map<string, Issue[]>} issues
 */
function serverStates(known, specs, status, issues) {
  const actual = new Map((status?.servers ?? []).map((server) => [server.key, server]));
  const entries = known.config.servers;
  const members = membership(specs.workspaces);
  const needed = new Set(specs.workspaces.flatMap((each) => (each.enabled ? onIn(each) : [])));
  const there = specs.servers.map((spec) => {
    const run = actual.get(spec.key);
    const state =
      run?.state ?? (!status ? 'unknown' : spec.settings.enabled && needed.has(spec.key) ? 'starting' : 'stopped');
    return serverState(spec, run, state, {
      hash: entries.get(spec.key)?.hash ?? '',
      issues: issues.get(`server:${spec.key}`) ?? [],
      workspaces: members.get(spec.key) ?? [],
    });
  });
  const usable = new Set(specs.servers.map((spec) => spec.key));
  const added = [...entries].flatMap(([key, { hash, shown }]) => {
    const found = issues.get(`server:${key}`) ?? [];
    return usable.has(key) || !broken(found) ? [] : invalidState(key, shown, hash, found);
  });
  return inOrder(there, added, [...entries.keys()]);
}

/** @param {Issue[]} issues */
const broken = (issues) => issues.some((issue) => issue.severity === 'error');

/** Return the servers that a workspace does not switch off itself. @param {WorkspaceSpec} workspace */
const onIn = ({ servers, disabled_servers: off }) => servers.filter((key) => !off.includes(key));

/** @param {WorkspaceSpec[]} workspaces @returns {Map<string, string[]>} names of the workspaces of each server */
function membership(workspaces) {
  /** @type {Map<string, string[]>} */
  const members = new Map();
  for (const { name, servers } of workspaces) {
    for (const key of servers) members.set(key, [...(members.get(key) ?? []), name]);
  }
  return members;
}

/**
 * @param {Specified} spec
 * @param {ServerStatus | undefined} run
 * @param {ServerState['state']} state
 * @param {{hash: string, issues: Issue[], workspaces: string[]}} more
 * @returns {ServerState}
 */
function serverState(spec, run, state, more) {
  const { key, namespace, settings } = spec;
  const reason = run?.reason ? describe(run.reason) : null;
  const shown = spec.launch ? launchShown(spec.launch) : { type: transportType(run?.transport) };
  const troubles = (run?.troubles ?? []).map(describe);
  const found = { ...NO_RUN, session: settings.session, ...run, key, namespace, state, reason, troubles, ...shown };
  return { ...found, settings, enabled: settings.enabled, stale: spec.stale, ...more };
}

/** @param {ServerSpec['launch']} launch */
function launchShown(launch) {
  if (launch.type === 'stdio') {
    const { cwd, ...rest } = launch;
    return cwd === null ? rest : { ...rest, cwd };
  }
  const { transport, url, headers } = launch;
  return { type: /** @type {ServerState['type']} */ (transport === 'auto' ? 'remote' : transport), url, headers };
}

/** @param {string} [transport] @returns {ServerState['type']} */
const transportType = (transport) =>
  transport === 'stdio' || transport === 'sse' || transport === 'http' || transport === 'websocket'
    ? transport
    : 'remote';

/** @param {string} key @param {Shown} shown @param {string} hash @param {Issue[]} issues @returns {ServerState} */
function invalidState(key, shown, hash, issues) {
  const worst = issues.find((issue) => issue.severity === 'error');
  const base = {
    key,
    namespace: key,
    type: /** @type {const} */ ('stdio'),
    settings: DEFAULTS,
    enabled: true,
    stale: false,
  };
  const reason = worst ? describe(worst) : null;
  return { ...NO_RUN, ...base, ...shown, state: 'invalid', session: 'shared', reason, workspaces: [], issues, hash };
}

/**
 * Return the servers with those that were added, each after the one that it follows in the file.
 * @param {ServerState[]} there @param {ServerState[]} added @param {string[]} order
 */
function inOrder(there, added, order) {
  const list = [...there];
  for (const server of added) {
    const before = order.slice(0, order.indexOf(server.key));
    const at = list.findLastIndex(({ key }) => before.includes(key));
    list.splice(at + 1, 0, server);
  }
  return list;
}

// --- workspaces --------------------------------------------------------------------------------------------------

/**
 * @param {WorkspaceSpec} spec
 * @param {WorkspaceStatus | undefined} run
 * @param {{away: boolean, hash: string, issues: Issue[], sse_url: string, http_url: string, direct_sse_url: string,
 *   direct_http_url: string}} more
 * @returns {WorkspaceState}
 */
function workspaceState(spec, run, { away, ...more }) {
  const { name, slug, aliases, own_slug, enabled, name_template, servers, disabled_servers } = spec;
  const { record, cache_read_only, hub_tools, registry, tools: shown, pinned_tools } = spec;
  const state = stateOf(enabled, run, away);
  const { ready = 0, tools = 0, resources = 0, prompts = 0, pending = 0, sessions = 0 } = run ?? {};
  const error = run?.reason && run.state === state ? describe(run.reason) : null;
  return {
    name,
    slug,
    own_slug,
    aliases,
    enabled,
    state,
    servers,
    disabled_servers,
    ready,
    tools,
    resources,
    prompts,
    pending,
    sessions,
    name_template,
    record,
    cache_read_only,
    hub_tools,
    registry,
    tool_search: shown === 'search',
    pinned_tools,
    error,
    ...more,
  };
}

/**
 * Return the state of a workspace: the sidecar's, or what was requested and is not applied by the sidecar yet.
 * @param {boolean} enabled @param {WorkspaceStatus | undefined} run @param {boolean} away
 * @returns {WorkspaceState['state']}
 */
function stateOf(enabled, run, away) {
  if (!enabled) return 'off';
  if (away) return 'unknown';
  return !run || run.state === 'off' ? 'starting' : run.state;
}

/** @param {{baseUrl: string, sidecarUrl: string}} here @param {string} slug */
function addresses({ baseUrl, sidecarUrl }, slug) {
  const [url, direct] = [`${baseUrl}/mcp/${slug}`, sidecarUrl && `${sidecarUrl}/mcp/${slug}`];
  return { sse_url: `${url}/sse`, http_url: url, direct_sse_url: direct && `${direct}/sse`, direct_http_url: direct };
}

// --- the hub -----------------------------------------------------------------------------------------------------

/**
 * @param {Known} known
 * @param {{baseUrl: string, published: boolean, sidecarUrl: string, protected: boolean, at: number}} here
 * @param {{servers: ServerState[], workspaces: WorkspaceState[]}} listed
 * @returns {HubState}
 */
function hubState(known, here, { servers, workspaces }) {
  const { desired, status, adapter, sidecar, yamcpUi } = known;
  const subjects = new Set([
    ...servers.map(({ key }) => `server:${key}`),
    ...workspaces.map(({ name }) => `workspace:${name}`),
  ]);
  const unacknowledged =
    adapter === 'ok' && sidecar === 'ok' && desired?.sidecar_error ? [describe(desired.sidecar_error)] : [];
  return {
    version: status?.version ?? '',
    replica: status?.replica ?? '',
    at: here.at,
    adapter,
    sidecar,
    yamcp_ui: yamcpUi,
    settled: sidecar === 'ok' && isSettled(status, adapter === 'ok' ? desired : null),
    source: status?.source ?? 'none',
    started_at: status?.started_at ?? 0,
    public_url: here.baseUrl,
    published: here.published,
    sidecar_url: here.sidecarUrl,
    protected: here.protected,
    issues: (desired?.issues ?? []).filter((issue) => !subjects.has(issue.subject)),
    errors: [...known.errors, ...unacknowledged, ...(sidecar === 'ok' ? (status?.troubles ?? []).map(describe) : [])],
    last_change: adapter === 'ok' ? (desired?.last_change ?? null) : null,
    undoable: adapter === 'ok' ? (desired?.undoable ?? []) : [],
    activations: known.activations,
    proposals: known.proposals ?? 0,
    hub_tools: status?.hub_tools ?? [],
    trust: servers.filter(({ changes, scan }) => changes > 0 || scan === 'found').length,
    sessions: workspaces.reduce((sum, workspace) => sum + workspace.sessions, 0),
  };
}

/** @param {Status | null} status @param {Desired | null} desired */
function isSettled(status, desired) {
  return Boolean(status?.settled && (!desired || applied(status, desired.snapshot.id)));
}

/**
 * Return whether the sidecar has applied this snapshot, or a newer one.
 * @param {Pick<Status, 'applied'> | null} status
 * @param {import('../../../bridge/node/types.mjs').SnapshotId} id
 */
export function applied(status, id) {
  const have = status?.applied;
  if (!have) return false;
  return have.epoch > id.epoch || (have.epoch === id.epoch && have.revision >= id.revision);
}

/** @param {{code: string, message: string, hint: string}} error @returns {ErrorDescription} */
const describe = ({ code, message, hint }) => ({ code, message, hint });

/** @param {Issue[]} issues */
function bySubject(issues) {
  /** @type {Map<string, Issue[]>} */
  const found = new Map();
  for (const issue of issues) found.set(issue.subject, [...(found.get(issue.subject) ?? []), issue]);
  return found;
}

// --- what changed ------------------------------------------------------------------------------------------------

/**
 * Return the change for pages that have `before`; null if nothing changed except the time.
 * @param {State} before @param {State} after
 * @returns {Change | null}
 */
export function diff(before, after) {
  const hub = !same({ ...before.hub, at: 0 }, { ...after.hub, at: 0 });
  const workspaces = changed(before.workspaces, after.workspaces, (each) => each.name);
  const servers = changed(before.servers, after.servers, (each) => each.key);
  if (!hub && !workspaces.any && !servers.any) return null;
  return {
    type: 'change',
    seq: before.seq + 1,
    ...(hub && { hub: after.hub }),
    workspaces: workspaces.items,
    servers: servers.items,
    gone: { workspaces: workspaces.gone, servers: servers.gone },
    order: { workspaces: workspaces.order, servers: servers.order },
  };
}

/** @template T @param {T[]} before @param {T[]} after @param {(item: T) => string} nameOf */
function changed(before, after, nameOf) {
  const known = new Map(before.map((item) => [nameOf(item), item]));
  const items = after.filter((item) => !same(known.get(nameOf(item)), item));
  const order = after.map(nameOf);
  const left = new Set(order);
  const gone = [...known.keys()].filter((name) => !left.has(name));
  const moved = !same([...known.keys()], order);
  return { items, gone, order, any: items.length > 0 || moved };
}

/** @param {unknown} one @param {unknown} other */
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
