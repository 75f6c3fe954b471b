/** Changes of tools, and scans, in words. Pure. */

/**
 * @typedef {import('../../../../bridge/node/types.mjs').ToolChange} ToolChange
 * @typedef {import('../../../../bridge/node/types.mjs').Scan} Scan
 * @typedef {{ word: string, tone: import('../../types.mjs').Tone }} Badge
 */

/** Return what a change is about. @param {ToolChange} change */
export function subjectOf({ kind, name }) {
  return kind === 'instructions' ? 'Instructions' : `${kind === 'tool' ? 'Tool' : 'Prompt'} ${name}`;
}

/** Return the name by which a change is accepted or rejected. @param {ToolChange} change */
export const nameOf = ({ kind, name }) => name || kind;

/** @param {ToolChange} change @returns {Badge} */
export function changeState({ rejected, pending, change }) {
  if (rejected) return { word: 'Rejected', tone: 'off' };
  const what = change === 'new' ? 'New' : 'Changed';
  return { word: `${what}, ${pending ? 'kept from clients' : 'shown to clients'}`, tone: 'warn' };
}

/** @type {Record<Scan['state'], Badge>} */
const SCAN_STATES = {
  none: { word: 'Not scanned', tone: 'off' },
  waiting: { word: 'Waiting', tone: 'busy' },
  clean: { word: 'Nothing known', tone: 'ok' },
  found: { word: 'Vulnerable', tone: 'bad' },
  failed: { word: 'Scan failed', tone: 'warn' },
};

/** @param {Scan['state']} state */
export const scanState = (state) => SCAN_STATES[state];

/** Return what a scan found; empty if it found nothing. @param {Pick<Scan, 'critical' | 'high' | 'other'>} scan */
export function foundText({ critical, high, other }) {
  const counts = /** @type {[number, string][]} */ ([
    [critical, 'critical'],
    [high, 'high'],
    [other, 'other'],
  ]);
  return counts
    .filter(([number]) => number > 0)
    .map(([number, word]) => `${number} ${word}`)
    .join(', ');
}

/** Return how a line of a difference is shown. @param {string} line */
export function lineTone(line) {
  if (line.startsWith('+')) return 'added';
  return line.startsWith('-') ? 'removed' : 'same';
}
