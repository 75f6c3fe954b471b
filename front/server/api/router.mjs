/**
 * Creates an Express router from a table of routes: it parses and validates requests, and sends the handlers' results.
 */

import express from 'express';
import { bodyReader } from './body.mjs';
import { FrontError } from '../errors.mjs';
import { problemOf, readQuery } from './fields.mjs';

/**
 * @typedef {object} ApiRequest a validated request, as a handler gets it
 * @property {Record<string, string>} params of the path
 * @property {Record<string, any>} query
 * @property {any} body
 * @property {import('express').Request} req
 * @property {import('express').Response} res
 *
 * @typedef {(request: ApiRequest) => unknown} Handler returns what is sent as JSON; undefined: it has answered by itself
 * @typedef {import('./routes.mjs').Route & {pattern: RegExp, names: string[], handle: Handler}} Compiled
 */

/**
 * @template T
 * @typedef {T | undefined | Promise<T | undefined>} Answer
 */

/**
 * @template A answers by id of the route (describe/answers.d.mts)
 * @typedef {{[id in keyof A]: (request: ApiRequest) => Answer<A[id]>}} HandlersOf
 */

/**
 * Return the router. Unknown paths are passed on; another method on a known path is answered with 405.
 *
 * @param {import('./routes.mjs').Route[]} routes
 * @param {Record<string, Handler>} handlers by `id` of the route
 * @param {{maxBodyBytes: number, ignoreUnknown?: boolean, passMethods?: boolean,
 *   check?: (id: string, request: ApiRequest) => void}} options `ignoreUnknown`: unknown fields and parameters are let
 *   pass; `passMethods`: other methods are passed on too; `check` throws if the sender may not make the request
 * @returns {import('express').Router}
 */
export function routerOf(routes, handlers, { maxBodyBytes, ignoreUnknown = false, passMethods = false, check }) {
  const compiled = routes.map((route) => compile(route, handlers[route.id]));
  const readBody = bodyReader(maxBodyBytes);
  const router = express.Router();
  router.use(async (req, res, next) => {
    const there = compiled.filter((route) => route.pattern.test(req.path));
    if (there.length === 0) return next();
    const route = there.find(({ method }) => method === (req.method === 'HEAD' ? 'GET' : req.method));
    if (!route && passMethods) return next();
    if (!route) return refuseMethod(req, res, there);
    const body = route.body || route.anyBody ? await readBody(req, res) : undefined;
    const asked = parseRequest(route, req, res, body, ignoreUnknown);
    check?.(route.id, asked);
    const answer = await route.handle(asked);
    if (answer !== undefined)
      res.set({ 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' }).json(answer);
  });
  return router;
}

/** @type {(route: import('./routes.mjs').Route, handle: Handler | undefined) => Compiled} */
function compile(route, handle) {
  if (!handle) throw new TypeError(`The route ${route.id} has no handler.`);
  const names = [...route.path.matchAll(/:(\w+)/g)].map((match) => match[1]);
  const source = route.path.replace(/:\w+/g, '([^/]*)');
  const slash = names.length === 0 ? '/?' : ''; // after an id it would be the beginning of an empty one
  return { ...route, names, handle, pattern: new RegExp(`^${source}${slash}$`) };
}

/** @type {(route: Compiled, req: import('express').Request, res: import('express').Response, body: unknown, ignoreUnknown: boolean) => ApiRequest} */
function parseRequest(route, req, res, body, ignoreUnknown) {
  const query = readQuery(route.query ?? {}, /** @type {Record<string, unknown>} */ (req.query));
  const queryProblem = problemOf(route.query ?? {}, query, { ignoreUnknown });
  if (queryProblem) throw new FrontError('QUERY_INVALID', `The query: ${queryProblem}`);
  const bodyProblem = route.body ? problemOf(route.body, body, { ignoreUnknown }) : null;
  if (bodyProblem) throw new FrontError('BODY_INVALID', `The body: ${bodyProblem}`);
  return { params: paramsOf(route, req.path), query, body, req, res };
}

/** @type {(route: Compiled, path: string) => Record<string, string>} */
function paramsOf(route, path) {
  const [, ...found] = route.pattern.exec(path) ?? [];
  try {
    return Object.fromEntries(route.names.map((name, at) => [name, decodeURIComponent(found[at])]));
  } catch {
    throw new FrontError('PATH_INVALID', 'The path is not encoded as UTF-8.');
  }
}

/** @type {(req: import('express').Request, res: import('express').Response, there: Compiled[]) => void} */
function refuseMethod(req, res, there) {
  const methods = there.map(({ method }) => method);
  const allowed = [...new Set(methods.includes('GET') ? [...methods, 'HEAD'] : methods)].sort().join(', ');
  res.set('Allow', allowed);
  throw new FrontError('METHOD_NOT_ALLOWED', `The path does not support ${req.method}, only ${allowed}.`);
}
