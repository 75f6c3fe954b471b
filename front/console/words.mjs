/** States, times and sizes in words. Pure. */

/** @typedef {import('./types.mjs').Tone} Tone */

/** @type {Record<string, { word: string, tone: Tone }>} */
const WORKSPACE = {
  ready: { word: 'Ready', tone: 'ok' },
  degraded: { word: 'Degraded', tone: 'warn' },
  starting: { word: 'Starting', tone: 'busy' },
  failed: { word: 'Failed', tone: 'bad' },
  empty: { word: 'Empty', tone: 'warn' },
  off: { word: 'Off', tone: 'off' },
  unknown: { word: 'Unknown', tone: 'off' },
};

/** @type {Record<string, { word: string, tone: Tone }>} */
const SERVER = {
  ready: { word: 'Ready', tone: 'ok' },
  degraded: { word: 'Degraded', tone: 'warn' },
  starting: { word: 'Starting', tone: 'busy' },
  backoff: { word: 'Retrying', tone: 'warn' },
  failed: { word: 'Failed', tone: 'bad' },
  sleeping: { word: 'Sleeping', tone: 'ok' },
  sign_in_required: { word: 'Sign-in required', tone: 'warn' },
  elsewhere: { word: 'Runs elsewhere', tone: 'off' },
  stopped: { word: 'Stopped', tone: 'off' },
  invalid: { word: 'Invalid entry', tone: 'bad' },
  unknown: { word: 'Unknown', tone: 'off' },
};

/** The state of a server that is switched off in the present workspace. @type {{ word: string, tone: Tone }} */
export const OFF_HERE = { word: 'Off here', tone: 'off' };

const UNKNOWN = { word: 'Unknown', tone: /** @type {Tone} */ ('off') };

/**
 * @param {{ state: string }} workspace
 * @returns {{ word: string, tone: Tone }}
 */
export function workspaceState({ state }) {
  return Object.hasOwn(WORKSPACE, state) ? WORKSPACE[state] : UNKNOWN;
}

/**
 * Return the state of a server in words. A stopped server is off, waits for a session (`per_client`), or is in no
 * enabled workspace.
 *
 * @param {{ state: string, enabled?: boolean, session?: string, workspaces?: string[] }} server
 * @returns {{ word: string, tone: Tone }}
 */
export function serverState({ state, enabled, session, workspaces }) {
  if (state !== 'stopped') return Object.hasOwn(SERVER, state) ? SERVER[state] : UNKNOWN;
  if (enabled === false) return { word: 'Off', tone: 'off' };
  if (workspaces && workspaces.length === 0) return { word: 'Not in use', tone: 'off' };
  return session === 'per_client' ? { word: 'On demand', tone: 'off' } : SERVER.stopped;
}

/** Return a name as pages show it: visible also if it is empty or white space. @param {string} name */
export function displayName(name) {
  return name.trim() === '' ? (name === '' ? '(no name)' : `“${name}”`) : name;
}

/** Return a duration in its two largest units. @param {number} seconds */
export function duration(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

/** Return the duration of a call as text: below 10 ms with one decimal, at least 0.1 ms. @param {number} seconds */
export function took(seconds) {
  if (seconds >= 1) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  const milliseconds = Math.max(0.1, seconds * 1000);
  return `${Number(milliseconds.toFixed(milliseconds < 10 ? 1 : 0))} ms`;
}

/**
 * @param {number} bytes
 */
export function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  const units = ['KB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = -1;
  do {
    value /= 1024;
    unit += 1;
  } while (value >= 1024 && unit < units.length - 1);
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/**
 * @param {number} n
 * @param {string} one
 * @param {string} [many]
 */
export function count(n, one, many = `${one}s`) {
  return `${n.toLocaleString('en')} ${n === 1 ? one : many}`;
}

/**
 * Return the time of day, with the date if it is not today.
 *
 * @param {number} at Unix seconds
 * @param {number} [now] Unix seconds
 */
export function clock(at, now = Date.now() / 1000) {
  const date = new Date(at * 1000);
  const time = date.toLocaleTimeString('en-GB');
  return date.toDateString() === new Date(now * 1000).toDateString()
    ? time
    : `${date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })} ${time}`;
}
