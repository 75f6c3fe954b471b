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
 * Return the workspaces that a principal may use, with those of their servers of which it may use something. The sidecar
 * knows that: of keys, too, rules of access.json decide.
 * @param {Pick<HubClient, 'fresh' | 'askSidecar'>} hub @param {Principal} principal
 * @returns {Promise<WorkspaceState[]>}
 * @throws temporarily_unavailable: the hub does not know its workspaces yet; HUB_AWAY
 */
export async function usableWorkspaces(hub, principal) {
  const { hub: about, workspaces } = await hub.fresh();
  if (workspaces.length === 0 && about.source === 'none') throw unavailable();
  const { id, admin } = principal;
  if (admin && principal.workspaces === null) return workspaces;
  const own = isUser(id) ? workspaces : workspaces.filter(({ name }) => mayUse(principal, name));
  const subject = `${isUser(id) ? 'user' : 'key'}:${id}`;
  const seen = await hub.askSidecar('view_as', { subject, items: false });
  const usable = new Map(seen.workspaces.filter((each) => each.usable).map(({ name, servers }) => [name, servers]));
  return own.flatMap((each) => {
    const servers = usable.get(each.name);
    return servers ? { ...each, servers: [...servers] } : [];
  });
}
