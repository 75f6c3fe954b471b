/** Actions on several servers or workspaces, copies, and undo of the last change. */

import { toast } from '../ui/toast.mjs';
import { count } from '../words.mjs';
import { api, refresh } from './store.mjs';

/**
 * @typedef {{ servers?: string[], workspaces?: string[] }} Picked
 * @typedef {'enable' | 'disable' | 'join' | 'leave' | 'delete'} Action
 */

/** @type {Record<Action, string>} */
const DONE_TEXTS = {
  enable: 'switched on',
  disable: 'switched off',
  join: 'added to the workspace',
  leave: 'removed from the workspace',
  delete: 'deleted',
};

/** Make one change to all of them. @param {Action} action @param {Picked} picked */
export async function editMany(action, picked) {
  await api.post('/api/hub/many', {}, { action, ...picked });
  await refresh();
  const { servers = [], workspaces = [] } = picked;
  const what = servers.length > 0 ? count(servers.length, 'server') : count(workspaces.length, 'workspace');
  toast(`${what} ${DONE_TEXTS[action]}`);
}

/** Restart servers one after the other; failures are reported together. @param {string[]} keys */
export async function restartMany(keys) {
  /** @type {string[]} */
  const failed = [];
  for (const key of keys) await api.post('/api/hub/servers/restart', { key }).catch(() => failed.push(key));
  await refresh();
  const done = keys.length - failed.length;
  toast(
    `${count(done, 'server')} restarted${failed.length > 0 ? `; not running, and so not restarted: ${failed.join(', ')}` : ''}`,
  );
}

/** @param {'servers' | 'workspaces'} section @param {string} name @param {string} to */
export async function duplicate(section, name, to) {
  await api.post(`/api/hub/${section}/duplicate`, section === 'servers' ? { key: name } : { name }, { to });
  await refresh();
  toast(`${to}: added, a copy of ${name}`);
}

/** Undo the change that the page shows as the last one. @param {string} change its id */
export async function undo(change) {
  const { summary } = await api.post('/api/hub/undo', {}, { change });
  await refresh();
  toast(`Undone: ${summary}`);
}
