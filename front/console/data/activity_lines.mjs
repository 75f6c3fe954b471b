/**
 * Lines of the activity page: what happened, and what the hub and its servers logged, as one list. Pure.
 *
 * @typedef {'debug'|'info'|'warning'|'error'} Level
 * @typedef {{id: string, at: number, level: Level, kind: 'event'|'log', server: string, source: string, text: string,
 *            same: string, times: number}} Line
 *   at: Unix seconds; server: key of the server it is about, or ''; source: who says it, as shown; same: equal for lines
 *   that say the same again, '' for those that stand for themselves; times: how often it was said
 * @typedef {{source: string, level: Level, text: string}} Filter
 *   source: '' for all, `event`, `process:<name>` or `server:<key>`
 */

/** @type {Level[]} */
export const LEVELS = ['debug', 'info', 'warning', 'error'];
export const MAX_LINES = 1000;
const MAX_LINE_LENGTH = 4000; // characters of one line

/** @type {Record<string, Level>} */
const LEVEL_OF_TONE = { bad: 'error', warn: 'warning' };
const COMMON_FIELDS = new Set(['time', 'level', 'process', 'logger', 'message', 'server', 'exception', 'logged_by']);

/** @param {{at: number, kind: string, subject: string, text: string, tone: string}} event @returns {Line} */
export function lineOfEvent({ at, kind, subject, text, tone }) {
  const id = `event ${at} ${kind} ${subject} ${text}`;
  return {
    id,
    at,
    level: LEVEL_OF_TONE[tone] ?? 'info',
    kind: 'event',
    server: kind === 'server' ? subject : '',
    source: 'event',
    text: kind === 'hub' ? `${subject} ${text}` : `${kind} ${subject}: ${text}`,
    same: kind === 'server' ? `${subject} ${text}` : '',
    times: 1,
  };
}

/** @param {Record<string, any>} record  a log line of the hub; `logged_by`: of this replica @returns {Line} */
export function lineOfRecord(record) {
  const at = typeof record.time === 'number' ? record.time : Date.parse(record.time) / 1000 || 0;
  const level = LEVELS.find((each) => each === record.level) ?? (record.level === 'critical' ? 'error' : 'info');
  const server = typeof record.server === 'string' ? record.server : '';
  const source = server || String(record.process ?? 'hub');
  const replica = typeof record.logged_by === 'string' ? `${record.logged_by}: ` : '';
  const text = `${replica}${textOf(record)}`.slice(0, MAX_LINE_LENGTH);
  const own = record.message === 'stderr' ? text : `${replica}hub ${record.message}`; // the hub's fields: which try it was
  const same = server && record.message !== 'server log' ? own : '';
  return { id: `log ${record.time} ${source} ${text}`, at, level, kind: 'log', server, source, text, same, times: 1 };
}

/** Return a record's text: a server's output, or the hub's message with its fields. @param {Record<string, any>} record */
function textOf(record) {
  if (record.message === 'stderr' && typeof record.line === 'string') return record.line;
  return `${record.message ?? ''}${extraFields(record)}`;
}

/** Return the fields of a record that add to its message. @param {Record<string, any>} record */
function extraFields(record) {
  const fields = Object.entries(record).filter(
    ([name, value]) => !COMMON_FIELDS.has(name) && value !== null && value !== '',
  );
  const pairs = fields.map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return pairs.length > 0 ? ` · ${pairs.join(' ')}` : '';
}

/**
 * Merge new lines into the list by time; keep the newest `MAX_LINES`, and no line twice.
 *
 * @param {Line[]} lines
 * @param {Line[]} added
 * @returns {Line[]}
 */
export function mergeLines(lines, added) {
  const known = new Set(lines.map(({ id }) => id));
  const fresh = added.filter(({ id }) => !known.has(id) && known.add(id));
  if (fresh.length === 0) return lines;
  const all = [...lines, ...fresh];
  const ordered = fresh.every((line, index) => line.at >= (index ? fresh[index - 1].at : (lines.at(-1)?.at ?? 0)));
  if (!ordered) all.sort((one, other) => one.at - other.at);
  return all.slice(-MAX_LINES);
}

/** Number of a server's last lines in which a repeated line is looked for. */
const FOLD_WINDOW = 30;

/**
 * Return the lines with repeated ones of a server (such as one that restarts every few seconds) shown once, at their
 * last occurrence, with a count.
 *
 * @param {Line[]} lines
 * @returns {Line[]}
 */
export function foldRepeats(lines) {
  /** @type {Map<string, Line[]>} */
  const recent = new Map();
  const left = new Set();
  for (const line of lines) {
    let latest = line;
    if (line.same) {
      const near = recent.get(line.server) ?? [];
      const at = near.findIndex((each) => each.same === line.same && each.kind === line.kind);
      if (at >= 0) {
        const [before] = near.splice(at, 1);
        left.delete(before);
        latest = { ...line, id: before.id, times: before.times + 1 };
      }
      near.push(latest);
      recent.set(line.server, near.slice(-FOLD_WINDOW));
    }
    left.add(latest);
  }
  return [...left];
}

/** @param {Line[]} lines @param {Filter} filter @returns {Line[]} */
export function filterLines(lines, { source, level, text }) {
  const least = LEVELS.indexOf(level);
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return lines.filter(
    (line) =>
      LEVELS.indexOf(line.level) >= least &&
      isFrom(line, source) &&
      words.every((word) => line.text.toLowerCase().includes(word) || line.source.toLowerCase().includes(word)),
  );
}

/** @param {Line} line @param {string} source */
function isFrom(line, source) {
  if (source === '') return true;
  if (source === 'event') return line.kind === 'event';
  const [kind, ...rest] = source.split(':');
  const name = rest.join(':');
  return kind === 'server' ? line.server === name : line.kind === 'log' && !line.server && line.source === name;
}
