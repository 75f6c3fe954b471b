/** Encodes and decodes messages of the bridge: an envelope as JSON in UTF-8. Specification: docs/protocol.md. */

import { randomBytes } from 'node:crypto';
import { BridgeError } from './errors.mjs';

/** @import {Envelope} from './types.mjs' */

export const PROTOCOL_VERSION = 1;
/** Bytes of the largest message. */
export const MAX_BYTES = 16 * 1024 * 1024;

const MAX_NAME = 128;
const KIND = /^[a-z][a-z_]{0,63}(\.ok)?$/;
const MEMBERS = new Set(['version', 'id', 'session', 'kind', 'body', 'by']);
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const LONE_SURROGATE =
  /(?<!\\)(?:\\\\)*\\u(?:d[89ab][0-9a-f]{2}(?!\\ud[c-f])|d[c-f][0-9a-f]{2}(?<!\\ud[89ab][0-9a-f]{2}\\u....))/i;

/** A random id for this run of a process. */
export function newSession() {
  return randomBytes(8).toString('hex');
}

/**
 * Encode a message; undefined members of the body are left out.
 * @param {Envelope} envelope
 * @returns {Buffer}
 * @throws {BridgeError} BRIDGE_BAD_MESSAGE: a value has no form in JSON; BRIDGE_TOO_LARGE: more than MAX_BYTES
 */
export function encode({ version = PROTOCOL_VERSION, id, session, kind, body = {}, by }) {
  let text;
  try {
    text = JSON.stringify({ version, id, session, kind, body, by });
  } catch (error) {
    throw unwritable(kind, /** @type {Error} */ (error).message.split('\n', 1)[0]);
  }
  if (hasLoneSurrogate(text)) throw unwritable(kind, 'a lone surrogate');
  return withinLimit(Buffer.from(text));
}

/**
 * Decode a message. Errors have its id in `data.id`, if that could be read.
 * @param {Uint8Array} data
 * @returns {Required<Envelope>}
 * @throws {BridgeError} BRIDGE_BAD_MESSAGE, BRIDGE_TOO_LARGE, or BRIDGE_VERSION: another version of the protocol
 */
export function decode(data) {
  const fields = parse(withinLimit(data));
  if (!isObject(fields)) throw bad('A message is not a JSON object.');
  const known = typeof fields.id === 'string' ? { id: fields.id } : {};
  const { version } = fields;
  if (!Number.isInteger(version)) throw bad('A message has no version.', known);
  if (version !== PROTOCOL_VERSION) {
    const message = `A message is of version ${version}; this side speaks ${PROTOCOL_VERSION}.`;
    throw new BridgeError('BRIDGE_VERSION', message, { data: known });
  }
  const wrong = faults(fields);
  if (wrong.length) throw bad(`A message is not an envelope: ${wrong.slice(0, 5).join('; ')}.`, known);
  return /** @type {Required<Envelope>} */ ({ body: {}, ...fields });
}

/**
 * Why an object is not an envelope, without values; empty if it is one.
 * @param {Record<string, unknown>} fields
 */
function faults(fields) {
  const wrong = Object.keys(fields)
    .filter((name) => !MEMBERS.has(name))
    .map((name) => `${name}: not a member`);
  for (const name of ['id', 'session']) if (!isName(fields[name])) wrong.push(`${name}: not a string of ${MAX_NAME}`);
  if (typeof fields.kind !== 'string' || !KIND.test(fields.kind)) wrong.push('kind: not the name of a kind');
  if (Object.hasOwn(fields, 'by') && !isAuthor(fields.by)) wrong.push('by: not an author');
  if (Object.hasOwn(fields, 'body') && !isObject(fields.body)) wrong.push('body: not an object');
  return wrong;
}

/** @param {unknown} value */
function isName(value) {
  return typeof value === 'string' && (value.length <= MAX_NAME || [...value].length <= MAX_NAME);
}

/** @param {unknown} value */
function isAuthor(value) {
  return value === null || (isObject(value) && isName(value.principal ?? '') && typeof value.source === 'string');
}

/**
 * @param {unknown} value
 * @returns {value is Record<string, any>}
 */
function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @param {Uint8Array} data */
function parse(data) {
  try {
    const text = UTF8.decode(data);
    if (hasLoneSurrogate(text)) throw new SyntaxError('a lone surrogate');
    return JSON.parse(text);
  } catch {
    throw bad('A message is not JSON.'); // the parser's error quotes the text, which may contain a secret
  }
}

/** @param {string} text JSON, where they can only stand escaped */
function hasLoneSurrogate(text) {
  return /\\ud/i.test(text) && LONE_SURROGATE.test(text);
}

/**
 * @template {Uint8Array} T
 * @param {T} data
 */
function withinLimit(data) {
  if (data.length > MAX_BYTES) {
    throw new BridgeError('BRIDGE_TOO_LARGE', `A message of ${data.length} bytes is over the limit of ${MAX_BYTES}.`);
  }
  return data;
}

/**
 * @param {string} message
 * @param {Record<string, unknown>} [data]
 */
function bad(message, data) {
  return new BridgeError('BRIDGE_BAD_MESSAGE', message, { data });
}

/**
 * @param {string} kind
 * @param {string} why
 */
function unwritable(kind, why) {
  return bad(`A message of kind '${kind}' cannot be written as JSON: ${why}.`);
}
