/** Charts of calls, errors and latency, by server and tool, and the same in a table. */

import { useEffect, useMemo, useState } from 'preact/hooks';
import { knownUntil, mergeHistory, selectFigures, series, summarize, toolRows } from '../data/figures_data.mjs';
import { href, navigate } from '../router.mjs';
import { api, state } from '../hub/store.mjs';
import { style } from '../style.mjs';
import { Button, Choice, Empty, Facts, Field, html, Notice, Page, Section, Table } from '../ui.mjs';
import { count, displayName, took } from '../words.mjs';
import { Chart } from './parts/chart.mjs';

await style('styles/figures.css');

/** @typedef {import('../data/figures_data.mjs').History} History @typedef {import('../data/figures_data.mjs').Sum} Sum */

const REFRESH_SECONDS = 5; // seconds, while the page is looked at
const HOUR_SECONDS = 3600;
const SPANS = [
  { value: '600', label: '10 min' },
  { value: '3600', label: '1 hour' },
];

/** @param {{ query: Record<string, string> }} props  `server` and `tool`: only these */
export default function Figures({ query }) {
  const { history, error } = useHistory();
  const [span, setSpan] = useState('3600');
  const seconds = Number(span);
  const pick = { server: query.server, tool: query.server === undefined ? undefined : query.tool };
  const recent = useMemo(
    () => history && { ...history, samples: history.samples.filter(({ at }) => at > history.now - seconds) },
    [history, seconds],
  );
  const spans = html`<${Choice} label="Time shown" value=${span} options=${SPANS} onChange=${setSpan} />`;
  return html`<${Page} title="Metrics" lead="Tool calls: how many there were, how many failed, and how long they took." actions=${spans}>
    ${error && html`<${Notice} error=${error} tone="warn" />`}
    ${!recent && !error && html`<p class="muted" aria-busy="true">Loading…</p>`}
    ${recent && html`<${Pickers} history=${recent} pick=${pick} />`}
    ${recent && html`<${Metrics} history=${recent} pick=${pick} span=${seconds} />`}
  </${Page}>`;
}

/** Return the last hour's history, kept up to date while the page is visible. */
function useHistory() {
  const [history, setHistory] = useState(/** @type {History|null} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  useEffect(() => {
    let known = /** @type {History|null} */ (null);
    let asking = false;
    const look = async () => {
      if (asking || document.hidden) return;
      asking = true;
      try {
        known = mergeHistory(known, await api.get('/api/hub/history', { since: knownUntil(known) }), HOUR_SECONDS);
        setHistory(known);
        setError(null);
      } catch (problem) {
        setError(problem);
      }
      asking = false;
    };
    look();
    const timer = setInterval(look, REFRESH_SECONDS * 1000);
    document.addEventListener('visibilitychange', look);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', look);
    };
  }, []);
  return { history, error };
}

/** @param {{ history: History, pick: import('../data/figures_data.mjs').Pick }} props */
function Pickers({ history, pick }) {
  const known = [
    ...new Set([
      ...(state.value?.servers ?? []).map(({ key }) => key),
      ...selectFigures(history, {}).map(({ server }) => server),
    ]),
  ];
  const tools = [
    ...new Set([
      ...toolRows(history, { server: pick.server }).map(({ tool }) => tool),
      ...(pick.tool === undefined ? [] : [pick.tool]),
    ]),
  ].sort();
  const names = (/** @type {string[]} */ all) =>
    all.map((name, index) => ({ value: String(index), label: displayName(name) }));
  return html`<div class="toolbar">
    <${Field}
      label="Server"
      kind="select"
      value=${pick.server === undefined ? '' : String(known.indexOf(pick.server))}
      options=${[{ value: '', label: 'All servers' }, ...names(known)]}
      onInput=${(/** @type {string} */ at) => navigate('figures', [], at === '' ? {} : { server: known[Number(at)] })}
    />
    ${
      pick.server !== undefined &&
      html`<${Field}
        label="Tool"
        kind="select"
        value=${pick.tool === undefined ? '' : String(tools.indexOf(pick.tool))}
        options=${[{ value: '', label: 'All tools' }, ...names(tools)]}
        onInput=${(/** @type {string} */ at) => navigate('figures', [], { server: pick.server ?? '', ...(at !== '' && { tool: tools[Number(at)] }) })}
      />`
    }
  </div>`;
}

/** @param {{ history: History, pick: import('../data/figures_data.mjs').Pick, span: number }} props */
function Metrics({ history, pick, span }) {
  const found = useMemo(
    () => ({ series: series(history, pick, span), sum: summarize(selectFigures(history, pick)) }),
    [history, pick.server, pick.tool, span],
  );
  if (found.sum.calls === 0) return html`<${NoCalls} span=${span} />`;
  const { at, step } = found.series;
  const every = step >= 60 ? `${step / 60} min` : `${step} s`;
  return html`
    <${Facts} facts=${facts(found.sum)} />
    <div class="figures">
      <${Section} title="Calls" note=${`Calls in each ${every}, and how many of them failed.`}>
        <${Chart} label=${`Calls and errors over time: ${summary(found.sum)}`} at=${at} step=${step} lines=${[
          { label: 'Calls', values: found.series.calls, colour: 'calls', bars: true },
          { label: 'Errors', values: found.series.errors, colour: 'errors', bars: true },
        ]} text=${(/** @type {number} */ value) => value.toLocaleString('en')} />
      </${Section}>
      <${Section} title="Latency" note="Median and 95th percentile.">
        <${Chart} label=${`Latency over time: ${summary(found.sum)}`} at=${at} step=${step} lines=${[
          { label: 'Median', values: found.series.p50, colour: 'p50' },
          { label: '95th percentile', values: found.series.p95, colour: 'p95' },
        ]} text=${took} />
      </${Section}>
    </div>
    <${Section} title="By tool">
      <${ByTool} history=${history} pick=${pick} />
    </${Section}>
  `;
}

/** @param {Sum} sum @returns {[string, any][]} */
function facts({ calls, errors, mean, p50, p95 }) {
  return [
    ['Calls', calls.toLocaleString('en')],
    [
      'Errors',
      errors > 0
        ? html`<span class="figure-errors">${errors.toLocaleString('en')} (${percent(errors, calls)})</span>`
        : '0',
    ],
    ['Mean', time(mean)],
    ['Median', time(p50)],
    ['95th percentile', time(p95)],
  ];
}

const time = (/** @type {number|null} */ seconds) => (seconds === null ? '–' : took(seconds));
const percent = (/** @type {number} */ part, /** @type {number} */ all) =>
  `${((100 * part) / all).toFixed(part * 10 > all ? 0 : 1)} %`;

/** @param {Sum} sum */
function summary({ calls, errors, p50, p95 }) {
  return `${count(calls, 'call')}, ${count(errors, 'error')}, median ${time(p50)}, 95th percentile ${time(p95)}. The table below has the figures.`;
}

/** @param {{ span: number }} props */
function NoCalls({ span }) {
  const actions = html`<${Button} href=${href('tools')}>Try a tool</${Button}>`;
  return html`<${Empty} icon="figures" title=${`No calls in the last ${span >= HOUR_SECONDS ? 'hour' : `${span / 60} minutes`}`} actions=${actions}>
    <p>The hub counts every tool call, also those from this console.</p>
  </${Empty}>`;
}

/** @param {{ history: History, pick: import('../data/figures_data.mjs').Pick }} props */
function ByTool({ history, pick }) {
  const all = useMemo(() => toolRows(history, pick), [history, pick.server, pick.tool]);
  /** @typedef {ReturnType<typeof toolRows>[number]} Row */
  const columns = [
    {
      id: 'tool',
      title: 'Tool',
      cell: (/** @type {Row} */ row) =>
        html`<a href=${href('figures', [], { server: row.server, tool: row.tool })}><code>${row.tool}</code></a>`,
    },
    {
      id: 'server',
      title: 'Server',
      cell: (/** @type {Row} */ row) =>
        html`<a href=${href('figures', [], { server: row.server })}>${displayName(row.server)}</a>`,
    },
    { id: 'calls', title: 'Calls', align: 'end', cell: (/** @type {Row} */ row) => row.calls.toLocaleString('en') },
    {
      id: 'errors',
      title: 'Errors',
      align: 'end',
      cell: (/** @type {Row} */ row) =>
        row.errors ? html`<span class="figure-errors">${row.errors.toLocaleString('en')}</span>` : '0',
    },
    { id: 'mean', title: 'Mean', align: 'end', cell: (/** @type {Row} */ row) => time(row.mean) },
    { id: 'p50', title: 'Median', align: 'end', cell: (/** @type {Row} */ row) => time(row.p50) },
    { id: 'p95', title: '95th percentile', align: 'end', cell: (/** @type {Row} */ row) => time(row.p95) },
  ];
  return html`<${Table} label="Calls by tool" columns=${columns} rows=${all} rowKey=${(/** @type {Row} */ row) => JSON.stringify([row.server, row.tool])} />`;
}
