/** Parses text pasted into the form of a server: a command line, a URL, or one server of a client's JSON. Pure. */

import { words } from './arguments.mjs';
import { toForm } from './entry.mjs';

/** @typedef {import('./entry.mjs').ServerForm} ServerForm */

/** Keys under which clients keep their servers. */
const WRAPPERS = ['mcpServers', 'servers', 'mcp_servers', 'context_servers'];
const PACKAGE_RUNNERS = /^(?:bunx|npx|pnpx|pipx|uvx)$/;

/**
 * Return the fields that a text fills in; `many` if it holds several servers; null if it is unknown.
 *
 * @param {string} text
 * @returns {Partial<ServerForm> | { many: number } | null}
 */
export function readPaste(text) {
  const source = text
    .replace(/^[ \t]*(?:```|~~~).*$/gm, '')
    .trim()
    .replace(/^\$ /, '');
  if (source === '') return null;
  if (/^["{]/.test(source)) return fromJson(source);
  if (/^(?:https?|wss?):\/\/\S+$/i.test(source)) return { ...fromEntry('', { url: source }) };
  return fromCommandLine(words(source.replace(/\\\r?\n/g, ' ')));
}

/** @param {string} source an object, or its members without the braces */
function fromJson(source) {
  const whole = parsed(source) ?? parsed(`{${source.replace(/,\s*$/, '')}}`);
  if (whole === null) return null;
  const wrapper = WRAPPERS.find((name) => isObject(whole[name]) && !isServer(whole[name]));
  const servers = wrapper ? whole[wrapper] : isServer(whole) ? { '': whole } : whole;
  const entries = Object.entries(servers).filter(([, entry]) => isServer(entry));
  if (entries.length > 1) return { many: entries.length };
  return entries.length === 1 ? fromEntry(...entries[0]) : null;
}

/** @param {string} source @returns {Record<string, any> | null} */
function parsed(source) {
  try {
    const value = JSON.parse(source);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

/** @param {string} key @param {any} entry @returns {Partial<ServerForm>} */
function fromEntry(key, entry) {
  const { namespace, ...form } = toForm(key, entry);
  const name = key || nameOf(entry);
  return { ...form, key: name, namespace: namespace || name };
}

/**
 * Parse a command line, with variables before it as in a shell, or one of `claude mcp add`.
 *
 * @param {string[]} line
 * @returns {Partial<ServerForm> | null}
 */
function fromCommandLine(line) {
  if (line.slice(0, 3).join(' ') === 'claude mcp add') return fromClaude(line.slice(3));
  const begin = line.findIndex((word) => !/^[A-Za-z_]\w*=/.test(word));
  if (begin < 0) return null;
  const [command, ...args] = line.slice(begin);
  return fromEntry('', { command, args, env: pairsOf(line.slice(0, begin), '=') });
}

/** @param {string[]} line what follows `claude mcp add` */
function fromClaude(line) {
  /** @type {Record<string, string[]>} */
  const options = { env: [], header: [], transport: [], scope: [] };
  /** @type {string[]} */
  const rest = [];
  const long = /** @type {Record<string, string>} */ ({
    '-e': '--env',
    '-H': '--header',
    '-t': '--transport',
    '-s': '--scope',
  });
  for (let at = 0; at < line.length; at += 1) {
    const option = (long[line[at]] ?? line[at]).replace(/^--/, '');
    if (line[at] === '--' || (rest.length > 1 && !/^https?:/.test(rest[1]))) {
      rest.push(...line.slice(line[at] === '--' ? at + 1 : at));
      break;
    } else if (line[at].startsWith('-') && option in options) options[option].push(line[(at += 1)] ?? '');
    else rest.push(line[at]);
  }
  const [key, first, ...args] = rest;
  if (first === undefined) return null;
  if (!/^https?:/.test(first)) return fromEntry(key, { command: first, args, env: pairsOf(options.env, '=') });
  const type = options.transport[0] === 'http' ? 'http' : undefined;
  return fromEntry(key, { url: first, headers: pairsOf(options.header, ':'), ...(type && { type }) });
}

/** @param {string[]} texts @param {string} between */
function pairsOf(texts, between) {
  const pair = (/** @type {string} */ text) => [
    text.split(between, 1)[0],
    text.slice(text.indexOf(between) + 1).trimStart(),
  ];
  return Object.fromEntries(texts.filter((text) => text.includes(between)).map(pair));
}

/** Return a name for a server without one, from its package or host. @param {any} entry */
function nameOf({ command, args = [], url }) {
  if (url) return URL.canParse(url) ? new URL(url).hostname.replace(/^(?:mcp|www|api)\.|\.[a-z]+$/g, '') : '';
  const program =
    String(command ?? '')
      .split('/')
      .at(-1) ?? '';
  const runs = PACKAGE_RUNNERS.test(program);
  const called = runs ? args.find((/** @type {string} */ arg) => !arg.startsWith('-')) : program;
  const name =
    String(called ?? '')
      .split('/')
      .at(-1)
      ?.replace(/(?<=.)@.*$|\.\w+$/, '') ?? '';
  return name.replace(/^(?:mcp-server-|server-|mcp-)|(?:-mcp-server|-mcp|-server)$/g, '') || name;
}

/** @param {any} value */
const isServer = (value) =>
  isObject(value) &&
  ['command', 'url', 'providerParameters'].some((name) => value[name] !== undefined && value[name] !== null);

/** @param {any} value @returns {value is Record<string, any>} */
const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
