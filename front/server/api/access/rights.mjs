/** Which right each route of the API needs. Pure. */

import { FrontError } from '../../errors.mjs';
import { owns, usesAccounts } from '../../state/owned.mjs';

/**
 * @import {ApiRequest} from '../router.mjs'
 * @import {Principal} from '../../access/principals.mjs'
 * @import {State} from '../../state/state.mjs'
 * @typedef {Pick<ApiRequest, 'query' | 'body' | 'params'>} Asked
 * @typedef {{servers?: string[], workspaces?: string[]}} Names  of servers and workspaces, all of which one has to own
 * @typedef {'signed-in' | 'owner' | ((asked: Asked, state: State) => Names | null)} Right  `signed-in`: every principal;
 *   `owner`: every owner, as the answer has only what it owns; a function: the owners of what it returns, or only
 *   admins if that is null
 */

/**
 * Settings of a server that its owners may change. All others are for admins: they decide with which rights and for whom
 * its process runs, for whom results are kept, and which of the hub's secrets it is sent (`oauth_client_secret` names a
 * variable, a file or a command of the hub).
 */
const SETTINGS_OF_OWNERS = new Set([
  ...['enabled', 'session', 'era', 'start', 'idle_stop', 'start_timeout', 'connect_timeout', 'call_timeout'],
  ...['tool_timeouts', 'idle_timeout', 'tool_idle_timeouts', 'health_interval', 'max_inflight', 'cache', 'keep'],
]);

/** @type {Right} */
const ownServer = ({ query }) => ({ servers: [query.key] });
/** @type {Right} */
const ownWorkspace = ({ query }) => ({ workspaces: [query.name] });
/** @type {Right} */
const inWorkspace = ({ query, body }) => ({ workspaces: [body?.workspace ?? query.workspace] });
/**
 * What servers answer to requests of the console: these are the hub's own, also where each user has an account.
 * @type {Right}
 */
const answered = (asked, state) =>
  usesAccounts(state, (asked.body ?? asked.query).workspace) ? null : inWorkspace(asked, state);
/** @type {Right} */
const filtered = ({ query: { workspace, server } }) => {
  if (workspace !== undefined) return { workspaces: [workspace] };
  return server === undefined ? null : { servers: [server] };
};
/** A server is switched in a workspace by the workspace's owners, and everywhere by its own. @type {Right} */
const switched = ({ query: { key, workspace } }) =>
  workspace === undefined ? { servers: [key] } : { workspaces: [workspace] };

/** Members that are added to a workspace have to be one's own: its owner may use everything in it. @type {Right} */
const withMembers = ({ query, body }, state) => {
  const present = state.workspaces.find(({ name }) => name === query.name)?.servers ?? [];
  const added = body.servers.filter((/** @type {string} */ key) => !present.includes(key));
  return { servers: added, workspaces: [body.name, ...(query.name === undefined ? [] : [query.name])] };
};

/** @type {Right} */
const severalEntries = ({ body: { servers = [], workspaces = [] } }) => ({ servers, workspaces });

/**
 * The right that a route of `HUB_ROUTES` needs, by its id. A route that is not named is for admins. So are those that
 * add or define servers: the command of a server runs with the rights of the hub.
 * @type {Readonly<Record<string, Right>>}
 */
export const RIGHTS = Object.freeze({
  account: 'signed-in',
  self: 'signed-in',
  endOwnGrant: 'signed-in',
  ownSignIns: 'signed-in',
  endOwnSignIn: 'signed-in',
  state: 'owner',
  addWorkspace: withMembers,
  putWorkspace: withMembers,
  deleteWorkspace: ownWorkspace,
  setWorkspace: ({ query, body }) =>
    // A slug is a name, too, and ends the alias of another workspace that is the same (ADR 32).
    body.record === undefined && body.registry === undefined
      ? { workspaces: [query.name, ...(body.slug ? [body.slug] : [])] }
      : null,
  startWorkspace: ownWorkspace,
  stopWorkspace: ownWorkspace,
  copyWorkspace: ({ query, body }) => ({ workspaces: [query.name, body.to] }),
  readServer: ownServer,
  deleteServer: ownServer,
  setServer: ({ query, body }) =>
    Object.keys(body.settings).every((name) => SETTINGS_OF_OWNERS.has(name)) ? { servers: [query.key] } : null,
  startServer: switched,
  stopServer: switched,
  restartServer: ownServer,
  editMany: severalEntries,
  tools: inWorkspace,
  searchTools: inWorkspace,
  curation: ownWorkspace,
  call: answered,
  prompts: inWorkspace,
  getPrompt: answered,
  resources: answered,
  readResource: answered,
  complete: answered,
  sessions: filtered,
  history: filtered,
  logs: ({ query: { server } }) => (server === undefined ? null : { servers: [server] }),
});

/**
 * Check that a principal has the right that a route needs.
 * @param {string} id  of the route
 * @param {Pick<Principal, 'admin' | 'role' | 'owns'>} principal
 * @param {Asked} asked
 * @param {State} state  to find what a workspace has now
 * @throws {FrontError} NOT_OWNER
 */
export function authorize(id, { admin, role, owns: owned }, asked, state) {
  const right = Object.hasOwn(RIGHTS, id) ? RIGHTS[id] : null;
  if (admin || right === 'signed-in') return;
  if (role !== 'owner' || right === null) throw new FrontError('NOT_OWNER');
  if (right === 'owner') return;
  const names = right(asked, state);
  if (names === null) throw new FrontError('NOT_OWNER');
  const { servers = [], workspaces = [] } = names;
  const missing = [
    ...servers.filter((key) => !owns(owned.servers, key)).map((key) => `the server ${JSON.stringify(key)}`),
    ...workspaces
      .filter((each) => !owns(owned.workspaces, each))
      .map((each) => `the workspace ${JSON.stringify(each)}`),
  ];
  if (missing.length > 0) throw new FrontError('NOT_OWNER', `You are no owner of ${missing[0]}.`);
  if (servers.length + workspaces.length === 0) throw new FrontError('NOT_OWNER');
}
