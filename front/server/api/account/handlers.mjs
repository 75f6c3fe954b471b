/**
 * What a principal has of its own (workspaces that it may use, grants of its MCP clients), and the grants of all for
 * admins.
 */

import { identityOf } from './identity.mjs';
import { usableWorkspaces } from '../../oauth/usable_workspaces.mjs';

/**
 * @typedef {import('../../access/principals.mjs').Principal} Principal
 * @typedef {import('../router.mjs').HandlersOf<import('../describe/answers.mjs').HubAnswers>} Handlers
 */

/** Whom a request without a token comes from, in a hub that wants none. @type {Principal} */
const EVERYBODY = {
  ...{ id: '', name: 'everybody', workspaces: null, admin: true, mark: '', subjects: [], claims: {} },
  ...{ role: 'admin', owns: { servers: [], workspaces: [] } },
};

/**
 * Return the handlers.
 *
 * @param {import('../../state/hub.mjs').HubClient} hub
 * @param {Pick<import('../../access/auth.mjs').Auth, 'who'>} auth
 * @param {import('../../settings.mjs').Settings['oidc']} oidc  the provider at which users sign in
 * @returns {Pick<Handlers, 'account' | 'self' | 'endOwnGrant' | 'grants' | 'endGrant' | 'ownSignIns' | 'endOwnSignIn' |
 *   'upstreamSignIns' | 'endUpstreamSignIn'>}
 */
export function account(hub, auth, oidc) {
  const principalOf = (/** @type {import('express').Request} */ req) => auth.who(req)?.principal ?? EVERYBODY;
  return {
    async account({ req }) {
      const principal = principalOf(req);
      const [workspaces, { grants }] = await Promise.all([
        principal.id === '' ? (await hub.fresh()).workspaces : usableWorkspaces(hub, principal),
        hub.askAdapter('list_grants', { principal: principal.id }),
      ]);
      return {
        ...identityOf(principal, oidc),
        admin: principal.admin,
        workspaces: workspaces.map(({ name, http_url, sse_url }) => ({ name, http_url, sse_url })),
        grants,
      };
    },
    self: async ({ req }) => identityOf(principalOf(req), oidc),
    endOwnGrant: ({ req, params }) => hub.askAdapter('end_grant', { id: params.id, principal: principalOf(req).id }),
    grants: () => hub.askAdapter('list_grants', {}),
    endGrant: ({ query }) => hub.askAdapter('end_grant', { id: query.id }),
    async ownSignIns({ req }) {
      const principal = principalOf(req);
      const [usable, { sign_ins: all }] = await Promise.all([
        principal.admin ? null : usableWorkspaces(hub, principal),
        hub.askSidecar('upstream_sign_ins', { principal: principal.id }),
      ]);
      const servers = usable && new Set(usable.flatMap((workspace) => workspace.servers));
      return { sign_ins: servers ? all.filter(({ server }) => servers.has(server)) : all };
    },
    endOwnSignIn({ req, query }) {
      const { id, admin } = principalOf(req);
      return hub.askSidecar('end_upstream_sign_in', { server: query.server, principal: id, admin });
    },
    upstreamSignIns: ({ req }) =>
      hub.askSidecar('upstream_sign_ins', { principal: principalOf(req).id, every_owner: true }),
    endUpstreamSignIn: ({ query }) =>
      hub.askSidecar('end_upstream_sign_in', { server: query.server, principal: query.principal ?? '', admin: true }),
  };
}
