/**
 * What the figures page shows, made of the hub's history. Pure; times in seconds.
 *
 * @typedef {{server: string, tool: string, calls: number, errors: number, seconds: number, p50: number, p95: number}} Figure
 * @typedef {{at: number, figures: Figure[]}} Sample
 * @typedef {{interval: number, now: number, samples: Sample[]}} History  as GET /api/hub/history answers
 * @typedef {{server?: string, tool?: string}} Pick  left out: all
 * @typedef {{calls: number, errors: number, mean: number|null, p50: number|null, p95: number|null}} Sum
 * @typedef {{step: number, at: number[], calls: number[], errors: number[], p50: (number|null)[], p95: (number|null)[]}} Series
 */

const MAX_POINTS = 60; // of a chart, at most
const MAX_DELAY = 0.5; // that a sample may be written after its interval ended

/**
 * Return the end of the last complete sample, from which newer ones are requested; 0 for all.
 *
 * @param {History|null} history
 */
export function knownUntil(history) {
  return Math.max(0, ...(history?.samples ?? []).filter(({ at }) => at < (history?.now ?? 0)).map(({ at }) => at));
}

/**
 * Return a history extended by newer samples, without those older than `span`.
 *
 * @param {History|null} before
 * @param {History} after
 * @param {number} span
 * @returns {History}
 */
export function mergeHistory(before, after, span) {
  const until = knownUntil(before);
  const known = (before?.samples ?? []).filter(({ at }) => at <= until && at > after.now - span);
  return { ...after, samples: [...known, ...after.samples.filter(({ at }) => at > until)] };
}

/** @param {Figure} figure @param {Pick} pick */
const fits = (figure, { server, tool }) =>
  (server === undefined || figure.server === server) && (tool === undefined || figure.tool === tool);

/**
 * Return calls, errors and latency of several figures together. Percentiles are exact for one figure; for several they
 * are estimated, as if the calls of each were distributed evenly between its median and its 95th percentile.
 *
 * @param {Figure[]} figures
 * @returns {Sum}
 */
export function summarize(figures) {
  const add = (/** @type {(figure: Figure) => number} */ of) => figures.reduce((sum, figure) => sum + of(figure), 0);
  const calls = add((figure) => figure.calls);
  if (calls === 0) return { calls, errors: 0, mean: null, p50: null, p95: null };
  const [p50, p95] =
    figures.length === 1
      ? [figures[0].p50, figures[0].p95]
      : [0.5, 0.95].map((share) => estimateQuantile(figures, share * calls));
  return { calls, errors: add((figure) => figure.errors), mean: add((figure) => figure.seconds) / calls, p50, p95 };
}

/** Return the time within which that many of the calls ended. @param {Figure[]} figures @param {number} calls */
function estimateQuantile(figures, calls) {
  let [low, high] = [0, Math.max(...figures.map((figure) => figure.p95))];
  for (let step = 0; step < 30; step += 1) {
    const middle = (low + high) / 2;
    if (figures.reduce((sum, figure) => sum + figure.calls * shareWithin(figure, middle), 0) < calls) low = middle;
    else high = middle;
  }
  return high;
}

/** @param {Figure} figure @param {number} seconds */
function shareWithin({ p50, p95 }, seconds) {
  if (seconds >= p95) return 1;
  return seconds < p50 ? (0.5 * seconds) / p50 : 0.5 + (0.45 * (seconds - p50)) / (p95 - p50);
}

/**
 * Return the points of a chart over the last `span` seconds, one for each step, including steps without calls.
 *
 * @param {History} history
 * @param {Pick} pick
 * @param {number} span
 * @returns {Series}
 */
export function series(history, pick, span) {
  const step = history.interval * Math.max(1, Math.ceil(span / history.interval / MAX_POINTS));
  const last = Math.ceil(history.now / step) * step;
  const first = last - Math.ceil(span / step) * step;
  /** @type {Map<number, Figure[]>} */
  const steps = new Map();
  for (let at = first + step; at <= last + step / 2; at += step) steps.set(Math.round(at / step), []);
  for (const sample of history.samples) {
    steps
      .get(Math.ceil((sample.at - MAX_DELAY) / step))
      ?.push(...sample.figures.filter((figure) => fits(figure, pick)));
  }
  const sums = [...steps.values()].map(summarize);
  return {
    step,
    at: [...steps.keys()].map((key) => key * step),
    calls: sums.map((sum) => sum.calls),
    errors: sums.map((sum) => sum.errors),
    p50: sums.map((sum) => sum.p50),
    p95: sums.map((sum) => sum.p95),
  };
}

/** @param {History} history @param {Pick} pick @returns {Figure[]} */
export const selectFigures = (history, pick) =>
  history.samples.flatMap((sample) => sample.figures.filter((figure) => fits(figure, pick)));

/**
 * Return one row for each tool that was called, ordered by the number of calls.
 *
 * @param {History} history
 * @param {Pick} pick
 * @returns {({server: string, tool: string} & Sum)[]}
 */
export function toolRows(history, pick) {
  /** @type {Map<string, Figure[]>} */
  const tools = new Map();
  for (const figure of selectFigures(history, pick)) {
    const key = JSON.stringify([figure.server, figure.tool]);
    tools.set(key, [...(tools.get(key) ?? []), figure]);
  }
  const all = [...tools.values()].map((figures) => ({
    server: figures[0].server,
    tool: figures[0].tool,
    ...summarize(figures),
  }));
  return all.sort((one, other) => other.calls - one.calls || (one.tool < other.tool ? -1 : 1));
}
