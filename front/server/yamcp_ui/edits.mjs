/**
 * Edits made in YAMCP-UI's pages: the adapter restores masked values, YAMCP-UI writes, and the adapter reads the files
 * again.
 *
 * This is the only part of the front that receives stored secrets, because YAMCP-UI's API takes whole values.
 */

import { request } from 'node:http';
import { MASK } from '../../console/forms/entry.mjs';
import { FrontError } from '../errors.mjs';
import { routerOf } from '../api/router.mjs';
import { YAMCP_ROUTES } from '../api/routes.mjs';
import { placeOf } from './place.mjs';

/** Milliseconds that YAMCP-UI may take to answer. */
const RESPONSE_TIMEOUT_MS = 10_000;
const MAX_RESPONSE_BYTES = 1024 * 1024;

/**
 * @typedef {import('../state/hub.mjs').HubClient} HubClient
 * @typedef {{status: number, type: string, text: string}} ReadAnswer
 * @typedef {{hub: HubClient, settings: import('../settings.mjs').Settings, log: import('../log.mjs').Log, agent: import('node:http').Agent}} Parts
 */

/**
 * Return the router of all edits that YAMCP-UI's pages make. Other paths are passed on.
 *
 * @param {Parts} parts
 * @returns {import('express').Router}
 */
export function yamcpUiEdits(parts) {
  const handlers = handlersOf(parts);
  const routes = YAMCP_ROUTES.filter(({ id }) => Object.hasOwn(handlers, id));
  return routerOf(routes, handlers, { maxBodyBytes: parts.settings.maxBodyBytes, ignoreUnknown: true });
}

/** @type {(parts: Parts) => Record<string, import('../api/router.mjs').Handler>} */
function handlersOf(parts) {
  const { hub } = parts;
  const server = async (/** @type {Record<string, any>} */ entry, /** @type {string | null} */ key) =>
    isMasked(entry) ? (await hub.askAdapter('unmask_server', { entry, key })).content : entry;
  return {
    addServer: async ({ body, res }) => pass(parts, res, 'POST', '/api/servers', await server(body, null)),
    putServer: async ({ params: { id }, body, res }) =>
      pass(parts, res, 'PUT', at('servers', id), await server(body, id)),
    deleteServer: ({ params: { id }, res }) => remove(parts, res, 'servers', id),
    addWorkspace: ({ body, res }) => pass(parts, res, 'POST', '/api/workspaces', body),
    putWorkspace: ({ params: { id }, body, res }) => pass(parts, res, 'PUT', at('workspaces', id), body),
    deleteWorkspace: ({ params: { id }, res }) => remove(parts, res, 'workspaces', id),
    putProvidersConfig: async ({ body, res }) => {
      const masked = isMasked(objectOnly(body));
      const whole = masked ? (await hub.askAdapter('unmask_config', { content: body })).content : body;
      return pass(parts, res, 'PUT', '/api/config/providers', whole);
    },
    putWorkspacesConfig: ({ body, res }) => pass(parts, res, 'PUT', '/api/config/workspaces', objectOnly(body)),
  };
}

/** @type {(kind: 'servers' | 'workspaces', id: string) => string} */
const at = (kind, id) => `/api/${kind}/${encodeURIComponent(id)}`;

/**
 * Delete by YAMCP-UI, and remove the settings in hub.json, as a deletion in the console does.
 *
 * @type {(parts: Parts, res: import('express').Response, section: 'servers' | 'workspaces', name: string) => Promise<unknown>}
 */
async function remove(parts, res, section, name) {
  const answer = await pass(parts, res, 'DELETE', at(section, name));
  if (parts.hub.state.hub.adapter === 'ok') {
    await parts.hub.change('forget_settings', { section, name }).catch((error) => {
      parts.log.warning('settings of what was deleted are still in hub.json', { section, name, why: error.message });
    });
  }
  return answer;
}

/** @type {(body: unknown) => boolean} */
const isMasked = (body) => JSON.stringify(body).includes(MASK);

/** @type {(body: unknown) => any} */
function objectOnly(body) {
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body;
  throw new FrontError('BODY_INVALID', 'Invalid JSON: must be an object');
}

/**
 * Forward to YAMCP-UI; if it succeeds, wait (at most as long as HubClient.change) until the change is in force.
 *
 * @type {(parts: Parts, res: import('express').Response, method: string, path: string, body?: object) => Promise<unknown>}
 */
async function pass(parts, res, method, path, body) {
  const { hub, log } = parts;
  const answer = outcome(await ask(parts, method, path, body));
  if (hub.state.hub.adapter === 'ok') {
    await hub.change('reload').catch((error) => {
      log.warning('an edit takes effect when the change of the file is noticed', { why: error.message });
    });
  }
  res.set('Cache-Control', 'no-store');
  return answer;
}

/**
 * Return the result that YAMCP-UI reported.
 *
 * @type {(body: ReadAnswer) => unknown}
 * @throws {FrontError} YAMCP_UI_REFUSED
 */
function outcome({ status, type, text }) {
  const body = /\bjson\b/.test(type) ? parsed(text) : undefined;
  if (status < 300 && body !== undefined) return body;
  const why = typeof body?.error === 'string' ? body.error : `YAMCP-UI answered with status ${status}.`;
  throw new FrontError('YAMCP_UI_REFUSED', why, { status: status >= 400 ? status : 502 });
}

/** @type {(text: string) => any} */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * @type {(parts: Parts, method: string, path: string, body?: object) => Promise<ReadAnswer>}
 * @throws {FrontError} YAMCP_UI_AWAY
 */
function ask({ settings, agent, log }, method, path, body) {
  const place = placeOf(settings);
  const text = body === undefined ? '' : JSON.stringify(body);
  const headers = {
    host: place.host,
    accept: 'application/json',
    'content-length': Buffer.byteLength(text),
    ...(text && { 'content-type': 'application/json' }),
  };
  return new Promise((resolve, reject) => {
    const failed = (/** @type {Error} */ error) => {
      log.warning('YAMCP-UI could not be asked', { code: 'YAMCP_UI_AWAY', why: error.message });
      reject(new FrontError('YAMCP_UI_AWAY'));
    };
    const signal = AbortSignal.timeout(RESPONSE_TIMEOUT_MS);
    const asking = request({ ...place.request, method, path, headers, agent, signal }, (answer) => {
      read(answer).then((body) => resolve({ ...body, status: answer.statusCode ?? 502 }), failed);
    });
    asking.on('error', failed);
    asking.end(text);
  });
}

/** @type {(answer: import('node:http').IncomingMessage) => Promise<{type: string, text: string}>} */
async function read(answer) {
  const chunks = [];
  let bytes = 0;
  for await (const chunk of answer) {
    bytes += chunk.length;
    if (bytes > MAX_RESPONSE_BYTES) throw new Error('its answer is too long');
    chunks.push(chunk);
  }
  return { type: answer.headers['content-type'] ?? '', text: Buffer.concat(chunks).toString('utf8') };
}
