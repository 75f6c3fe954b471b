/** The routes of what principals have of their own: grants of their MCP clients, sign-ins at remote servers. Pure. */

import { name, optional } from '../fields.mjs';
import { route } from '../route.mjs';

/** @type {import('../routes.mjs').Route[]} */
export const ACCOUNT_ROUTES = [
  route('grants', 'GET', '/api/hub/grants', {
    summary: 'What users have allowed MCP clients (OAuth), newest first, and when each was last used.',
    answer: '{grants}',
  }),
  route('endGrant', 'DELETE', '/api/hub/grants', {
    summary: 'End a grant; its tokens are refused within a second.',
    query: { id: name },
    answer: '{}',
    errors: ['NO_SUCH_GRANT'],
  }),
  route('account', 'GET', '/api/account', {
    summary:
      'For every principal: who it is, the URLs of the workspaces that it may use, and what it has allowed MCP clients.',
    answer: '{id, name, email, role, by, admin, workspaces, grants}',
  }),
  route('self', 'GET', '/api/account/self', {
    summary: 'For every principal: who it is, and by what it has signed in.',
    answer: '{id, name, email, role, by}',
  }),
  route('endOwnGrant', 'DELETE', '/api/account/grants/:id', {
    summary: 'For every principal: end one of its own grants.',
    answer: '{}',
    errors: ['NO_SUCH_GRANT'],
  }),
  route('ownSignIns', 'GET', '/api/account/sign-ins', {
    summary: 'For every principal: its own sign-ins at remote servers with `sign_in`, and those of all users together.',
    answer: '{sign_ins}',
  }),
  route('endOwnSignIn', 'DELETE', '/api/account/sign-ins', {
    summary: 'For every principal: sign out at a remote server; one of all users together, for admins only.',
    query: { server: name },
    answer: '{}',
    errors: ['SIGN_IN_FORBIDDEN'],
  }),
  route('upstreamSignIns', 'GET', '/api/hub/upstream-sign-ins', {
    summary: 'Who has signed in at which remote server (`sign_in`).',
    answer: '{sign_ins}',
  }),
  route('endUpstreamSignIn', 'DELETE', '/api/hub/upstream-sign-ins', {
    summary: 'Sign a principal out at a remote server; without `principal`, the one that all users share.',
    query: { server: name, principal: optional(name) },
    answer: '{}',
  }),
];
