/** Every route of the hub's two HTTP APIs with parameters, result and errors, from which routers are created. Pure. */

import { ACCOUNT_ROUTES } from './account/routes.mjs';
import { flag, name, names, number, object, oneOf, optional, slugOrNone, text, values } from './fields.mjs';
import { ACCESS_ROUTES } from './access/routes.mjs';
import { ACTIVATION_ROUTES } from './catalog/activation_routes.mjs';
import { CATALOG_ROUTES } from './catalog/routes.mjs';
import { SOURCE_ROUTES } from './catalog/source_routes.mjs';
import { APPROVAL_ROUTES } from './approvals/routes.mjs';
import { CLIENT_ROUTES } from './client_requests/routes.mjs';
import { CURATION_ROUTES } from './curation/routes.mjs';
import { HISTORY_ROUTES, since } from './history/routes.mjs';
import { route } from './route.mjs';
import { TRUST_ROUTES } from './trust/routes.mjs';

export { OTHER_ROUTES } from './describe/other_routes.mjs';

/**
 * @typedef {object} Route
 * @property {string} id names its handler
 * @property {'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'WS'} method WS: a GET that becomes a WebSocket
 * @property {string} path `:x` stands for one part of the path, percent-encoded, which may be empty
 * @property {string} summary
 * @property {import('./fields.mjs').Fields} [query]
 * @property {import('./fields.mjs').Fields} [body] none: a body is not read
 * @property {boolean} [anyBody] the body is any JSON value, for the handler to check
 * @property {string} answer
 * @property {string[]} [errors] codes of its own; docs/api.md has those that any route may answer
 */

const ENTRY_ERRORS = ['ENTRY_INVALID', 'MASKED_VALUE'];
const KEY_FILE_ERRORS = ['KEYS_FILE_BROKEN'];
const sessionLimit = number('whole number from 1 to 1,000', { min: 1, max: 1000, whole: true });
const keptFor = number('number of seconds, 0 or more and at most 2,592,000', { min: 0, max: 2_592_000 });

const workspaceName = { name };
const serverKey = { key: name };
const workspaceBody = { name, servers: names };
const expect = optional(name);

/** @type {Route[]} */
export const HUB_ROUTES = [
  route('state', 'GET', '/api/hub/state', {
    summary: 'The current state of the whole hub.',
    answer: 'State',
  }),
  route('reload', 'POST', '/api/hub/reload', {
    summary: 'Read the configuration files now, without waiting until a change is noticed.',
    answer: '{snapshot}',
  }),
  route('addWorkspace', 'POST', '/api/hub/workspaces', {
    summary: 'Add a workspace.',
    body: workspaceBody,
    answer: '{snapshot, workspace}',
    errors: ['ALREADY_EXISTS'],
  }),
  route('putWorkspace', 'PUT', '/api/hub/workspaces', {
    summary: 'Change the members of a workspace, or its name.',
    query: workspaceName,
    body: { ...workspaceBody, expect },
    answer: '{snapshot, workspace}',
    errors: ['NO_SUCH_WORKSPACE', 'ALREADY_EXISTS', 'EDIT_CONFLICT'],
  }),
  route('deleteWorkspace', 'DELETE', '/api/hub/workspaces', {
    summary: 'Delete a workspace.',
    query: { ...workspaceName, expect },
    answer: '{snapshot}',
    errors: ['NO_SUCH_WORKSPACE', 'EDIT_CONFLICT'],
  }),
  route('setWorkspace', 'PATCH', '/api/hub/workspaces', {
    summary:
      'Change settings: the format of its tool names, its slug (empty: derived from its name), its aliases, what the ' +
      'history keeps of arguments and results, for how long results of read-only tools are kept, the tools of the hub ' +
      'and the registry, the tool search, and the curation as a whole (`expect_curation`: the `hash` of the one that it ' +
      'replaces).',
    query: workspaceName,
    body: {
      name_template: optional(name),
      slug: optional(slugOrNone),
      remove_aliases: optional(names),
      record: optional(oneOf('off', 'sizes', 'redacted', 'full')),
      cache_read_only: optional(keptFor),
      hub_tools: optional(flag),
      registry: optional(oneOf('off', 'find', 'ask', 'add')),
      tools: optional(oneOf('all', 'search')),
      pinned_tools: optional(names),
      curation: optional(object),
      expect_curation: expect,
    },
    answer: '{snapshot, workspace}',
    errors: ['NO_SUCH_WORKSPACE', 'EDIT_INVALID', 'EDIT_CONFLICT'],
  }),
  ...['start', 'stop'].map((verb) =>
    route(`${verb}Workspace`, 'POST', `/api/hub/workspaces/${verb}`, {
      summary: verb === 'start' ? 'Switch a workspace on.' : 'Switch a workspace off.',
      query: workspaceName,
      answer: '{snapshot, workspace}',
      errors: ['NO_SUCH_WORKSPACE'],
    }),
  ),
  route('readServer', 'GET', '/api/hub/servers', {
    summary: 'One entry of providers.json, secrets masked, with its hash and its settings.',
    query: serverKey,
    answer: '{key, entry, hash, settings}',
    errors: ['NO_SUCH_SERVER', 'CONFIG_FILE_BROKEN'],
  }),
  route('addServer', 'POST', '/api/hub/servers', {
    summary: 'Add a server.',
    body: { key: name, entry: object },
    answer: '{snapshot, server}',
    errors: ['ALREADY_EXISTS', ...ENTRY_ERRORS],
  }),
  route('putServer', 'PUT', '/api/hub/servers', {
    summary: 'Change the entry of a server, or its key.',
    query: serverKey,
    body: { key: name, entry: object, expect },
    answer: '{snapshot, server}',
    errors: ['NO_SUCH_SERVER', 'ALREADY_EXISTS', 'EDIT_CONFLICT', ...ENTRY_ERRORS],
  }),
  route('deleteServer', 'DELETE', '/api/hub/servers', {
    summary: 'Delete a server, and remove it from the workspaces.',
    query: { ...serverKey, expect },
    answer: '{snapshot}',
    errors: ['NO_SUCH_SERVER', 'EDIT_CONFLICT'],
  }),
  route('setServer', 'PATCH', '/api/hub/servers', {
    summary: 'Change settings of a server; null resets one to its default.',
    query: serverKey,
    body: { settings: object },
    answer: '{snapshot, server}',
    errors: ['NO_SUCH_SERVER', 'EDIT_INVALID'],
  }),
  ...['start', 'stop'].map((verb) =>
    route(`${verb}Server`, 'POST', `/api/hub/servers/${verb}`, {
      summary: `Switch a server ${verb === 'start' ? 'on' : 'off'}: in one workspace, or (without \`workspace\`) everywhere.`,
      query: { ...serverKey, workspace: optional(name) },
      answer: '{snapshot, server}',
      errors: ['NO_SUCH_SERVER', 'NO_SUCH_WORKSPACE'],
    }),
  ),
  ...['servers', 'workspaces'].map((section) =>
    route(section === 'servers' ? 'copyServer' : 'copyWorkspace', 'POST', `/api/hub/${section}/duplicate`, {
      summary: `Add a copy of a ${section.slice(0, -1)} under another name, with its settings${section === 'servers' ? ' and secrets' : ''}.`,
      query: section === 'servers' ? serverKey : workspaceName,
      body: { to: name },
      answer: `{snapshot, ${section.slice(0, -1)}}`,
      errors: [section === 'servers' ? 'NO_SUCH_SERVER' : 'NO_SUCH_WORKSPACE', 'ALREADY_EXISTS', 'ENTRY_INVALID'],
    }),
  ),
  route('editMany', 'POST', '/api/hub/many', {
    summary:
      'Change several servers and workspaces in one step, all or none: switch them on (`enable`) or off (`disable`), put the servers into each of the workspaces (`join`) or remove them (`leave`), or `delete` them.',
    body: {
      action: oneOf('enable', 'disable', 'join', 'leave', 'delete'),
      servers: optional(names),
      workspaces: optional(names),
    },
    answer: '{snapshot}',
    errors: ['NO_SUCH_SERVER', 'NO_SUCH_WORKSPACE', 'EDIT_INVALID'],
  }),
  route('undo', 'POST', '/api/hub/undo', {
    summary:
      'Undo a change (one of `hub.undoable` of State; the last one), if nobody has changed the same entries since.',
    body: { change: optional(name) },
    answer: '{snapshot, summary}',
    errors: ['NOTHING_TO_UNDO', 'EDIT_CONFLICT'],
  }),
  route('export', 'POST', '/api/hub/export', {
    summary:
      "The servers of these keys, or all, as a client's configuration (`mcpServers`) or as in providers.json; `${NAME}` stands for each secret unless `secrets` is true.",
    body: { form: oneOf('client', 'providers'), servers: optional(names), secrets: optional(flag) },
    answer: '{config, variables}',
    errors: ['NO_SUCH_SERVER', 'CONFIG_FILE_BROKEN'],
  }),
  route('forgetSettings', 'DELETE', '/api/hub/settings', {
    summary: 'Remove the settings in hub.json of a server or workspace that does not exist (`HUB_ENTRY_UNUSED`).',
    query: { section: oneOf('servers', 'workspaces'), name },
    answer: '{snapshot}',
    errors: ['EDIT_INVALID'],
  }),
  route('restartServer', 'POST', '/api/hub/servers/restart', {
    summary: 'Restart a server: close its connection and process, and connect again.',
    query: serverKey,
    answer: '{server}',
    errors: ['SERVER_UNKNOWN'],
  }),
  route('import', 'POST', '/api/hub/import', {
    summary:
      "Add the servers of another client's configuration: JSON (comments allowed), TOML, YAML, a fragment of these, or Markdown that contains it.",
    body: { text, workspace: optional(name), replace: optional(flag), dry_run: optional(flag) },
    answer: '{servers, workspace, snapshot}',
    errors: ['EDIT_INVALID', ...ENTRY_ERRORS],
  }),
  route('keys', 'GET', '/api/hub/keys', {
    summary: 'The named keys, oldest first, without their tokens, and when each was last used.',
    answer: '{keys}',
    errors: KEY_FILE_ERRORS,
  }),
  route('addKey', 'POST', '/api/hub/keys', {
    summary: 'Create a key; without `workspaces` for all of them. Only this answer contains its token.',
    body: { name, workspaces: optional(names), admin: optional(flag) },
    answer: '{id, token}',
    errors: ['ALREADY_EXISTS', 'NO_SUCH_WORKSPACE', 'KEY_INVALID', ...KEY_FILE_ERRORS],
  }),
  route('revokeKey', 'DELETE', '/api/hub/keys', {
    summary: 'Revoke a key, by its id or its name; its sessions and logins end within two seconds.',
    query: { key: name },
    answer: '{}',
    errors: ['NO_SUCH_KEY', ...KEY_FILE_ERRORS],
  }),
  ...ACCOUNT_ROUTES,
  ...CLIENT_ROUTES,
  route('sessions', 'GET', '/api/hub/sessions', {
    summary:
      "The clients' sessions, newest first, of a workspace or of all; requests of modern clients without a session.",
    query: { workspace: optional(name), limit: optional(sessionLimit) },
    answer: '{total, sessions, sessionless}',
    errors: ['WORKSPACE_UNKNOWN'],
  }),
  route('endSession', 'DELETE', '/api/hub/sessions', {
    summary: 'End a session, and cancel its requests in progress.',
    query: { id: name },
    answer: '{}',
    errors: ['SESSION_UNKNOWN'],
  }),
  route('limits', 'GET', '/api/hub/limits', {
    summary: 'What keys and users have used of their limits (access.json), and what was refused to them.',
    query: { limit: optional(sessionLimit) },
    answer: '{store, principals, total}',
  }),
  route('replicas', 'GET', '/api/hub/replicas', {
    summary: 'The replicas of the hub: how each is, what it does, and whether it serves the current configuration.',
    answer: '{transport, own, error, wanted, replicas, live, up_to_date, sessions, calls_in_flight}',
  }),
  route('history', 'GET', '/api/hub/history', {
    summary: 'Figures of calls: how many, how many failed, how long they took.',
    query: { since: optional(since), server: optional(name) },
    answer: '{interval, now, samples}',
  }),
  ...HISTORY_ROUTES,
  ...CURATION_ROUTES,
  ...ACCESS_ROUTES,
  ...APPROVAL_ROUTES,
  ...CATALOG_ROUTES,
  ...SOURCE_ROUTES,
  ...ACTIVATION_ROUTES,
  ...TRUST_ROUTES,
];

const serverForm = {
  name: optional(name),
  namespace: optional(name),
  type: optional(name),
  command: optional(text),
  args: optional(names),
  env: optional(values),
  url: optional(text),
};
const id = '/:id';

/** @type {Route[]} */
export const YAMCP_ROUTES = [
  route('stats', 'GET', '/api/stats', {
    summary: 'The numbers of servers and workspaces, in total and active, and the number of issues.',
    answer: '{totalServers, activeServers, totalWorkspaces, activeWorkspaces, issues}',
  }),
  route('servers', 'GET', '/api/servers', {
    summary: 'The servers, secrets masked.',
    answer: '[{id, name, namespace, type, status, command, args, env}] (with a url in place of the last three)',
  }),
  route('addServer', 'POST', '/api/servers', {
    summary: 'Add a server.',
    body: { ...serverForm, name },
    answer: '{success, message}',
    errors: ['ALREADY_EXISTS', ...ENTRY_ERRORS],
  }),
  route('putServer', 'PUT', `/api/servers${id}`, {
    summary: 'Change a server; another `namespace` or `name` renames it.',
    body: serverForm,
    answer: '{success, message}',
    errors: ['NO_SUCH_SERVER', 'ALREADY_EXISTS', 'EDIT_CONFLICT', ...ENTRY_ERRORS],
  }),
  route('deleteServer', 'DELETE', `/api/servers${id}`, {
    summary: 'Delete a server, and remove it from the workspaces.',
    answer: '{success, message}',
    errors: ['NO_SUCH_SERVER'],
  }),
  ...['start', 'stop'].map((verb) =>
    route(`${verb}Server`, 'POST', `/api/servers${id}/${verb}`, {
      summary: verb === 'start' ? 'Switch a server on.' : 'Switch a server off, in every workspace.',
      answer: '{success, message, server}',
      errors: ['NO_SUCH_SERVER'],
    }),
  ),
  route('workspaces', 'GET', '/api/workspaces', {
    summary: 'The workspaces, with the servers that exist.',
    answer: '[{id, name, description, servers, status}]',
  }),
  route('addWorkspace', 'POST', '/api/workspaces', {
    summary: 'Add a workspace.',
    body: { name, servers: optional(names) },
    answer: '{success, message}',
    errors: ['ALREADY_EXISTS'],
  }),
  route('putWorkspace', 'PUT', `/api/workspaces${id}`, {
    summary: 'Change the members of a workspace, or its name.',
    body: { name: optional(name), servers: names },
    answer: '{success, message}',
    errors: ['NO_SUCH_WORKSPACE', 'ALREADY_EXISTS'],
  }),
  route('deleteWorkspace', 'DELETE', `/api/workspaces${id}`, {
    summary: 'Delete a workspace.',
    answer: '{success, message}',
    errors: ['NO_SUCH_WORKSPACE'],
  }),
  ...['start', 'stop'].map((verb) =>
    route(`${verb}Workspace`, 'POST', `/api/workspaces${id}/${verb}`, {
      summary: verb === 'start' ? 'Switch a workspace on.' : 'Switch a workspace off.',
      answer: '{success, message, workspace}',
      errors: ['NO_SUCH_WORKSPACE'],
    }),
  ),
  route('logs', 'GET', '/api/logs', {
    summary: "The newest 100 of the hub's log records, newest first.",
    answer: '[{id, timestamp, level, server, message}]',
  }),
  route('logFiles', 'GET', '/api/log-files', {
    summary: "The log files of YAMCP, and the hub's own under `hub/`.",
    answer: '[{name, size, modified, path}]',
  }),
  route('logFile', 'GET', '/api/log-files/:workspace/:filename', {
    summary: 'One log file, as a download.',
    answer: 'its text',
    errors: ['NOT_FOUND'],
  }),
  ...['providers', 'workspaces'].map((file) =>
    route(`${file}Config`, 'GET', `/api/config/${file}`, {
      summary: `${file}.json as it is in the file${file === 'providers' ? ', secrets masked' : ''}.`,
      answer: 'the object',
      errors: ['CONFIG_FILE_BROKEN'],
    }),
  ),
  ...['providers', 'workspaces'].map((file) =>
    route(`put${file === 'providers' ? 'Providers' : 'Workspaces'}Config`, 'PUT', `/api/config/${file}`, {
      summary: `Replace ${file}.json.`,
      anyBody: true,
      answer: '{success, message}',
      errors: ['EDIT_CONFLICT', ...(file === 'providers' ? ['MASKED_VALUE'] : [])],
    }),
  ),
];
