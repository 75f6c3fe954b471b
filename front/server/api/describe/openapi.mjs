// The OpenAPI 3.1 document of the API, made of the tables of routes and of answers.d.mts. Loaded with the first request
// for it.

import { createRequire } from 'node:module';
import { z } from 'zod/mini';
import { CATALOGUE } from '../../errors.mjs';
import { statusOf } from '../../remote_status.mjs';
import { descriptionOf, isOptional, schemaOf } from '../fields.mjs';
import { HUB_ROUTES, OTHER_ROUTES, YAMCP_ROUTES } from '../routes.mjs';

const { answers, schemas } = createRequire(import.meta.url)('./answer_schemas.json');

/**
 * @typedef {import('../routes.mjs').Route} Route
 * @typedef {Record<string, any>} Json
 */

/** Codes that any route may answer; docs/api.md says when. */
const COMMON_CODES = [
  'HOST_REFUSED',
  'ORIGIN_REFUSED',
  'METHOD_NOT_ALLOWED',
  'PATH_INVALID',
  'BODY_TOO_LARGE',
  'HUB_AWAY',
  'HUB_INTERNAL',
];
const PROTECTED_CODES = ['TOKEN_REQUIRED', 'TOKEN_INVALID', 'KEY_FORBIDDEN', 'TOO_MANY_ATTEMPTS'];
const BODY_CODES = ['BODY_NOT_JSON', 'BODY_INVALID'];
const CHANGE_CODES = [
  'BODY_TYPE_REFUSED',
  'CONFIG_FILE_BROKEN',
  'HUB_FILE_BROKEN',
  'EDIT_CONFLICT',
  'EDIT_INVALID',
  'DATA_DIR_UNUSABLE',
  'CONFIG_DATABASE_UNAVAILABLE',
  'CONFIG_DIR_UNUSABLE',
  'CONFIG_NOT_IMPORTED',
  'CONFIG_READ_ONLY',
  'CONFIG_SCHEMA_NEWER',
];
/** Answers that are no JSON, by the route's id: their media types. @type {Record<string, string[]>} */
const OTHER_MEDIA = {
  exportCalls: ['application/jsonl', 'text/csv'],
  exportChanges: ['application/jsonl', 'text/csv'],
  exportSignIns: ['application/jsonl', 'text/csv'],
  sbom: ['application/vnd.cyclonedx+json'],
  logFile: ['text/plain'],
  metrics: ['text/plain'],
  apiPage: ['text/html'],
};

const TABLES = [
  { tag: 'hub', prefix: 'hub', routes: HUB_ROUTES, answers: answers.hub, isStrict: true },
  { tag: 'yamcp-ui', prefix: 'yamcp', routes: YAMCP_ROUTES, answers: answers.yamcp, isStrict: false },
  { tag: 'processes', prefix: 'processes', routes: OTHER_ROUTES, answers: answers.other, isStrict: false },
];
/** Routes of `OTHER_ROUTES` that are for browsers: forms, and a WebSocket, which OpenAPI has no words for. */
const FOR_BROWSERS = new Set(['login', 'logout', 'live']);
/** Routes that the front has in a protected hub only. */
const IF_PROTECTED = new Set(['status', 'metrics']);
/** Routes that need no token in a protected hub. */
const PUBLIC = new Set(['health']);

/**
 * Return the document.
 * @param {{version: string, baseUrl: string, isProtected: boolean}} hub
 * @returns {Json}
 */
export function openapi({ version, baseUrl, isProtected }) {
  /** @type {Json} */
  const paths = {};
  for (const { tag, prefix, routes, answers: results, isStrict } of TABLES) {
    for (const route of routes) {
      if (FOR_BROWSERS.has(route.id) || (IF_PROTECTED.has(route.id) && !isProtected)) continue;
      const path = route.path.replace(/:(\w+)/g, '{$1}');
      paths[path] ??= {};
      paths[path][route.method.toLowerCase()] = {
        operationId: `${prefix}_${route.id}`,
        tags: [tag],
        summary: route.summary,
        ...takes(route, isStrict),
        ...(isProtected && PUBLIC.has(route.id) && { security: [] }),
        responses: responses(route, results, { isStrict, isProtected }),
      };
    }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'yamcp-hub', version, description: DESCRIPTION },
    servers: [{ url: baseUrl }],
    tags: [
      { name: 'hub', description: "The hub's own API, which the console uses." },
      { name: 'yamcp-ui', description: "YAMCP-UI's API, in its format. Unknown fields are ignored." },
      { name: 'processes', description: 'Health, status and metrics.' },
    ],
    ...(isProtected && { security: [{ token: [] }] }),
    paths,
    components: {
      schemas: { ...schemas, Error: ERROR },
      ...(isProtected && { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } }),
    },
  };
}

const DESCRIPTION =
  'Servers, workspaces, keys, calls and history of a hub. Requests that break rules of HTTP are refused before a route is ' +
  'found: 400 `FRAMING_REFUSED`, 408 `REQUEST_TIMEOUT`, 411 `LENGTH_REQUIRED`.';

/** Node answers by itself, without a body, where URL and headers are too long. @type {Json} */
const TOO_LONG = { description: 'HEADERS_TOO_MANY; or URL and headers are longer than 16 KiB, without a body.' };

/** @type {Json} */
const ERROR = {
  type: 'object',
  required: ['error', 'code', 'hint'],
  additionalProperties: false,
  properties: {
    error: { type: 'string', description: 'What happened, to what and why.' },
    code: { type: 'string', pattern: '^[A-Z][A-Z0-9_]*$', description: 'A stable code (docs/errors.md).' },
    hint: { type: 'string', description: 'What to do.' },
    data: { type: 'object', additionalProperties: true },
  },
};

/** Return the parameters and the body of a route. @param {Route} route @param {boolean} isStrict */
function takes({ path, query = {}, body, anyBody }, isStrict) {
  const inPath = [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const inQuery = Object.entries(query).map(([name, field]) => ({
    name,
    in: 'query',
    required: !isOptional(field),
    description: descriptionOf(field),
    schema: jsonSchema(field),
  }));
  const schema = body ? jsonSchema(schemaOf(body, { ignoreUnknown: !isStrict })) : anyBody ? { type: 'object' } : null;
  return {
    ...(inPath.length + inQuery.length > 0 && { parameters: [...inPath, ...inQuery] }),
    ...(schema && { requestBody: { required: true, content: { 'application/json': { schema } } } }),
  };
}

/** @param {import('../fields.mjs').Field} schema @returns {Json} */
function jsonSchema(schema) {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return rest;
}

/** @param {Route} route @param {Json} results */
function result({ id, answer }, results) {
  const media = OTHER_MEDIA[id];
  if (media) {
    return {
      description: answer,
      content: Object.fromEntries(media.map((type) => [type, { schema: { type: 'string' } }])),
    };
  }
  const schema = results[id];
  if (!schema) throw new TypeError(`answers.d.mts has no answer for the route ${id}`);
  return { description: answer, content: { 'application/json': { schema } } };
}

/**
 * Return all responses of a route, by status.
 * @param {Route} route
 * @param {Json} results
 * @param {{isStrict: boolean, isProtected: boolean}} options
 * @returns {Json}
 */
function responses(route, results, options) {
  const ok = result(route, results);
  const failing = route.id === 'health' ? { 503: { ...ok, description: 'The same, with the reasons.' } } : {};
  return { 200: ok, ...failures(route, options), 431: TOO_LONG, ...failing };
}

/** Return the responses of a route that are errors. @param {Route} route @param {{isStrict: boolean, isProtected: boolean}} options */
function failures({ method, query, body, anyBody, errors = [] }, { isStrict, isProtected }) {
  const codes = [
    ...errors,
    ...(query || isStrict ? ['QUERY_INVALID'] : []),
    ...(body || anyBody ? BODY_CODES : []),
    ...(method === 'GET' ? [] : CHANGE_CODES),
    ...(isProtected ? PROTECTED_CODES : []),
    ...COMMON_CODES,
  ];
  /** @type {Map<number, Set<string>>} */
  const byStatus = new Map();
  for (const code of codes) {
    const status =
      code in CATALOGUE ? CATALOGUE[/** @type {import('../../errors.mjs').Code} */ (code)].status : statusOf(code);
    byStatus.set(status, (byStatus.get(status) ?? new Set()).add(code));
  }
  const content = { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } };
  return Object.fromEntries(
    [...byStatus].map(([status, named]) => [status, { description: [...named].join(', '), content }]),
  );
}
