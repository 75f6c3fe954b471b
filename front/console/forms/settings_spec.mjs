/** The settings of a server in hub.json as fields of a form. Pure. Defaults and limits come from the hub's schema. */

import { readContainer, showContainer } from '../data/container_lines.mjs';
import { DEFAULTS, SCHEMA } from './server_settings.mjs';

/**
 * @typedef {object} Setting
 * @property {string} name
 * @property {string} label
 * @property {string} help
 * @property {'seconds'|'count'|'pick'|'by_tool'|'container'} kind of 'seconds' and 'by_tool', 0 is allowed if `min` is 0
 * @property {any} standard its default
 * @property {number} [min]
 * @property {number} [max]
 * @property {{ value: string, label: string }[]} [options]
 * @property {string} [example]
 */

/**
 * What the form says of a setting; the rest is the hub's.
 * @typedef {Omit<Setting, 'standard' | 'min' | 'max' | 'options'> & { labels?: Record<string, string> }} Said
 * @type {Said[]}
 */
const TEXTS = [
  {
    name: 'session',
    label: 'Process',
    help: 'One for each client lets the server ask that client back (sampling, elicitation, roots), and costs a process for each session.',
    kind: 'pick',
    labels: { shared: 'One for all clients', per_client: 'One for each client' },
  },
  {
    name: 'max_instances',
    label: 'Most processes at once',
    help: 'With one process for each client: a session more gets an error.',
    kind: 'count',
  },
  {
    name: 'era',
    label: 'Protocol',
    help: 'Which revisions of MCP to speak with it. Auto-detect asks the server; choose one if it cannot cope with the question.',
    kind: 'pick',
    labels: { auto: 'Auto-detect', legacy: 'Up to 2025-11-25 (handshake)', modern: '2026-07-28 (stateless)' },
  },
  {
    name: 'start',
    label: 'Start',
    help: 'A server that starts when needed shows the tools that it had, and is started by the first call. Only with one process for all clients.',
    kind: 'pick',
    labels: { eager: 'With the hub', lazy: 'When needed' },
  },
  {
    name: 'idle_stop',
    label: 'Stop when idle',
    help: 'Seconds without a call after which it is stopped, its tools still listed; the next call starts it. 0: never. Only with one process for all clients.',
    kind: 'seconds',
  },
  {
    name: 'start_timeout',
    label: 'Start timeout',
    help: 'Seconds until the handshake and the lists have to be answered. A first npx or uvx run downloads.',
    kind: 'seconds',
  },
  {
    name: 'connect_timeout',
    label: 'Connect timeout',
    help: 'Of a remote server: seconds until it has to accept a connection.',
    kind: 'seconds',
  },
  {
    name: 'call_timeout',
    label: 'Call timeout',
    help: 'Seconds until a tool has to answer; then the call is cancelled.',
    kind: 'seconds',
  },
  {
    name: 'tool_timeouts',
    label: 'Timeouts of single tools',
    help: 'One a line: the name that the server gives the tool (or a pattern with *), =, seconds.',
    kind: 'by_tool',
    example: 'slow_query = 900',
  },
  {
    name: 'idle_timeout',
    label: 'Call timeout without progress',
    help: 'Seconds without a progress report of the tool after which its call is cancelled. 0: no limit but the call timeout.',
    kind: 'seconds',
  },
  {
    name: 'tool_idle_timeouts',
    label: 'The same for single tools',
    help: 'One a line: the name that the server gives the tool (or a pattern with *), =, seconds.',
    kind: 'by_tool',
    example: 'index_* = 60',
  },
  {
    name: 'health_interval',
    label: 'Health check',
    help: 'Seconds between two checks, by a ping and its lists, that it still works; one that does not is restarted. 0: no checks.',
    kind: 'seconds',
  },
  {
    name: 'max_inflight',
    label: 'Calls at once',
    help: 'Further ones wait for their turn.',
    kind: 'count',
  },
  {
    name: 'record',
    label: 'In the history',
    help: 'What the history keeps of arguments and results. Secrets of the configuration are masked in any case.',
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
    help: 'Seconds for which an equal call gets the result that is known. One a line: the name that the server gives the tool (or a pattern with *), =, seconds. Only for tools that change nothing.',
    kind: 'by_tool',
    example: 'search_* = 300',
  },
  {
    name: 'container',
    label: 'Container',
    help: 'Run it in a container of podman or docker. One a line: image (needed), memory, cpus, pids, network = yes, mount = /host:/inside (:rw to write), pull, user, workdir.',
    kind: 'container',
    example: 'image = docker.io/library/node:22-slim',
  },
];

/** @type {Setting[]} */
export const SETTINGS = TEXTS.map(({ labels = {}, ...texts }) => {
  const schema = SCHEMA.properties[texts.name];
  const { minimum: min, maximum: max, enum: values } = schema.additionalProperties ?? schema;
  const options = values?.map((/** @type {string} */ value) => ({ value, label: labels[value] ?? value }));
  return { ...texts, standard: /** @type {Record<string, any>} */ (DEFAULTS)[texts.name], min, max, options };
});

/** Return a setting's value as the form shows it. @param {Setting} setting @param {any} value */
export function showSetting(setting, value) {
  if (setting.kind === 'container') return showContainer(value);
  if (setting.kind !== 'by_tool') return String(value ?? setting.standard);
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
  if (setting.kind === 'pick') return { value: text };
  if (setting.kind === 'container') return readContainer(text);
  const { max = 0, min } = setting;
  if (setting.kind === 'by_tool') return readByTool(text, max, min);
  return setting.kind === 'count' ? readCount(text, max, min ?? 0) : readSeconds(text, max, min);
}

/** @param {string} text @param {number} max @param {number} min */
function readCount(text, max, min) {
  const value = Number(text);
  const fits = text.trim() !== '' && Number.isInteger(value) && value >= min && value <= max;
  return fits ? { value } : { fault: `A whole number from ${min} to ${max.toLocaleString('en')}.` };
}

/** @param {string} text @param {number} max @param {number} [min]  0 if 0 is allowed */
function readSeconds(text, max, min) {
  const value = Number(text);
  const fits = text.trim() !== '' && (value > 0 || value === min) && value <= max;
  const least = min === 0 ? '0 or more' : 'More than 0';
  return fits ? { value } : { fault: `${least}, at most ${max.toLocaleString('en')} seconds.` };
}

/** @param {string} text @param {number} max @param {number} [min] */
function readByTool(text, max, min) {
  /** @type {Record<string, number>} */
  const value = {};
  for (const line of text.split('\n').filter((item) => item.trim() !== '')) {
    const at = line.lastIndexOf('=');
    const tool = line.slice(0, Math.max(at, 0)).trim();
    const seconds = readSeconds(line.slice(at + 1), max, min);
    if (at < 0 || tool === '' || seconds.fault)
      return { fault: `“${line.trim()}” is not: tool = seconds (at most ${max.toLocaleString('en')}).` };
    Object.defineProperty(value, tool, { value: seconds.value, enumerable: true, configurable: true, writable: true });
  }
  return { value };
}

/**
 * Return the settings to send to the hub: those that differ, null for those that are back at their default.
 *
 * @param {Record<string, any>} before
 * @param {Record<string, any>} after
 */
export function settingsChanges(before, after) {
  const same = (/** @type {any} */ a, /** @type {any} */ b) => JSON.stringify(a) === JSON.stringify(b);
  const changed = SETTINGS.filter((setting) => {
    const [was, is] = [before[setting.name], after[setting.name]];
    return setting.kind === 'container' ? showContainer(was) !== showContainer(is) : !same(was, is);
  });
  return Object.fromEntries(
    changed.map(({ name, standard }) => [name, same(after[name], standard) ? null : after[name]]),
  );
}
