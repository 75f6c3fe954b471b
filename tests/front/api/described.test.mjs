/** The OpenAPI document, the API page, and the files generated from the routes. */

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { files } from '../../../front/cli/describe_api.mjs';
import { HUB_ROUTES, OTHER_ROUTES, YAMCP_ROUTES } from '../../../front/server/api/routes.mjs';
import { Front } from '../../../front/server/app.mjs';
import { Log } from '../../../front/server/log.mjs';
import { ask } from '../support/api.mjs';
import { freePort } from '../support/hub.mjs';
import { load } from '../support/settings.mjs';

const TOKEN = 'the-token-of-this-hub';
const BEARER = { authorization: `Bearer ${TOKEN}` };
const root = mkdtempSync(join(tmpdir(), 'hub'));
/** One that asks for no token, and one that does. @type {{open: Front, closed: Front}} */
let fronts;

before(async () => {
  fronts = { open: await started({}), closed: await started({ HUB_TOKEN: TOKEN }) };
});
after(async () => {
  for (const front of Object.values(fronts ?? {})) await front.stop();
  rmSync(root, { recursive: true });
});

/** @param {Record<string, string>} env */
async function started(env) {
  const port = String(await freePort());
  const front = new Front(load({ HUB_PORT: port, HUB_DATA_DIR: root, ...env }), new Log('error', () => {}));
  await front.start();
  return front;
}

/** @param {Front} front @param {string} path @param {Record<string, string>} [headers] @param {string} [method] */
const get = (front, path, headers = {}, method = 'GET') => ask(front.settings.baseUrl, method, path, { headers });

/** @param {Front} front */
const documentOf = async (front) => (await get(front, '/api/openapi.json', BEARER)).body;

/** Return the operations of a document, as `GET /path`. @param {any} document @returns {Record<string, any>} */
const operationsOf = ({ paths }) =>
  Object.fromEntries(
    Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => [`${method.toUpperCase()} ${path}`, operation]),
    ),
  );

test('generated files are up to date', { timeout: 60_000 }, () => {
  for (const [path, text] of Object.entries(files()))
    assert.equal(readFileSync(path, 'utf8'), text, `${path} is out of date: run make generate`);
});

test('the document is valid OpenAPI 3.1', async () => {
  for (const front of Object.values(fronts)) {
    const { valid, errors } = await new Validator().validate(await documentOf(front));
    assert.deepEqual([valid, errors ?? []], [true, []]);
  }
});

test('the document contains every route, with a unique id', async () => {
  const forBrowsers = ['POST /login', 'POST /logout', 'WS /api/hub/live'];
  const all = [...HUB_ROUTES, ...YAMCP_ROUTES, ...OTHER_ROUTES].map(
    ({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`,
  );
  const wanted = all.filter((each) => !forBrowsers.includes(each)).sort();
  assert.ok(wanted.length > 60);
  const closed = operationsOf(await documentOf(fronts.closed));
  assert.deepEqual(Object.keys(closed).sort(), wanted);
  assert.equal(new Set(Object.values(closed).map(({ operationId }) => operationId)).size, wanted.length);
  const open = Object.keys(operationsOf(await documentOf(fronts.open))).sort();
  assert.deepEqual(
    open,
    wanted.filter((each) => !['GET /status', 'GET /metrics'].includes(each)),
    'an open hub has these at HUB_SIDECAR_PORT',
  );
});

test('every operation has its response and its errors, by code', async () => {
  for (const [name, { responses, requestBody }] of Object.entries(operationsOf(await documentOf(fronts.open)))) {
    assert.ok(responses[200].content, name);
    assert.match(responses[500].description, /HUB_INTERNAL/, name);
    assert.ok(responses[403] && responses[503] && !responses.default, name);
    if (requestBody) assert.match(responses[400].description, /BODY_INVALID/, name);
  }
  const { responses } = operationsOf(await documentOf(fronts.open))['PUT /api/hub/servers'];
  assert.match(responses[404].description, /NO_SUCH_SERVER/);
  assert.match(responses[409].description, /ALREADY_EXISTS/);
  assert.equal(responses[401], undefined);
});

test('a protected hub requires a token for the document, and the document says so', async () => {
  const { status, body } = await get(fronts.closed, '/api/openapi.json');
  assert.deepEqual([status, body.code], [401, 'TOKEN_REQUIRED']);
  const { security, components, paths } = await documentOf(fronts.closed);
  assert.deepEqual([security, components.securitySchemes.token.scheme], [[{ token: [] }], 'bearer']);
  assert.match(paths['/api/hub/state'].get.responses[401].description, /TOKEN_REQUIRED, TOKEN_INVALID/);
  assert.deepEqual(paths['/healthz'].get.security, []);
  assert.equal((await documentOf(fronts.open)).security, undefined);
});

test('with a login cookie, the page needs no page secret, like other pages; the document does', async () => {
  const { auth } = fronts.closed;
  const request = /** @type {any} */ ({ headers: {}, socket: { remoteAddress: '127.0.0.1' } });
  const [cookie] = auth.logIn(auth.prove(TOKEN, request), request).header.split(';');
  assert.equal((await get(fronts.closed, '/hub/api')).status, 401);
  assert.equal((await get(fronts.closed, '/hub/api', { cookie })).status, 200);
  const { status, body } = await get(fronts.closed, '/api/openapi.json', { cookie });
  assert.deepEqual([status, body.code], [401, 'PAGE_SECRET_REQUIRED']);
});

test('the page contains every operation, no script, and nothing from other hosts', async () => {
  const { status, headers, body } = await get(fronts.open, '/hub/api');
  assert.equal(status, 200);
  assert.match(String(headers['content-type']), /^text\/html/);
  assert.match(String(headers['content-security-policy']), /^default-src 'none'; style-src 'sha256-/);
  assert.doesNotMatch(body, /<script|\son\w+=|(?:src|href)="(?:https?:)?\/\//);
  for (const { operationId } of Object.values(operationsOf(await documentOf(fronts.open))))
    assert.ok(body.includes(`id="${operationId}"`), operationId);
  for (const [, target] of body.matchAll(/href="#([^"]+)"/g)) assert.ok(body.includes(`id="${target}"`), target);
});

test('HEAD has no body, other methods are refused, and URLs are those that the client uses', async () => {
  for (const path of ['/api/openapi.json', '/hub/api']) {
    const head = await get(fronts.open, path, {}, 'HEAD');
    assert.deepEqual([head.status, head.body], [200, ''], path);
    const { status, headers } = await get(fronts.open, path, {}, 'DELETE');
    assert.deepEqual([status, headers.allow], [405, 'GET, HEAD'], path);
  }
  const host = `localhost:${fronts.open.settings.port}`;
  const { body } = await get(fronts.open, '/api/openapi.json', { host });
  assert.deepEqual(body.servers, [{ url: `http://${host}` }]);
});
