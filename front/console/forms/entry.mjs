/**
 * Converts a server's entry of providers.json to a form and back. Pure. Fields that the form does not have are
 * preserved.
 */

import { parseArgs, showArgs } from './arguments.mjs';

/** The text that the API shows instead of a secret, and replaces by the stored value on writing. */
export const MASK = '********';

const KNOWN = new Set(['namespace', 'type', 'providerParameters']);
const PARAMETERS = new Set(['command', 'args', 'env', 'cwd', 'url', 'headers']);

/**
 * @typedef {{ name: string, value: string }} Pair
 *
 * @typedef {object} ServerForm
 * @property {string} key
 * @property {string} namespace
 * @property {'stdio'|'remote'} kind
 * @property {string} command
 * @property {string} args one a line
 * @property {string} cwd
 * @property {Pair[]} env
 * @property {string} url
 * @property {Pair[]} headers
 * @property {'auto'|'http'} transport
 */

/** @returns {ServerForm} */
export function emptyForm() {
  return {
    key: '',
    namespace: '',
    kind: 'stdio',
    command: '',
    args: '',
    cwd: '',
    env: [],
    url: '',
    headers: [],
    transport: 'auto',
  };
}

/**
 * @param {string} key
 * @param {any} entry in YAMCP's form, the flat one, or none that can be used
 * @returns {ServerForm}
 */
export function toForm(key, entry) {
  const whole = isObject(entry) ? entry : {};
  const parameters = isObject(whole.providerParameters) ? whole.providerParameters : whole;
  const type = text(whole.type);
  return {
    key,
    namespace: text(whole.namespace) || key,
    kind: type === 'stdio' || (!type && !parameters.url) ? 'stdio' : 'remote',
    command: text(parameters.command),
    args: showArgs(Array.isArray(parameters.args) ? parameters.args.map(text) : []),
    cwd: text(parameters.cwd),
    env: pairs(parameters.env),
    url: text(parameters.url),
    headers: pairs(parameters.headers),
    transport: type === 'http' || type === 'streamable-http' ? 'http' : 'auto',
  };
}

/**
 * @param {ServerForm} form
 * @param {any} [original] the entry that the form was made of
 */
export function toEntry(form, original) {
  const whole = isObject(original) ? original : {};
  const inside = isObject(whole.providerParameters) ? whole.providerParameters : whole;
  const flat = inside === whole;
  return {
    ...rest(whole, flat ? new Set([...KNOWN, ...PARAMETERS]) : KNOWN),
    namespace: form.namespace.trim() === '' ? form.key : form.namespace,
    type: form.kind === 'stdio' ? 'stdio' : remoteType(form, text(whole.type)),
    providerParameters: { ...(flat ? {} : rest(inside, PARAMETERS)), ...launch(form) },
  };
}

/** @param {ServerForm} form */
function launch(form) {
  const env = toObject(form.env);
  const headers = toObject(form.headers);
  if (form.kind === 'remote') return { url: form.url.trim(), ...(headers && { headers }) };
  const cwd = form.cwd.trim();
  return { command: form.command.trim(), args: parseArgs(form.args), ...(env && { env }), ...(cwd && { cwd }) };
}

/** @param {ServerForm} form @param {string} before */
function remoteType(form, before) {
  if (form.transport === 'http' && !isWebSocket(form.url)) return before === 'streamable-http' ? before : 'http';
  return 'sse'; // in YAMCP's form: which transport it is, is found out, or the address says it
}

/**
 * Return the errors of the form by field; a field without error is missing.
 *
 * @param {ServerForm} form
 * @param {{ taken: (key: string) => boolean }} known `taken`: whether another server is called so
 * @returns {Record<string, string>}
 */
export function formFaults(form, { taken }) {
  const faults = {
    key: form.key === '' ? 'Enter a name.' : taken(form.key) ? 'Another server has this name.' : '',
    command: form.kind === 'stdio' && form.command.trim() === '' ? 'Enter the command of the server.' : '',
    url: form.kind === 'remote' ? urlFault(form.url.trim()) : '',
    env: form.kind === 'stdio' ? pairsFault(form.env, 'variable', /[=\0]/) : '',
    headers: form.kind === 'remote' ? pairsFault(form.headers, 'header', /[^\w!#$%&'*+.^`|~-]/) : '',
  };
  return Object.fromEntries(Object.entries(faults).filter(([, fault]) => fault));
}

/** Return whether a URL's scheme is WebSocket's. @param {string} url */
export const isWebSocket = (url) => /^\s*wss?:/i.test(url);

/** @param {string} url */
function urlFault(url) {
  if (url === '') return 'Enter the URL of the server.';
  if (url.includes('${')) return '';
  if (!/^(https?|wss?):\/\//i.test(url)) return 'The URL must begin with http://, https://, ws:// or wss://.';
  return URL.canParse(url) ? '' : 'This is not a valid URL.';
}

/** @param {Pair[]} list @param {string} noun @param {RegExp} outside */
function pairsFault(list, noun, outside) {
  const given = list.filter(({ name, value }) => name !== '' || value !== '');
  if (given.some(({ name }) => name === '')) return `A ${noun} without a name has a value.`;
  const odd = given.find(({ name }) => outside.test(name));
  if (odd) return `“${odd.name}” cannot be the name of a ${noun}.`;
  const twice = given.find(({ name }, i) => given.findIndex((other) => other.name === name) !== i);
  return twice ? `“${twice.name}” is there twice.` : '';
}

/** @param {any} value @returns {value is Record<string, any>} */
function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @param {any} value */
function text(value) {
  return value === null || value === undefined || typeof value === 'object' ? '' : String(value);
}

/** @param {any} object @returns {Pair[]} */
function pairs(object) {
  return isObject(object) ? Object.entries(object).map(([name, value]) => ({ name, value: text(value) })) : [];
}

/** @param {Pair[]} list */
function toObject(list) {
  const named = list.filter(({ name }) => name !== '');
  return named.length > 0 ? Object.fromEntries(named.map(({ name, value }) => [name, value])) : null;
}

/** @param {Record<string, any>} object @param {Set<string>} without */
function rest(object, without) {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !without.has(name)));
}
