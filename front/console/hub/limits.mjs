/** Texts about the limits of keys and users, and what they have used of them (access.json). */

/**
 * @typedef {import('../../../bridge/node/types.mjs').LimitUse} LimitUse
 * @typedef {import('../../../bridge/node/types.mjs').PrincipalLimits} PrincipalLimits
 * @typedef {import('../../../bridge/node/types.mjs').LimitsState} LimitsState
 */

const NAMES = {
  rate: 'Requests per second',
  concurrent: 'Calls at once',
  sessions: 'Sessions',
  calls_per_day: 'Calls today',
  bytes_per_day: 'Bytes today',
};

/** @type {Record<LimitsState['store'], string>} */
const STORES = {
  off: '',
  memory: '',
  shared: 'Counted together with other hubs.',
  shared_away: 'Redis does not answer, so that this hub counts for itself.',
};

const whole = (/** @type {number} */ value) => Math.round(value).toLocaleString('en');

/** Return what a limit is about and how much of it is used. @param {LimitUse} use */
export function useText(use) {
  const scope = [use.servers, use.tools].filter((names) => names).map((names) => names?.join(', '));
  const about = scope.length > 0 ? ` (${scope.join(' / ')})` : '';
  const used =
    use.kind === 'rate'
      ? `${use.limit.toLocaleString('en')}; ${use.used.toLocaleString('en')} of a burst of ${whole(use.burst)} used`
      : `${whole(use.used)} of ${whole(use.limit)}`;
  return `${NAMES[use.kind]}${about}: ${used}`;
}

/** Return how often a principal was refused. @param {PrincipalLimits} principal */
export function refusedCount({ refused }) {
  return Object.values(refused).reduce((sum, each) => sum + each, 0);
}

/** Return what the last refusal was about: its code, and server and tool if these had the limit. @param {PrincipalLimits} principal */
export function lastRefusal({ last_code, last_server, last_tool }) {
  return [last_code, last_server, last_tool].filter(Boolean).join(' ');
}

/** Return a note about where is counted; empty if there is nothing to say. @param {LimitsState} state */
export const storeNote = ({ store }) => STORES[store];
