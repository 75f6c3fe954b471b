/** An OpenID provider whose answers a test decides: for what a real one does not do wrong. */

import { once } from 'node:events';
import { createServer } from 'node:http';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { CLIENT } from './oidc_provider.mjs';

/** @typedef {Record<string, unknown>} Claims */

const LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout';

/** @param {string} id */
async function keyPair(id) {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
  return { id, privateKey, jwk: { ...(await exportJWK(publicKey)), kid: id, use: 'sig', alg: 'RS256' } };
}

/** One provider. Its fields are what it answers with; `reset` makes it behave. */
export class OddProvider {
  /** @type {import('node:http').Server | null} */
  #server = null;
  /** Claims that its ID tokens have in place of the right ones. @type {Claims} */
  claims = {};
  /** Parameters of its answer in place of the right ones; null: none. @type {Record<string, string | null>} */
  answer = {};
  /** Its metadata in place of the right one. @type {Record<string, unknown>} */
  metadata = {};
  /** What its token endpoint answers in place of tokens. @type {{status: number, body: object} | null} */
  refusal = null;
  /** What the userinfo endpoint says; null: nothing (401). @type {Claims | null} */
  userinfo = {};
  /** Whether it refuses `resource` beside scopes, as Microsoft Entra does (AADSTS9010010). */
  refusesResource = true;
  /** The authorization requests and token requests that came. @type {URLSearchParams[]} */
  asked = [];
  /** @type {Map<string, URLSearchParams>} */
  #codes = new Map();
  #count = 0;
  path = '';

  /** @param {number} port */
  constructor(port) {
    this.port = port;
    this.issuer = `http://127.0.0.1:${port}`;
  }

  async start() {
    this.key ??= await keyPair('first');
    this.known = this.key;
    this.#server = createServer((request, response) => void this.#handle(request, response));
    this.#server.listen(this.port, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async stop() {
    const closed = this.#server && once(this.#server, 'close');
    this.#server?.close();
    this.#server?.closeAllConnections();
    this.#server = null;
    await closed;
  }

  reset() {
    this.claims = {};
    this.answer = {};
    this.metadata = {};
    this.refusal = null;
    this.userinfo = {};
    this.asked = [];
    this.known = this.key;
  }

  /** Sign with another key from now on, which `jwks_uri` has as well unless `secret`. @param {{secret?: boolean}} options */
  async rotate({ secret = false } = {}) {
    const made = await keyPair(secret ? 'first' : `key-${(this.#count += 1)}`);
    if (!secret) this.known = made;
    this.key = made;
    return made;
  }

  /** A signed token. @param {Claims} claims @param {string} [type] */
  sign(claims, type = 'JWT') {
    const key = /** @type {any} */ (this.key);
    return new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: key.id, typ: type }).sign(key.privateKey);
  }

  /** A log-out token. @param {Claims} [changes]  undefined values: the claim is left out */
  logoutToken(changes = {}) {
    const iat = now();
    const right = { iss: this.issuer, aud: CLIENT.id, iat, exp: iat + 120, jti: `jti-${(this.#count += 1)}` };
    return this.sign({ ...right, sub: 'ada', events: { [LOGOUT_EVENT]: {} }, ...changes }, 'logout+jwt');
  }

  /** @param {import('node:http').IncomingMessage} request @param {import('node:http').ServerResponse} response */
  async #handle(request, response) {
    const url = new URL(request.url ?? '/', this.issuer);
    const send = (/** @type {number} */ status, /** @type {unknown} */ body) => {
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
    };
    if (url.pathname.endsWith('/.well-known/openid-configuration')) send(200, this.#describe());
    else if (url.pathname === '/jwks') send(200, { keys: [/** @type {any} */ (this.known).jwk] });
    else if (url.pathname === '/authorize') this.#authorize(url.searchParams, response);
    else if (url.pathname === '/token') await this.#token(request, send);
    else if (url.pathname === '/userinfo') send(this.userinfo ? 200 : 401, { sub: this.#subject(), ...this.userinfo });
    else send(404, {});
  }

  #describe() {
    const endpoint = (/** @type {string} */ name) => `${this.issuer.replace(this.path, '')}/${name}`;
    return {
      issuer: this.issuer,
      authorization_endpoint: endpoint('authorize'),
      token_endpoint: endpoint('token'),
      userinfo_endpoint: endpoint('userinfo'),
      jwks_uri: endpoint('jwks'),
      response_types_supported: ['code'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256'],
      authorization_response_iss_parameter_supported: true,
      ...this.metadata,
    };
  }

  /** @param {URLSearchParams} query @param {import('node:http').ServerResponse} response */
  #authorize(query, response) {
    this.asked.push(query);
    const back = new URL(query.get('redirect_uri') ?? '');
    const code = `code-${(this.#count += 1)}`;
    this.#codes.set(code, query);
    const resource = this.refusesResource && query.has('resource');
    const right = resource
      ? { error: 'invalid_target', error_description: 'AADSTS9010010', state: query.get('state') }
      : { code, state: query.get('state'), iss: this.issuer };
    for (const [name, value] of Object.entries({ ...right, ...this.answer }))
      if (value !== null) back.searchParams.set(name, value);
    response.writeHead(302, { Location: back.href }).end();
  }

  /** @param {import('node:http').IncomingMessage} request @param {(status: number, body: unknown) => void} send */
  async #token(request, send) {
    let body = '';
    for await (const chunk of request) body += chunk;
    const form = new URLSearchParams(body);
    this.asked.push(form);
    if (this.refusal) return send(this.refusal.status, this.refusal.body);
    const asked = this.#codes.get(form.get('code') ?? '');
    this.#codes.delete(form.get('code') ?? '');
    if (!asked || form.has('resource')) return send(400, { error: 'invalid_grant' });
    const iat = now();
    const right = { iss: this.issuer, aud: CLIENT.id, sub: 'ada', nonce: asked.get('nonce'), iat, exp: iat + 300 };
    const claims = { ...right, name: 'Ada', email: 'ada@example.com', email_verified: true, ...this.claims };
    send(200, { access_token: 'a', token_type: 'Bearer', expires_in: 60, id_token: await this.sign(claims) });
  }

  #subject() {
    return this.claims.sub ?? 'ada';
  }
}

const now = () => Math.floor(Date.now() / 1000);
