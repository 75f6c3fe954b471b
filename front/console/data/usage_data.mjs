/**
 * Charts and rows of recorded usage. Pure; times in seconds.
 *
 * @typedef {import('../../../bridge/node/types.mjs').Usage} Usage
 * @typedef {import('../../../bridge/node/types.mjs').UsagePoint} Point
 * @typedef {{ at: number[], calls: number[], failed: number[], p50: (number|null)[], p95: (number|null)[], p99: (number|null)[] }} Lines
 */

/** What usage is shown by, with the filter of *Calls* for it. @type {Record<string, string>} */
export const BY = {
  tool: 'Tool',
  principal: 'Principal',
  server: 'Server',
  workspace: 'Workspace',
  replica: 'Replica',
};
/** What the store calls those that are not told apart, and calls without such a name. */
export const OTHERS = '(others)';
export const NONE = '(none)';

/**
 * Return the points of a name over the range, one for each interval, including those without calls.
 *
 * @param {Usage} usage @param {string} name empty: all calls @param {number} span @param {number} now
 * @returns {Lines} `at`: the end of each interval
 */
export function linesOf({ interval, points, all }, name, span, now) {
  const own = name === '' ? all : points.filter((point) => point.name === name);
  const known = new Map(own.map((point) => [Math.round(point.at / interval), point]));
  const first = Math.floor((now - span) / interval);
  const last = Math.floor(now / interval);
  const steps = Array.from({ length: last - first + 1 }, (_, index) => first + index);
  const each = (/** @type {(point: Point | undefined) => any} */ of) => steps.map((step) => of(known.get(step)));
  return {
    at: steps.map((step) => (step + 1) * interval),
    calls: each((point) => point?.calls ?? 0),
    failed: each((point) => point?.failed ?? 0),
    p50: each((point) => point?.p50 ?? null),
    p95: each((point) => point?.p95 ?? null),
    p99: each((point) => point?.p99 ?? null),
  };
}

/**
 * Return the figures of a name over the whole range.
 *
 * @param {Usage} usage @param {string} name empty: all calls
 * @returns {Point | undefined}
 */
export const totalOf = ({ totals }, name) => totals.find((point) => point.name === name);

/** Return a row for each name, most calls first. @param {Usage} usage */
export const rowsOf = ({ totals }) => totals.filter(({ name }) => name !== '');

/**
 * Return the filters of *Calls* for a row; null if these calls cannot be told by a filter.
 *
 * @param {string} by a key of BY @param {string} name @param {readonly string[]} servers known keys
 * @returns {Record<string, string> | null}
 */
export function callsOf(by, name, servers) {
  if (name === OTHERS || name === NONE) return null;
  if (by !== 'tool') return { [by]: name };
  const server = servers.filter((key) => name.startsWith(`${key}/`)).sort((one, other) => other.length - one.length)[0];
  return server === undefined ? null : { server, tool: name.slice(server.length + 1) };
}
