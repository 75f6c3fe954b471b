/** Actions of clicks. A switch shows its new position at once, and is done when the State shows it, too. */

import { signal } from '@preact/signals';
import { api, refresh, serversByKey, until, workspacesByName } from './store.mjs';
import { toast } from '../ui/toast.mjs';

const SHOWN_TIMEOUT_SECONDS = 5; // seconds for the State to show what the API said is done

/**
 * The new positions of switches in progress, by `workspace:<name>`, `server:<key>` and `memberId`.
 * @type {import('@preact/signals').Signal<Map<string, boolean>>}
 */
export const pendingSwitches = signal(new Map());

/** @param {string} name @param {boolean} on */
export function switchWorkspace(name, on) {
  return setSwitch(`workspace:${name}`, on, 'workspaces', { name }, () => workspacesByName.value.get(name)?.enabled);
}

/** @param {string} key @param {boolean} on */
export function switchServer(key, on) {
  return setSwitch(`server:${key}`, on, 'servers', { key }, () => serversByKey.value.get(key)?.enabled);
}

/** Switch a server in one workspace only. @param {string} workspace @param {string} key @param {boolean} on */
export function switchMember(workspace, key, on) {
  const isOn = () => !(workspacesByName.value.get(workspace)?.disabled_servers.includes(key) ?? true);
  return setSwitch(memberId(workspace, key), on, 'servers', { key, workspace }, isOn);
}

/**
 * Return the key in `pendingSwitches` for the switch of a server in a workspace.
 * @param {string} workspace @param {string} key
 */
export const memberId = (workspace, key) => `member:${JSON.stringify([workspace, key])}`;

/**
 * Remove the settings in hub.json of a server or workspace that does not exist.
 * @param {string} subject  `server:<key>` or `workspace:<name>`
 */
export async function forgetSettings(subject) {
  const [, kind, name] = /** @type {RegExpExecArray} */ (/^(server|workspace):(.*)$/s.exec(subject));
  await api.del('/api/hub/settings', { section: `${kind}s`, name });
  await refresh();
  toast(`${name}: settings removed from hub.json`);
}

/**
 * @param {string} id
 * @param {boolean} on
 * @param {'workspaces' | 'servers'} kind
 * @param {Record<string, string>} query
 * @param {() => boolean | undefined} isOn what the State says
 */
async function setSwitch(id, on, kind, query, isOn) {
  const underway = pendingSwitches.value.has(id);
  pendingSwitches.value = new Map(pendingSwitches.value).set(id, on);
  if (underway) return; // what was wanted last is where it goes in the end
  try {
    for (let wanted = !on; wanted !== pendingSwitches.value.get(id);) {
      wanted = pendingSwitches.value.get(id) ?? on;
      await api.post(`/api/hub/${kind}/${wanted ? 'start' : 'stop'}`, query);
      await refresh();
      await until(() => isOn() === wanted || pendingSwitches.value.get(id) !== wanted, SHOWN_TIMEOUT_SECONDS);
    }
  } catch (error) {
    toast.error(error);
  } finally {
    const rest = new Map(pendingSwitches.value);
    rest.delete(id);
    pendingSwitches.value = rest;
  }
}

/** Remove an earlier slug of a workspace, so that its URLs end. @param {string} name @param {string} alias */
export async function removeAlias(name, alias) {
  await api.patch('/api/hub/workspaces', { name }, { remove_aliases: [alias] });
  await refresh();
  toast(`${alias}: slug removed`);
}

/** @param {string} key */
export async function restartServer(key) {
  await api.post('/api/hub/servers/restart', { key });
  await refresh();
  toast(`${key}: restarted`);
}

/**
 * Change settings of a server; null resets one to its default.
 * @param {string} key @param {Record<string, any>} settings
 */
export async function changeSettings(key, settings) {
  await api.patch('/api/hub/servers', { key }, { settings });
  await refresh();
}

/**
 * Return the members of a workspace as its file has them, including those without a server; null if it does not exist.
 *
 * @param {string} name
 * @returns {Promise<string[]|null>}
 */
export async function storedMembers(name) {
  const content = await api.get('/api/config/workspaces');
  const entry = Object.hasOwn(content, name) ? content[name] : null;
  const members = Array.isArray(entry) ? entry : entry?.servers;
  return Array.isArray(members) ? members.filter((key) => typeof key === 'string') : null;
}

/** Add a server to a workspace, as its last member. @param {string} name @param {string} key */
export async function addMember(name, key) {
  const expect = workspacesByName.value.get(name)?.hash;
  const members = (await storedMembers(name)) ?? [];
  if (members.includes(key)) return;
  await api.put('/api/hub/workspaces', { name }, { name, servers: [...members, key], ...(expect && { expect }) });
}
