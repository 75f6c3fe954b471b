/** Texts about the replicas of a hub. */

import { count, duration } from '../words.mjs';

/**
 * @typedef {import('../../../bridge/node/types.mjs').ReplicasState} ReplicasState
 * @typedef {import('../../../bridge/node/types.mjs').ReplicaStatus} ReplicaStatus
 * @typedef {import('../../../bridge/node/types.mjs').SnapshotId} SnapshotId
 */

/** @type {Record<ReplicaStatus['state'], { word: string, tone: 'ok' | 'warn' | 'bad' | 'busy' | 'off' }>} */
const STATES = {
  starting: { word: 'Starting', tone: 'busy' },
  serving: { word: 'Serving', tone: 'ok' },
  draining: { word: 'Draining', tone: 'busy' },
  stopped: { word: 'Stopped', tone: 'off' },
  lost: { word: 'Lost', tone: 'bad' },
};
const GONE = new Set(['stopped', 'lost']);

/** Return the word for the state of a replica, and its tone. @param {ReplicaStatus} replica */
export const replicaState = ({ state }) => STATES[state];

/** Return what is behind the state: since when it is gone, or for how long it has been running. @param {ReplicaStatus} replica */
export const since = ({ state, age, uptime }) =>
  GONE.has(state) ? `last report ${duration(age)} ago` : `for ${duration(uptime)}`;

/** Return a configuration as people can compare it. @param {SnapshotId | null} id */
export const versionText = (id) => (id ? `${id.epoch}.${id.revision} (${id.hash.slice(0, 8)})` : 'none');

/** Return which configuration a replica serves. @param {ReplicaStatus} replica */
export const configurationText = ({ up_to_date, applied }) =>
  up_to_date ? 'Current' : applied ? `Another one: ${versionText(applied)}` : 'None yet';

/** Return how many servers a replica has. @param {ReplicaStatus} replica */
export const serversText = ({ servers, servers_failing }) =>
  servers_failing ? `${servers}, ${servers_failing} failing` : String(servers);

/** Return the sums over all replicas. @param {ReplicasState} state */
export function sums({ replicas, live, up_to_date, sessions, calls_in_flight }) {
  const gone = replicas.length - live;
  return [
    `${count(live, 'replica')}${gone ? `, ${gone} more gone` : ''}`,
    up_to_date === live
      ? 'the current configuration is applied everywhere'
      : `the current configuration is applied at ${up_to_date} of ${live}`,
    count(sessions, 'session'),
    `${count(calls_in_flight, 'call')} in progress`,
  ].join('; ');
}
