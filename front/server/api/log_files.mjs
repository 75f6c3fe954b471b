/** Lists and opens log files: those of YAMCP, in one directory for each workspace, and the hub's own, under `hub`. */

import { constants } from 'node:fs';
import { open, readdir, realpath, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

const HUB_DIRECTORY = 'hub';
const MAX_FILES = 1000;
const YAMCP_LOG = /\.log$/;
const HUB_LOG = /\.log(?:\.\d+)?$/;

/**
 * @typedef {{own: string, yamcp: string}} LogDirs the hub's and YAMCP's directory of logs
 * @typedef {{name: string, size: number, modified: string, path: string}} LogFile as YAMCP-UI lists it; size in bytes
 */

/**
 * Return the directories of logs.
 *
 * @param {string} dataDir the hub's
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {LogDirs}
 */
export function logDirs(dataDir, env = process.env) {
  const state = env.XDG_STATE_HOME || join(homedir(), '.local', 'state');
  return { own: join(dataDir, 'logs'), yamcp: join(state, 'yamcp-nodejs') };
}

/**
 * Return every log file that `openLogFile` would open, at most 1,000.
 *
 * @param {LogDirs} dirs
 * @returns {Promise<LogFile[]>}
 */
export async function listLogFiles(dirs) {
  const found = await logsIn(dirs.own, HUB_DIRECTORY, HUB_LOG);
  for (const entry of await entriesOf(dirs.yamcp)) {
    if (found.length >= MAX_FILES) break;
    if (entry.isDirectory() && entry.name !== HUB_DIRECTORY)
      found.push(...(await logsIn(join(dirs.yamcp, entry.name), entry.name, YAMCP_LOG)));
  }
  return found.slice(0, MAX_FILES);
}

/**
 * Open a log file for reading; the caller closes it.
 *
 * @param {LogDirs} dirs
 * @param {string} workspace name of its directory, or `hub`
 * @param {string} file
 * @returns {Promise<{handle: import('node:fs/promises').FileHandle, size: number} | null>} null: there is none
 */
export async function openLogFile(dirs, workspace, file) {
  const isOwn = workspace === HUB_DIRECTORY;
  if (!isName(workspace) || !isName(file) || !(isOwn ? HUB_LOG : YAMCP_LOG).test(file)) return null;
  const parent = isOwn ? dirs.own : join(dirs.yamcp, workspace);
  try {
    const real = await realpath(parent);
    if (!isOwn && real !== join(await realpath(dirs.yamcp), workspace)) return null; // a link to elsewhere
    // NOFOLLOW: refuse symbolic links; NONBLOCK: do not wait for the writer of a named pipe.
    const handle = await open(join(real, file), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const info = await handle.stat();
    if (info.isFile()) return { handle, size: info.size };
    await handle.close();
    return null;
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  }
}

/** @type {(dir: string, prefix: string, wanted: RegExp) => Promise<LogFile[]>} */
async function logsIn(dir, prefix, wanted) {
  const files = [];
  for (const entry of await entriesOf(dir)) {
    if (!entry.isFile() || !wanted.test(entry.name) || files.length >= MAX_FILES) continue;
    const path = join(dir, entry.name);
    const info = await stat(path).catch(() => null); // rotated away since
    if (info)
      files.push({ name: `${prefix}/${entry.name}`, size: info.size, modified: info.mtime.toISOString(), path });
  }
  return files;
}

/** @type {(dir: string) => Promise<import('node:fs').Dirent[]>} */
async function entriesOf(dir) {
  try {
    const entries = await readdir(dir, { withFileTypes: true });
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

/** @type {(text: string) => boolean} */
function isName(text) {
  return text !== '' && text !== '.' && text !== '..' && !/[/\\\0]/.test(text);
}

/** @type {(error: unknown) => boolean} */
function isAbsent(error) {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return ['ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES', 'ENAMETOOLONG', 'ENXIO'].includes(code);
}
