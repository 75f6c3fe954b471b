/** A real OpenID provider (npm oidc-provider) in this process, whose users sign in without being asked. */

import { once } from 'node:events';
import { createServer } from 'node:http';
import { exportJWK, generateKeyPair } from 'jose';

/** @typedef {{sub: string} & Record<string, unknown>} User */

export const CLIENT = { id: 'hub', secret: 'a-secret-of-the-hub-at-its-provider-0123456789' };
// It has no types.
const { default: OidcProvider } = await import(/** @type {string} */ ('oidc-provider'));

/** A key with which it signs. @param {string} id */
async function keyOf(id) {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  return { ...(await exportJWK(privateKey)), kid: id, use: 'sig', alg: 'ES256' };
}

/** A provider, made by `openProvider`. */
export class RealProvider {
  /** Who signs in next. @type {User} */
  user = { sub: 'ada', name: 'Ada Lovelace', email: 'ada@example.com', email_verified: true, groups: ['dev'] };
  /** @type {import('node:http').Server | null} */
  #server = null;
  #keys = 1;
  /** What went wrong in it, of which its answers say nothing. @type {unknown[]} */
  errors = [];

  /** @param {number} port @param {string} hub  the hub's URL */
  constructor(port, hub) {
    this.port = port;
    this.hub = hub;
    this.issuer = `http://127.0.0.1:${port}`;
    /** @type {Map<string, User>} */
    this.known = new Map();
    /** Survives its restarts. @type {Map<string, any>} */
    this.stored = new Map();
  }

  /** Start, or start anew with another key. */
  async start() {
    const jwks = { keys: [await keyOf(`key-${this.#keys}`)] };
    const provider = new OidcProvider(this.issuer, { ...this.#configuration(), jwks, adapter: memory(this.stored) });
    for (const name of ['server_error', 'backchannel.error'])
      provider.on(name, (/** @type {unknown[]} */ ...args) => this.errors.push(args));
    provider.use(async (/** @type {any} */ ctx, /** @type {() => Promise<void>} */ next) => {
      if (!ctx.path.startsWith('/interaction/')) return next();
      this.known.set(this.user.sub, this.user);
      await provider.interactionFinished(ctx.req, ctx.res, { login: { accountId: this.user.sub } });
      ctx.respond = false;
    });
    this.#server = createServer(provider.callback());
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

  /**
   * End the session of a browser here, as somebody does who logs out at the provider.
   * @param {import('./visitor.mjs').Visitor} visitor @param {string} [url]  with which the log-out begins
   * @returns {Promise<string>} the URL to which the browser is sent in the end
   */
  async endSession(visitor, url = `${this.issuer}/session/end?client_id=${CLIENT.id}`) {
    const { answer } = await visitor.open(url);
    const [, xsrf] = /name="xsrf" value="(\w+)"/.exec(answer?.body) ?? [];
    const [, action] = /action="([^"]+)"/.exec(answer?.body) ?? [];
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const sent = await visitor.ask('POST', action, {
      headers,
      raw: String(new URLSearchParams({ xsrf, logout: 'yes' })),
    });
    return String(sent.headers.location);
  }

  /** Replace its key, as providers do now and then. */
  async rotate() {
    await this.stop();
    this.#keys += 1;
    await this.start();
  }

  #configuration() {
    return {
      clients: [
        {
          client_id: CLIENT.id,
          client_secret: CLIENT.secret,
          redirect_uris: [`${this.hub}/login/oidc/callback`],
          post_logout_redirect_uris: [`${this.hub}/login`],
          backchannel_logout_uri: `${this.hub}/logout/backchannel`,
          backchannel_logout_session_required: true,
          grant_types: ['authorization_code'],
          response_types: ['code'],
          id_token_signed_response_alg: 'ES256',
        },
      ],
      scopes: ['openid', 'profile', 'email'],
      claims: { openid: ['sub', 'sid'], profile: ['name', 'groups'], email: ['email', 'email_verified'] },
      findAccount: (/** @type {unknown} */ _, /** @type {string} */ id) => ({
        accountId: id,
        claims: () => this.known.get(id) ?? { sub: id },
      }),
      loadExistingGrant: async (/** @type {any} */ ctx) => {
        const { client, session, provider } = ctx.oidc;
        const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
        grant.addOIDCScope('openid profile email');
        await grant.save();
        return grant;
      },
      interactions: { url: (/** @type {unknown} */ _, /** @type {{uid: string}} */ { uid }) => `/interaction/${uid}` },
      features: {
        devInteractions: { enabled: false },
        backchannelLogout: { enabled: true },
        rpInitiatedLogout: { enabled: true, logoutSource: askNothing },
      },
      // Its own dispatcher connects to no loopback address.
      fetch: (/** @type {string} */ url, /** @type {any} */ { dispatcher: _, ...options }) => fetch(url, options),
      pkce: { required: () => true },
      cookies: { keys: ['a-key-of-cookies'] },
      ttl: { AccessToken: 300, AuthorizationCode: 60, IdToken: 300, Interaction: 600, Session: 3600, Grant: 3600 },
    };
  }
}

/** The page that asks whether to log out: a form that a browser sends. @param {any} ctx @param {string} form */
function askNothing(ctx, form) {
  ctx.body = `<!doctype html><title>Log out</title>${form}<button form="op.logoutForm" name="logout" value="yes">Yes</button>`;
}

/**
 * Where a provider keeps sessions and the like.
 * @param {Map<string, any>} stored
 */
function memory(stored) {
  return class {
    /** @param {string} name */
    constructor(name) {
      this.name = name;
    }

    /** @param {string} id */
    key(id) {
      return `${this.name}:${id}`;
    }

    /** @param {string} id @param {any} payload */
    async upsert(id, payload) {
      stored.set(this.key(id), payload);
    }

    /** @param {string} id */
    async find(id) {
      return stored.get(this.key(id));
    }

    /** @param {string} uid */
    async findByUid(uid) {
      return [...stored.values()].find((payload) => payload.uid === uid);
    }

    /** @param {string} id */
    async consume(id) {
      stored.get(this.key(id)).consumed = Math.floor(Date.now() / 1000);
    }

    /** @param {string} id */
    async destroy(id) {
      stored.delete(this.key(id));
    }

    /** @param {string} grant */
    async revokeByGrantId(grant) {
      for (const [key, payload] of stored) if (payload.grantId === grant) stored.delete(key);
    }
  };
}
