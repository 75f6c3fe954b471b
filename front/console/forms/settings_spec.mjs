/**
 * The settings of a server in hub.json as fields of a form, in groups. Pure. Defaults and limits come from the hub's
 * schema.
 */

import { readContainer, showContainer } from '../data/container_lines.mjs';
import { DEFAULTS, SCHEMA } from './server_settings.mjs';
import { readByTool, readCount, readNumber, readSeconds, readSize, readText } from './setting_values.mjs';

/**
 * @typedef {object} Setting
 * @property {string} name `limits.memory` is `memory` of `limits`
 * @property {string} label
 * @property {string} help
 * @property {'seconds'|'count'|'number'|'size'|'text'|'pick'|'flag'|'lines'|'by_tool'|'container'} kind of 'seconds' and 'by_tool', 0
 *   is allowed if `min` is 0
 * @property {any} standard its default
 * @property {number} [min]
 * @property {number} [max]
 * @property {string} [pattern] of a size or a text
 * @property {{ value: string, label: string }[]} [options]
 * @property {boolean} [optional] it may be left empty: null
 * @property {string} [unset] what holds if it is empty
 * @property {'stdio'|'remote'} [only] the kind of servers that it is for
 * @property {string} [example]
 */

/**
 * What the form says of a setting; the rest is the hub's.
 * @typedef {Omit<Setting, 'standard' | 'min' | 'max' | 'pattern' | 'options' | 'optional'> & { labels?: Record<string, string> }} SettingText
 * @type {SettingText[]}
 */
const TEXTS = [
  {
    name: 'session',
    label: 'Process',
    help: 'With one process for each client, the server can send requests to that client (sampling, elicitation, roots). Each session then uses a process.',
    kind: 'pick',
    labels: { shared: 'One for all clients', per_client: 'One for each client' },
  },
  {
    name: 'max_instances',
    label: 'Most processes at once',
    help: 'With one process for each client: sessions beyond this number get an error.',
    kind: 'count',
  },
  {
    name: 'tenancy',
    label: 'Clients with different keys',
    help: 'In a protected hub: who uses the same processes. Tenants are groups in access.json.',
    kind: 'pick',
    labels: { own: 'Each key and user has its own', group: 'Each tenant has its own', all: 'All share them' },
  },
  {
    name: 'placement',
    label: 'Replicas',
    help: 'With several hubs that share a configuration: whether each of them runs the server, or only one at a time.',
    kind: 'pick',
    labels: { each: 'Each replica runs it', one: 'One replica runs it' },
  },
  {
    name: 'era',
    label: 'Protocol',
    help: 'The protocol revisions that the hub uses with this server. Auto-detect asks the server; choose a revision if the server does not support that.',
    kind: 'pick',
    labels: { auto: 'Auto-detect', legacy: 'Up to 2025-11-25 (handshake)', modern: '2026-07-28 (stateless)' },
  },
  {
    name: 'start',
    label: 'Start',
    help: 'With “When needed”, the first call starts the server; until then, the hub lists the tools that it knows. Only with one process for all clients.',
    kind: 'pick',
    labels: { eager: 'With the hub', lazy: 'When needed' },
  },
  {
    name: 'idle_stop',
    label: 'Stop when idle',
    help: 'Seconds without a call after which the hub stops the server. Its tools stay listed, and the next call starts it. 0: never. Only with one process for all clients.',
    kind: 'seconds',
  },
  {
    name: 'keep',
    label: 'When the sidecar restarts',
    help: 'The process can keep running, with its state in memory. Only with one process for all clients, not in a container.',
    kind: 'flag',
    only: 'stdio',
    labels: { false: 'Start again', true: 'Keep running' },
  },
  {
    name: 'sign_in',
    label: 'Sign-in (OAuth)',
    help: 'For a remote server that wants an OAuth access token: the hub signs in at its authorization server. “Each user” gives each user a connection of their own.',
    kind: 'pick',
    only: 'remote',
    labels: { none: 'None', user: 'Each user signs in', shared: 'An administrator signs in for all' },
  },
  {
    name: 'oauth_client_id',
    label: 'OAuth client id',
    help: 'Only if you have registered the hub at the authorization server yourself. Otherwise the hub registers itself.',
    kind: 'text',
    only: 'remote',
  },
  {
    name: 'oauth_client_secret',
    label: 'OAuth client secret',
    help: 'A reference to the secret of that client, such as ${GITHUB_CLIENT_SECRET}: the variable is set in the environment that starts the hub.',
    kind: 'text',
    only: 'remote',
    example: '${CLIENT_SECRET}',
  },
  {
    name: 'changes',
    label: 'Changed tools',
    help: 'What the hub does when a tool is no longer what it was when it was accepted.',
    kind: 'pick',
    labels: { allow: 'Nothing', warn: 'Report them', block: 'Report them, and block their calls until accepted' },
  },
  {
    name: 'start_timeout',
    label: 'Start timeout',
    help: 'Seconds for the handshake and the lists. The first run of npx or uvx downloads packages, which takes longer.',
    kind: 'seconds',
  },
  {
    name: 'connect_timeout',
    label: 'Connect timeout',
    help: 'Seconds until the remote server has to accept a connection.',
    kind: 'seconds',
    only: 'remote',
  },
  {
    name: 'call_timeout',
    label: 'Call timeout',
    help: 'Seconds until a tool has to answer; after that, the hub cancels the call.',
    kind: 'seconds',
  },
  {
    name: 'tool_timeouts',
    label: 'Timeouts of single tools',
    help: 'One tool per line: its name at the server (or a pattern with *), =, seconds.',
    kind: 'by_tool',
    example: 'slow_query = 900',
  },
  {
    name: 'idle_timeout',
    label: 'Call timeout without progress',
    help: 'Seconds without a progress notification after which the hub cancels a call. 0: only the call timeout applies.',
    kind: 'seconds',
  },
  {
    name: 'tool_idle_timeouts',
    label: 'The same for single tools',
    help: 'One tool per line: its name at the server (or a pattern with *), =, seconds.',
    kind: 'by_tool',
    example: 'index_* = 60',
  },
  {
    name: 'health_interval',
    label: 'Health check',
    help: 'Seconds between two health checks (a ping and the lists). The hub restarts a server that fails them. 0: no checks.',
    kind: 'seconds',
  },
  {
    name: 'max_inflight',
    label: 'Calls at once',
    help: 'Further calls wait in a queue.',
    kind: 'count',
  },
  {
    name: 'limits.memory',
    label: 'Memory',
    help: 'For all its processes together, including swap: a number and k, m or g. 0: no limit.',
    kind: 'size',
    only: 'stdio',
    unset: 'what HUB_SERVER_MEMORY says',
    example: '512m',
  },
  {
    name: 'limits.cpus',
    label: 'Processors',
    help: 'The number of processors that the server may use, such as 0.5. 0: no limit.',
    kind: 'number',
    only: 'stdio',
    unset: 'what HUB_SERVER_CPUS says',
    example: '0.5',
  },
  {
    name: 'limits.pids',
    label: 'Processes and threads',
    help: 'The maximum for all its processes together. 0: no limit.',
    kind: 'count',
    only: 'stdio',
    unset: 'what HUB_SERVER_PIDS says',
  },
  {
    name: 'limits.open_files',
    label: 'Open files',
    help: 'The maximum for each of its processes. 0: no limit.',
    kind: 'count',
    only: 'stdio',
    unset: 'what HUB_SERVER_OPEN_FILES says',
  },
  {
    name: 'record',
    label: 'In the history',
    help: 'What the history records of arguments and results. The hub always masks the secrets of the configuration.',
    kind: 'pick',
    labels: {
      workspace: 'As the workspace says',
      off: 'Nothing of them',
      sizes: 'Their sizes',
      redacted: 'Their text, secrets masked by name too',
      full: 'Their text',
    },
  },
  {
    name: 'cache',
    label: 'Keep results',
    help: 'How long the hub caches results for equal calls. One tool per line: its name at the server (or a pattern with *), =, seconds. Only for tools that change nothing.',
    kind: 'by_tool',
    example: 'search_* = 300',
  },
  {
    name: 'cache_shared',
    label: 'Kept results are for',
    help: 'Who gets a cached result. Choose clients with any key only if the results do not depend on the caller.',
    kind: 'flag',
    labels: { false: 'Clients with the same key', true: 'Clients with any key' },
  },
  {
    name: 'container',
    label: 'Container',
    help: 'Run the server in a container of podman or docker. One option per line: image (required), memory, cpus, pids, network = yes, mount = /host:/inside (:rw to write), pull, user, workdir.',
    kind: 'container',
    only: 'stdio',
    example: 'image = docker.io/library/node:22-slim',
  },
];

/** @type {Setting[]} */
export const SETTINGS = TEXTS.map((said) => {
  const [name, member] = said.name.split('.');
  const whole = SCHEMA.properties[name];
  const schema = member ? SCHEMA.$defs[whole.anyOf[0].$ref.split('/').at(-1)].properties[member] : whole;
  return settingOf(said, schema, member ? null : /** @type {Record<string, any>} */ (DEFAULTS)[name]);
});

/**
 * The settings as the page shows them: groups that are closed at first.
 * @type {{ title: string, settings: Setting[] }[]}
 */
export const GROUPS = [
  { title: 'Process', names: ['session', 'max_instances', 'tenancy', 'placement', 'start', 'idle_stop', 'keep'] },
  { title: 'Connection', names: ['era', 'start_timeout', 'connect_timeout', 'health_interval'] },
  { title: 'Trust', names: ['changes'] },
  { title: 'Sign-in at the server', names: ['sign_in', 'oauth_client_id', 'oauth_client_secret'] },
  {
    title: 'Calls',
    names: ['call_timeout', 'tool_timeouts', 'idle_timeout', 'tool_idle_timeouts', 'max_inflight'],
  },
  { title: 'Limits of the process', names: ['limits.memory', 'limits.cpus', 'limits.pids', 'limits.open_files'] },
  { title: 'Container', names: ['container'] },
  { title: 'History and kept results', names: ['record', 'cache', 'cache_shared'] },
].map(({ title, names }) => ({ title, settings: SETTINGS.filter(({ name }) => names.includes(name)) }));

/** Make a setting of what the form says of it and its JSON Schema. @param {SettingText} said @param {any} schema @param {any} standard @returns {Setting} */
export function settingOf({ labels = {}, ...texts }, schema, standard) {
  const optional = schema.anyOf?.[1]?.type === 'null';
  const {
    minimum: min,
    maximum: max,
    pattern,
    type,
    enum: choices,
  } = schema.additionalProperties ?? schema.anyOf?.[0] ?? schema;
  const values = type === 'boolean' ? ['false', 'true'] : choices;
  const options = values?.map((/** @type {string} */ value) => ({ value, label: labels[value] ?? value }));
  return { ...texts, standard, min, max, pattern, options, optional };
}

/**
 * Return the values of settings by name, defaults included.
 * @param {Setting[]} settings @param {Record<string, any>} stored
 * @returns {Record<string, any>}
 */
export function valuesOf(settings, stored) {
  return Object.fromEntries(
    settings.map(({ name, standard }) => {
      const [outer, member] = name.split('.');
      return [name, (member ? stored[outer]?.[member] : stored[outer]) ?? standard];
    }),
  );
}

/** Return a setting's value as the form shows it. @param {Setting} setting @param {any} value */
export function showSetting(setting, value) {
  if (setting.kind === 'container') return showContainer(value);
  if (setting.kind === 'lines') return (value ?? []).join('\n');
  if (setting.kind !== 'by_tool') return String(value ?? setting.standard ?? '');
  return Object.entries(value ?? {})
    .map(([tool, seconds]) => `${tool} = ${seconds}`)
    .join('\n');
}

/**
 * Parse the form's text of a setting.
 *
 * @param {Setting} setting
 * @param {string} text
 * @returns {{ value: any, fault?: undefined } | { value?: undefined, fault: string }}
 */
export function readSetting(setting, text) {
  const { kind, max = 0, min, pattern = '' } = setting;
  if (kind === 'pick') return { value: text };
  if (kind === 'flag') return { value: text === 'true' };
  if (kind === 'container') return readContainer(text);
  if (kind === 'lines') return { value: linesOf(text) };
  if (setting.optional && text.trim() === '') return { value: null };
  if (kind === 'text') return readText(text.trim(), pattern);
  if (kind === 'size') return readSize(text.trim(), pattern);
  if (kind === 'by_tool') return readByTool(text, max, min);
  if (kind === 'number') return readNumber(text, max, min ?? 0);
  return kind === 'count' ? readCount(text, max, min ?? 0) : readSeconds(text, max, min);
}

/**
 * Return the value or the fault of each setting: as typed, or else as it was.
 * @param {Setting[]} settings @param {Record<string, string>} texts what was typed, by name
 * @param {Record<string, any>} before
 * @returns {Record<string, { value?: any, fault?: string }>}
 */
export function readAll(settings, texts, before) {
  return Object.fromEntries(
    settings.map((setting) => {
      const text = texts[setting.name];
      return [setting.name, text === undefined ? { value: before[setting.name] } : readSetting(setting, text)];
    }),
  );
}

/**
 * Return the name of the setting whose value the hub refused (`EDIT_INVALID`); undefined if it was none of these.
 * @param {Setting[]} settings @param {{ data?: any } | null} error
 */
export function refusedOf(settings, error) {
  const field = String(error?.data?.field ?? '');
  return settings.find(({ name }) => field === name || field.startsWith(`${name}.`))?.name;
}

/** @param {string} text */
function linesOf(text) {
  const lines = text.split('\n').map((line) => line.trim());
  return [...new Set(lines.filter(Boolean))];
}

/** @param {any} one @param {any} other */
export const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** Return whether a value is not the default of its setting. @param {Setting} setting @param {any} value */
export const isSet = ({ standard }, value) => !same(value ?? null, standard ?? null);

/**
 * Return the settings to send to the hub: those that differ, null for those that are back at their default.
 *
 * @param {Record<string, any>} before values by name
 * @param {Record<string, any>} after
 */
export function settingsChanges(before, after) {
  const changed = SETTINGS.filter(({ name, kind }) =>
    kind === 'container'
      ? showContainer(before[name]) !== showContainer(after[name])
      : !same(before[name], after[name]),
  );
  const names = new Set(changed.map(({ name }) => name.split('.')[0]));
  return Object.fromEntries([...names].map((name) => [name, settingFrom(name, after)]));
}

/** Return a setting as the hub takes it, from the values of its fields; null for its default. @param {string} name @param {Record<string, any>} values */
function settingFrom(name, values) {
  const fields = SETTINGS.filter(
    (setting) => setting.name.split('.')[0] === name && isSet(setting, values[setting.name]),
  );
  if (fields.length === 0) return null;
  if (fields[0].name === name) return values[name];
  return Object.fromEntries(fields.map((field) => [field.name.split('.')[1], values[field.name]]));
}
