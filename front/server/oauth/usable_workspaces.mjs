// Which workspaces a principal may use, for the pages of sign-in. The sidecar decides again about every request.

import { isNamedKey, mayUse } from '../access/keys.mjs';
import { unavailable } from './oauth_error.mjs';

/**
 * @typedef {import('../state/hub.mjs').HubClient} HubClient
 * @typedef {import('../access/keys.mjs').Principal} Principal
 * @typedef {import('../state/state.mjs').WorkspaceState} WorkspaceState
 */

/** The form of a user's id. */
const USER = /^u[0-9a-f]{15}$/;

/**
 * Return the workspaces that a principal may use.
 * @param {Pick<HubClient, 'fresh' | 'askSidecar'>} hub @param {Principal} principal
 * @returns {Promise<WorkspaceState[]>}
 * @throws temporarily_unavailable: the hub does not know its workspaces yet; HUB_AWAY
 */
export async function usableWorkspaces(hub, principal) {
  const { hub: about, workspaces } = await hub.fresh();
  if (workspaces.length === 0 && about.source === 'none') throw unavailable();
  if (!isNamedKey(principal.id) || (principal.admin && !USER.test(principal.id))) return workspaces;
  if (!USER.test(principal.id)) return workspaces.filter(({ name }) => mayUse(principal, name));
  const seen = await hub.askSidecar('view_as', { subject: `user:${principal.id}` });
  const usable = new Set(seen.workspaces.filter((each) => each.usable).map(({ name }) => name));
  return workspaces.filter(({ name }) => usable.has(name));
}
