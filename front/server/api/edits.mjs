/**
 * Edits of YAMCP's two files by requests to the adapter, which is the only writer and compares the hash of what was
 * read (compare and swap).
 */

import { fileBroken, noSuchServer, noSuchWorkspace } from './api_errors.mjs';

const MAX_TRIES = 10; // each writer that comes between costs one

/** @typedef {{content: Record<string, any>, text: string, hash: string, entries: Record<string, string>}} ConfigFile */

/**
 * Return one of YAMCP's files as it is now, with its secret values masked.
 *
 * @param {import('../state/hub.mjs').HubClient} hub
 * @param {'providers' | 'workspaces'} file
 * @returns {Promise<ConfigFile>}
 * @throws CONFIG_FILE_BROKEN: it cannot be parsed now
 */
export async function readConfig(hub, file) {
  const found = await hub.askAdapter('config', { file });
  if (found.error || !found.content) throw fileBroken(file, found.error);
  return { content: found.content, text: found.text ?? '{}', hash: found.hash, entries: found.entries };
}

/**
 * Return the entry of a server as it is stored, with its secret values masked.
 *
 * @param {import('../state/hub.mjs').HubClient} hub
 * @param {string} key
 * @returns {Promise<{entry: unknown, hash: string}>}
 * @throws NO_SUCH_SERVER, CONFIG_FILE_BROKEN
 */
export async function storedServer(hub, key) {
  const { content, entries } = await readConfig(hub, 'providers');
  if (!Object.hasOwn(entries, key)) throw noSuchServer(key);
  return { entry: content[key], hash: entries[key] };
}

/**
 * Add a server.
 *
 * @param {import('../state/hub.mjs').HubClient} hub
 * @param {string} key
 * @param {Record<string, any>} entry in YAMCP's form
 * @throws ALREADY_EXISTS, ENTRY_INVALID, MASKED_VALUE
 */
export async function addServer(hub, key, entry) {
  return hub.change('put_server', { key, entry, expect: '' });
}

/**
 * Replace the entry of a server.
 *
 * @param {import('../state/hub.mjs').HubClient} hub
 * @param {string} oldKey
 * @param {{key: string, entry: Record<string, any>}} to
 * @param {string | undefined} expect hash of the entry that the caller saw; left out: whatever is there
 * @throws NO_SUCH_SERVER, ALREADY_EXISTS, ENTRY_INVALID, MASKED_VALUE, EDIT_CONFLICT
 */
export async function replaceServer(hub, oldKey, to, expect) {
  return (await remakeServer(hub, oldKey, () => to, expect)).changed;
}

/**
 * Replace the entry of a server by one made from the stored entry. The adapter replaces masked values by stored ones.
 *
 * @param {import('../state/hub.mjs').HubClient} hub
 * @param {string} oldKey
 * @param {(stored: unknown) => {key: string, entry: Record<string, any>}} make
 * @param {string} [expect]
 */
export async function remakeServer(hub, oldKey, make, expect) {
  return retryOnConflict(expect, async () => {
    const stored = await storedServer(hub, oldKey);
    const { key, entry } = make(stored.entry);
    const change = { key, entry, expect: expect ?? stored.hash };
    const changed = await hub.change('put_server', key === oldKey ? change : { ...change, old_key: oldKey });
    return { key, changed };
  });
}

/**
 * Delete a server.
 *
 * @param {import('../state/hub.mjs').HubClient} hub
 * @param {string} key
 * @param {string} [expect]
 */
export async function deleteServer(hub, key, expect) {
  return hub.change('delete_server', { key, ...(expect !== undefined && { expect }) });
}

/**
 * Add a workspace.
 *
 * @param {import('../state/hub.mjs').HubClient} hub
 * @param {string} name
 * @param {string[]} servers
 * @throws ALREADY_EXISTS
 */
export async function addWorkspace(hub, name, servers) {
  return hub.change('put_workspace', { name, servers, expect: '' });
}

/**
 * Change the members or the name of a workspace.
 *
 * @param {import('../state/hub.mjs').HubClient} hub
 * @param {string} oldName
 * @param {{name: string, servers: string[]}} to
 * @param {string} [expect] hash of the entry that the caller saw; left out: whatever is there
 * @throws NO_SUCH_WORKSPACE, ALREADY_EXISTS, EDIT_CONFLICT
 */
export async function replaceWorkspace(hub, oldName, { name, servers }, expect) {
  return retryOnConflict(expect, async () => {
    const { entries } = await readConfig(hub, 'workspaces');
    if (!Object.hasOwn(entries, oldName)) throw noSuchWorkspace(oldName);
    const change = { name, servers, expect: expect ?? entries[oldName] };
    return hub.change('put_workspace', name === oldName ? change : { ...change, old_name: oldName });
  });
}

/**
 * Delete a workspace.
 *
 * @param {import('../state/hub.mjs').HubClient} hub
 * @param {string} name
 * @param {string} [expect]
 */
export async function deleteWorkspace(hub, name, expect) {
  return hub.change('delete_workspace', { name, ...(expect !== undefined && { expect }) });
}

/**
 * Replace a whole file; the adapter replaces masked values by stored ones.
 *
 * @param {import('../state/hub.mjs').HubClient} hub
 * @param {'providers' | 'workspaces'} file
 * @param {Record<string, any>} content
 * @param {string} [expect] hash of the file that the caller saw; left out: whatever is there
 * @throws MASKED_VALUE, EDIT_CONFLICT, CONFIG_FILE_BROKEN
 */
export async function replaceConfig(hub, file, content, expect) {
  return retryOnConflict(expect, async () => {
    const { hash } = await readConfig(hub, file);
    return hub.change('put_config', { file, content, expect: expect ?? hash });
  });
}

/**
 * Add servers of another client's configuration; the adapter replaces masked values by stored ones.
 *
 * @param {import('../state/hub.mjs').HubClient} hub
 * @param {{config: Record<string, any>, workspace?: string, replace?: boolean, dry_run?: boolean}} asked
 * @returns {Promise<import('./describe/answers.mjs').HubAnswers['import']>}
 */
export async function importServers(hub, asked) {
  return asked.dry_run ? hub.askAdapter('import', asked) : hub.change('import', asked);
}

/**
 * Retry if another program changed the entry between reading and writing, and the caller did not expect a certain
 * version.
 *
 * @template T
 * @param {string | undefined} expect
 * @param {() => Promise<T>} write
 * @returns {Promise<T>}
 */
async function retryOnConflict(expect, write) {
  for (let left = MAX_TRIES; ; left -= 1) {
    try {
      return await write();
    } catch (error) {
      const lost = error instanceof Error && 'code' in error && error.code === 'EDIT_CONFLICT';
      if (!lost || expect !== undefined || left <= 1) throw error;
    }
  }
}
