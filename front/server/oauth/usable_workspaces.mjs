// Which workspaces a principal may use, for the pages of sign-in. The sidecar decides again about every request.

import { mayUse } from '../access/keys.mjs';
import { isUser } from '../access/principals.mjs';
import { unavailable } from './oauth_error.mjs';

/**
 * @typedef {import('../state/hub.mjs').HubClient} HubClient
 * @typedef {import('../access/keys.mjs').Principal} Principal
 * @typedef {import('../state/state.mjs').WorkspaceState} WorkspaceState
 */

/**
 * Return the workspaces that a principal may use.
 * @param {Pick<HubClient, 'fresh' | 'askSidecar'>} hub @param {Principal} principal
 * @returns {Promise<WorkspaceState[]>}
 * @throws temporarily_unavailable: the hub does not know its workspaces yet; HUB_AWAY
 */
export async function usableWorkspaces(hub, principal) {
  const { hub: about, workspaces } = await hub.fresh();
  if (workspaces.length === 0 && about.source === 'none') throw unavailable();
  if (!isUser(principal.id)) return workspaces.filter(({ name }) => mayUse(principal, name));
  const seen = await hub.askSidecar('view_as', { subject: `user:${principal.id}` });
  const usable = new Set(seen.workspaces.filter((each) => each.usable).map(({ name }) => name));
  return workspaces.filter(({ name }) => usable.has(name));
}
