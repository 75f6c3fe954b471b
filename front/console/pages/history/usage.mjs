/** Charts of recorded calls of the last hour, day or month, by tool, principal, server, workspace or replica. */

import { useEffect, useMemo, useState } from 'preact/hooks';
import { RANGES } from '../../data/recorded.mjs';
import { BY, callsOf, linesOf, rowsOf, totalOf } from '../../data/usage_data.mjs';
import { api, state } from '../../hub/store.mjs';
import { href } from '../../router.mjs';
import { style } from '../../style.mjs';
import { Button, Choice, Empty, Facts, html, Notice, Section, Table } from '../../ui.mjs';
import { count, displayName, took } from '../../words.mjs';
import { Chart } from '../parts/chart.mjs';
import { hasReplicas, HistoryPage, setFilters } from './frame.mjs';

await style('styles/figures.css');

/** @typedef {import('../../data/usage_data.mjs').Usage} Usage @typedef {import('../../data/usage_data.mjs').Point} Point */

const REFRESH_MS = 30_000; // ms, while the page is looked at
const SPANS = [
  { value: 'hour', label: '1 hour' },
  { value: 'day', label: '1 day' },
  { value: 'month', label: '30 days' },
];

/** @param {{ query: Record<string, string> }} props `range`, `by`, and `name`: only its calls */
export default function UsagePage({ query }) {
  const range = SPANS.some(({ value }) => value === query.range) ? query.range : 'hour';
  const by = Object.hasOwn(BY, query.by ?? '') ? query.by : 'tool';
  const found = useUsage(range, by);
  const set = (/** @type {Record<string, string>} */ changes) => setFilters('usage', query, changes);
  const offered = Object.entries(BY).filter(([value]) => value !== 'replica' || value === by || hasReplicas());
  const actions = html`<${Choice} label="Time shown" value=${range} options=${SPANS} onChange=${(/** @type {string} */ value) => set({ range: value })} />`;
  return html`<${HistoryPage} current="usage" lead="The number of calls, how many failed, and how long they took." actions=${actions}>
    <${Choice} label="Group by" value=${by} options=${offered.map(([value, label]) => ({ value, label: `By ${label.toLowerCase()}` }))} onChange=${(/** @type {string} */ value) => set({ by: value, name: '' })} />
    ${found.error && found.error.code !== 'HISTORY_UNAVAILABLE' && html`<${Notice} error=${found.error} tone="warn" />`}
    ${!found.usage && !found.error && html`<p class="muted" aria-busy="true">Loading…</p>`}
    ${found.usage && html`<${UsageCharts} usage=${found.usage} now=${found.at} range=${range} by=${by} name=${query.name ?? ''} query=${query} />`}
  </${HistoryPage}>`;
}

/** Return the usage, requested again now and then while the page is visible. @param {string} range @param {string} by */
function useUsage(range, by) {
  const [found, setFound] = useState(/** @type {{ usage?: Usage, at: number, error?: any }} */ ({ at: 0 }));
  useEffect(() => {
    let stopped = false;
    const look = async () => {
      if (document.hidden) return;
      const next = await api.get('/api/hub/usage', { range, by }).then(
        (usage) => ({ usage, at: Date.now() / 1000 }),
        (error) => ({ error, at: 0 }),
      );
      if (!stopped) setFound(next);
    };
    setFound({ at: 0 });
    look();
    const timer = setInterval(look, REFRESH_MS);
    return () => {
      stopped = true;
      clearInterval(timer);
    };
  }, [range, by]);
  return found;
}

/** @param {{ usage: Usage, now: number, range: string, by: string, name: string, query: Record<string, string> }} props */
function UsageCharts({ usage, now, range, by, name, query }) {
  const lines = useMemo(() => linesOf(usage, name, RANGES[range], now), [usage, name, range, now]);
  const total = totalOf(usage, name);
  if (!total || total.calls === 0) return html`<${NoCalls} name=${name} query=${query} />`;
  const { interval: step } = usage;
  const bars = [
    { label: 'Calls', values: lines.calls, colour: 'calls', bars: true },
    { label: 'Failed', values: lines.failed, colour: 'errors', bars: true },
  ];
  const quantiles = [
    { label: 'Median', values: lines.p50, colour: 'p50' },
    { label: '95th percentile', values: lines.p95, colour: 'p95' },
    { label: '99th percentile', values: lines.p99, colour: 'p99' },
  ];
  const tick = range === 'month' ? dayOf : undefined;
  return html`
    ${name && html`<p class="usage-name"><strong>${BY[by]} <code class="break">${name}</code></strong> <${Button} icon="close" onClick=${() => setFilters('usage', query, { name: '' })}>Show all</${Button}></p>`}
    <${Facts} facts=${factsOf(total)} />
    <div class="figures">
      <${Section} title="Calls" note=${`Calls in each ${spanOf(step)}, and how many of them failed.`}>
        <${Chart} label=${`Calls and failures over time: ${summary(total)}`} at=${lines.at} step=${step} lines=${bars} tick=${tick} text=${(/** @type {number} */ value) => value.toLocaleString('en')} />
      </${Section}>
      <${Section} title="Duration" note="Median, 95th and 99th percentile.">
        <${Chart} label=${`Duration over time: ${summary(total)}`} at=${lines.at} step=${step} lines=${quantiles} tick=${tick} text=${took} />
      </${Section}>
    </div>
    <${Section} title=${`By ${BY[by].toLowerCase()}`}>
      <${UsageTable} usage=${usage} by=${by} query=${query} />
    </${Section}>
  `;
}

/** @param {number} at */
const dayOf = (at) => new Date(at * 1000).toLocaleDateString('en-GB', { day: 'numeric', month: 'short' });

/** @param {number} step seconds */
const spanOf = (step) => (step >= 3600 ? `${step / 3600} h` : step >= 60 ? `${step / 60} min` : `${step} s`);

/** @param {Point} total @returns {[string, any][]} */
function factsOf({ calls, failed, seconds, p50, p95, p99 }) {
  return [
    ['Calls', calls.toLocaleString('en')],
    [
      'Failed',
      failed > 0
        ? html`<span class="figure-errors">${failed.toLocaleString('en')} (${((100 * failed) / calls).toFixed(1)} %)</span>`
        : '0',
    ],
    ['Mean', took(seconds / calls)],
    ['Median', took(p50)],
    ['95th percentile', took(p95)],
    ['99th percentile', took(p99)],
  ];
}

/** @param {Point} total */
const summary = ({ calls, failed, p50, p95, p99 }) =>
  `${count(calls, 'call')}, ${failed} failed, median ${took(p50)}, 95th percentile ${took(p95)}, 99th percentile ${took(p99)}. The table below has the figures.`;

/** @param {{ name: string, query: Record<string, string> }} props */
function NoCalls({ name, query }) {
  const actions =
    name && html`<${Button} onClick=${() => setFilters('usage', query, { name: '' })}>Show all</${Button}>`;
  return html`<${Empty} icon="figures" title=${name ? `No calls of ${name} in this time range` : 'No calls in this time range'} actions=${actions}><p>Choose a longer time range.</p></${Empty}>`;
}

/** @param {{ usage: Usage, by: string, query: Record<string, string> }} props */
function UsageTable({ usage, by, query }) {
  const keys = (state.value?.servers ?? []).map(({ key }) => key);
  const number = (/** @type {string} */ id, /** @type {string} */ title, /** @type {(row: Point) => any} */ cell) => ({
    id,
    title,
    align: /** @type {const} */ ('end'),
    cell,
  });
  const columns = [
    {
      id: 'name',
      title: BY[by],
      bare: true,
      cell: (/** @type {Point} */ { name }) =>
        html`<a class="break" href=${href('usage', [], { ...query, by, name })}>${displayName(name)}</a>`,
    },
    number('calls', 'Calls', ({ calls }) => calls.toLocaleString('en')),
    number('failed', 'Failed', ({ failed }) =>
      failed ? html`<span class="figure-errors">${failed.toLocaleString('en')}</span>` : '0',
    ),
    number('mean', 'Mean', ({ seconds, calls }) => took(seconds / calls)),
    number('p50', 'Median', ({ p50 }) => took(p50)),
    number('p95', '95th', ({ p95 }) => took(p95)),
    number('p99', '99th', ({ p99 }) => took(p99)),
    {
      id: 'list',
      title: 'Calls of it',
      hide: true,
      cell: (/** @type {Point} */ { name }) => {
        const filters = callsOf(by, name, keys);
        const last = query.range ?? 'hour';
        return (
          filters &&
          html`<a href=${href('calls', [], { ...filters, last })}>List<span class="unseen"> calls of ${name}</span></a>`
        );
      },
    },
  ];
  return html`<${Table} label=${`Calls by ${by}`} columns=${columns} rows=${rowsOf(usage)} rowKey=${(/** @type {Point} */ { name }) => name} />`;
}
