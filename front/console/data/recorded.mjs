/**
 * Recorded calls, changes and sign-ins as pages show them. Pure; times in Unix seconds.
 *
 * @typedef {import('../../../bridge/node/types.mjs').CallRecord} Call
 * @typedef {import('../../../bridge/node/types.mjs').ChangeRecord} Change
 * @typedef {import('../types.mjs').Tone} Tone
 * @typedef {Record<string, string>} Query  of a page's address
 */

/** Ranges of time to choose from, in seconds. @type {Record<string, number>} */
export const RANGES = { hour: 3600, day: 86_400, week: 7 * 86_400, month: 30 * 86_400 };

/** @type {Record<string, { word: string, tone: Tone }>} */
const OUTCOMES = {
  ok: { word: 'OK', tone: 'ok' },
  tool_error: { word: 'Tool error', tone: 'bad' },
  error: { word: 'Server error', tone: 'bad' },
  cancelled: { word: 'Cancelled', tone: 'warn' },
  disconnected: { word: 'Disconnected', tone: 'warn' },
  refused: { word: 'Refused', tone: 'warn' },
};

/** The outcomes that are no code, and `failed` for all but `ok`, for a choice. @type {{ value: string, label: string }[]} */
export const OUTCOME_OPTIONS = [
  { value: 'failed', label: 'All except OK' },
  ...Object.entries(OUTCOMES).map(([value, { word }]) => ({ value, label: word })),
];

/** Return an outcome in words; a code of the hub's errors stands for itself. @param {string} outcome */
export function outcomeOf(outcome) {
  return Object.hasOwn(OUTCOMES, outcome) ? OUTCOMES[outcome] : { word: outcome, tone: /** @type {Tone} */ ('bad') };
}

/**
 * Return the filters of a page's address as the API takes them.
 *
 * @param {Query} query `last`: a key of RANGES; or `since` and `until`
 * @param {string[]} names of the other filters
 * @param {number} now
 * @returns {Record<string, string | number>}
 */
export function filtersOf(query, names, now) {
  const last = Object.hasOwn(RANGES, query.last ?? '') ? RANGES[query.last] : null;
  const span = last === null ? { since: query.since, until: query.until } : { since: Math.floor(now - last) };
  const given = [...Object.entries(span), ...names.map((name) => [name, query[name]])];
  return Object.fromEntries(given.filter(([, value]) => value !== undefined && value !== ''));
}

/**
 * Return a list, newest first, with added records; none twice, and no more than `most`.
 *
 * @template {{ id: number, at: number }} T
 * @param {readonly T[]} list @param {readonly T[]} added @param {number} most
 * @returns {T[]}
 */
export function withNewer(list, added, most) {
  const known = new Set(list.map(({ id }) => id));
  const fresh = added.filter(({ id }) => !known.has(id));
  return [...fresh, ...list].sort((one, other) => other.at - one.at || other.id - one.id).slice(0, most);
}

/**
 * Return where the time of a call went, in order.
 *
 * @param {Pick<Call, 'seconds' | 'waited'>} call
 * @returns {{ id: string, name: string, seconds: number, share: number }[]} `share`: of the whole, 0 to 1
 */
export function durationParts({ seconds, waited }) {
  const before = Math.min(waited, seconds);
  const parts = [
    { id: 'waited', name: 'Queued for the server', seconds: before },
    { id: 'server', name: 'Server and connection', seconds: seconds - before },
  ];
  return parts.map((part) => ({ ...part, share: seconds > 0 ? part.seconds / seconds : 0 }));
}

/**
 * Return the name under which a workspace shows the tool that was called, as far as the template of its names says;
 * null if the call cannot be made again from here.
 *
 * @param {Call} call
 * @param {Pick<import('../types.mjs').Workspace, 'servers' | 'name_template'> | undefined} workspace
 * @param {readonly { key: string, namespace: string }[]} servers
 */
export function exposedName({ method, server, tool }, workspace, servers) {
  const namespace = servers.find(({ key }) => key === server)?.namespace;
  if (method !== 'tools/call' || !tool || !workspace?.servers.includes(server) || namespace === undefined) return null;
  return workspace.name_template.replace('{namespace}', () => namespace).replace('{name}', () => tool);
}

/**
 * Return the lines of a unified diff, each with what it is.
 *
 * @param {string} diff
 * @returns {{ kind: 'added' | 'removed' | 'place' | 'file' | 'same', text: string }[]}
 */
export function diffLines(diff) {
  return diff
    .replace(/\n$/, '')
    .split('\n')
    .map((text) => ({ kind: kindOf(text), text }));
}

/** Return what a line of a diff is. Its content is indented JSON, no line of which looks like a head. @param {string} text */
function kindOf(text) {
  if (text.startsWith('@@')) return 'place';
  if (/^(?:---|\+\+\+) /.test(text)) return 'file';
  return text[0] === '+' ? 'added' : text[0] === '-' ? 'removed' : 'same';
}

/**
 * Return why a change cannot be undone here; null if it can.
 *
 * @param {Pick<Change, 'change' | 'kind'>} record
 * @param {readonly string[]} undoable ids that the adapter remembers
 */
export function whyNotUndoable({ change, kind }, undoable) {
  if (change && undoable.includes(change)) return null;
  if (kind === 'undo') return 'This change is itself an undo.';
  if (!change) return 'The hub did not make this change; backups/ has copies of earlier files.';
  return 'It was already undone, or it is not among the last 20 changes that the adapter keeps in memory.';
}
