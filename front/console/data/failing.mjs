/** Servers of a workspace that are not available, and the reasons. Pure. */

import { serverState } from '../words.mjs';

/**
 * @typedef {import('../types.mjs').Workspace} Workspace @typedef {import('../types.mjs').Server} Server
 * @typedef {{key: string, word: string, tone: import('../types.mjs').Tone, why: string}} MissingServer
 */

/** Return why a server is not ready, with its last line of stderr; empty if unknown. @param {Server} server */
export function failureReason({ reason, troubles, issues, stderr_line: stderrLine }) {
  const error = reason ?? troubles[0] ?? issues.find(({ severity }) => severity === 'error');
  if (!error) return stderrLine;
  return stderrLine && !error.message.includes(stderrLine)
    ? `${error.message} Last output: ${stderrLine}`
    : error.message;
}

/**
 * Return the members of a workspace whose tools are missing, in order, without those that are switched off in it.
 *
 * @param {Workspace} workspace
 * @param {ReadonlyMap<string, Server>} servers by key
 * @returns {MissingServer[]}
 */
export function missingServers({ servers: keys, disabled_servers: off }, servers) {
  return keys.flatMap((key) => {
    const server = servers.get(key);
    if (!server || off.includes(key) || isServing(server)) return [];
    const { word, tone } = serverState(server);
    return [
      { key, word, tone, why: server.enabled ? failureReason(server) : 'The server is switched off everywhere.' },
    ];
  });
}

/** @param {Server} server */
const isServing = ({ state, enabled, session }) =>
  ['ready', 'degraded', 'sleeping', 'unknown'].includes(state) ||
  (enabled && session === 'per_client' && state === 'stopped');
