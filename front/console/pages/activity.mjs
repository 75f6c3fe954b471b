/** Shows changes of state, and the logs of the hub and its servers. */

import { Component } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import {
  filterLines,
  foldRepeats,
  LEVELS,
  lineOfEvent,
  lineOfRecord,
  MAX_LINES,
  mergeLines,
} from '../data/activity_lines.mjs';
import { api, connection, events, live, state } from '../hub/store.mjs';
import { href } from '../router.mjs';
import { style } from '../style.mjs';
import { announce, Button, Checkbox, Empty, Field, html, Notice, Page } from '../ui.mjs';
import { Subnav } from '../ui/subnav.mjs';
import { clock, count, displayName } from '../words.mjs';

await style('styles/activity.css');

/** @typedef {import('../data/activity_lines.mjs').Line} Line @typedef {import('../data/activity_lines.mjs').Filter} Filter */

const LINKS = [
  { href: href('activity'), title: 'Activity', current: true },
  { href: href('sessions'), title: 'Sessions', current: false },
];
const REDRAW_SECONDS = 0.25; // seconds between redraws, however much comes
const REFRESH_SECONDS = 5; // seconds between requests for the lines of other replicas
const ANNOUNCE_SECONDS = 10; // seconds between announcements
const END_DISTANCE_PX = 24; // px from the end within which one is at the end

/** @param {{ query: Record<string, string> }} props  `server`: only of this one; `replica`: of this one, or `all` */
export default function Activity({ query }) {
  const [replica, setReplica] = useState(query.replica ?? '');
  const replicas = useReplicas();
  const { lines, waiting, paused, setPaused, clear, errors } = useLines(replica);
  const [filter, setFilter] = useState(
    /** @type {Filter} */ ({ source: query.server ? `server:${query.server}` : '', level: 'info', text: '' }),
  );
  const [follow, setFollow] = useState(true);
  const shownLines = useMemo(() => foldRepeats(filterLines(lines, filter)), [lines, filter]);
  useAnnouncements(shownLines, paused);
  const actions = html`<${Button} icon=${paused ? 'play' : 'pause'} onClick=${() => setPaused(!paused)}>
      ${paused ? (waiting > 0 ? `Resume (${count(waiting, 'new line')})` : 'Resume') : 'Pause'}
    </${Button}>
    <${Button} onClick=${clear}>Clear</${Button}>`;
  return html`<${Page} title="Activity" lead="State changes and log lines of the hub and its servers, as they occur." actions=${actions}>
    <${Subnav} label="Activity and sessions" links=${LINKS} />
    ${errors.map((error) => html`<${Notice} error=${error} tone="warn" />`)}
    <${Filters} filter=${filter} lines=${lines} follow=${follow} onChange=${setFilter} onFollow=${setFollow} replica=${replica} replicas=${replicas} onReplica=${setReplica} />
    <${Log} lines=${shownLines} all=${lines.length} follow=${follow} onFollow=${setFollow} />
  </${Page}>`;
}

/** Return the names of the replicas that can be asked for their logs; none for a hub that is alone. */
function useReplicas() {
  const [names, setNames] = useState(/** @type {string[]} */ ([]));
  const isReplica = Boolean(state.value?.hub.replica);
  useEffect(() => {
    if (!isReplica) return;
    api.get('/api/hub/logs', { replica: 'all', limit: 1 }).then(
      ({ replicas }) => setNames(replicas),
      () => setNames([]), // HUB_REPLICAS is not set
    );
  }, [isReplica]);
  return names;
}

/** Return the events so far, which are those of the replica that serves this page. @param {string} replica */
const linesSoFar = (replica) => (replica ? [] : mergeLines([], events.peek().map(lineOfEvent)));

/**
 * Return the lines as they arrive, updated at most every `REDRAW` seconds; paused on request.
 * @param {string} replica  '' for the one that serves this page, which tells of each line at once
 */
function useLines(replica) {
  const [lines, setLines] = useState(() => linesSoFar(replica));
  const [waiting, setWaiting] = useState(0);
  const [paused, setPaused] = useState(false);
  const [errors, setErrors] = useState(/** @type {any[]} */ ([]));
  const box = useRef({ pending: /** @type {Line[]} */ ([]), timer: /** @type {any} */ (0), paused: false });
  const flush = () => {
    const { pending, paused: held } = box.current;
    box.current.timer = 0;
    if (held) return setWaiting(pending.length);
    box.current.pending = [];
    setWaiting(0);
    return setLines((before) => mergeLines(before, pending));
  };
  const add = (/** @type {Line[]} */ more) => {
    box.current.pending = [...box.current.pending, ...more].slice(-MAX_LINES);
    if (!box.current.timer) box.current.timer = setTimeout(flush, REDRAW_SECONDS * 1000);
  };
  useEffect(() => {
    box.current.pending = [];
    setLines(linesSoFar(replica));
    if (replica) return;
    const offs = [
      live.onLog((record) => add([lineOfRecord(record)])),
      live.onEvent((event) => add([lineOfEvent(event)])),
    ];
    return () => {
      for (const off of offs) off();
    };
  }, [replica]);
  useEffect(() => () => clearTimeout(box.current.timer), []);
  const isLive = connection.value === 'live';
  useEffect(() => {
    if (!isLive) return;
    let left = false;
    const take = (/** @type {any} */ { records, unanswered }) => {
      if (left) return;
      setErrors(unanswered.map((/** @type {any} */ { error }) => error));
      add(records.map(lineOfRecord));
    };
    const fail = (/** @type {any} */ error) => left || setErrors([error]);
    const look = () => api.get('/api/hub/logs', { limit: MAX_LINES, replica: replica || undefined }).then(take, fail);
    look();
    const timer = replica ? setInterval(() => document.hidden || look(), REFRESH_SECONDS * 1000) : 0;
    return () => {
      left = true;
      clearInterval(timer);
    };
  }, [isLive, replica]);
  const hold = (/** @type {boolean} */ held) => {
    box.current.paused = held;
    setPaused(held);
    if (!held) flush();
  };
  const clear = () => {
    box.current.pending = [];
    setWaiting(0);
    setLines([]);
  };
  return { lines, waiting, paused, setPaused: hold, clear, errors };
}

/** Announce from time to time how many lines came, not each line. @param {Line[]} lines @param {boolean} paused */
function useAnnouncements(lines, paused) {
  const announced = useRef({ last: lines.at(-1), at: 0 });
  useEffect(() => {
    const { last, at } = announced.current;
    if (paused || lines.at(-1) === last || Date.now() - at < ANNOUNCE_SECONDS * 1000) return;
    const fresh = last ? lines.slice(lines.lastIndexOf(last) + 1) : lines;
    const errors = fresh.filter((line) => line.level === 'error').length;
    if (at > 0) announce(`${count(fresh.length, 'new line')}${errors > 0 ? `, ${count(errors, 'error')}` : ''}`);
    announced.current = { last: lines.at(-1), at: Date.now() };
  }, [lines]);
}

/**
 * @param {{ filter: Filter, lines: Line[], follow: boolean, onChange: (filter: Filter) => void, onFollow: (on: boolean) => void,
 *   replica: string, replicas: string[], onReplica: (name: string) => void }} props
 */
function Filters({ filter, lines, follow, onChange, onFollow, replica, replicas, onReplica }) {
  const processes = [
    ...new Set(lines.filter((line) => line.kind === 'log' && !line.server).map((line) => line.source)),
  ].sort();
  const keys = [
    ...new Set([
      ...(state.value?.servers ?? []).map(({ key }) => key),
      ...lines.map((line) => line.server).filter(Boolean),
    ]),
  ];
  const sources = [
    { value: '', label: 'Everything' },
    { value: 'event', label: 'State changes' },
    ...processes.map((name) => ({ value: `process:${name}`, label: `Log of the ${name}` })),
    ...keys.map((key) => ({ value: `server:${key}`, label: `Server ${displayName(key)}` })),
  ];
  const set = (/** @type {Partial<Filter>} */ part) => onChange({ ...filter, ...part });
  return html`<div class="filters">
    <${Field} label="Source" kind="select" value=${filter.source} options=${sources} onInput=${(/** @type {string} */ source) => set({ source })} />
    <${Field} label="Minimum level" kind="select" value=${filter.level} options=${LEVELS.map((value) => ({ value, label: value }))} onInput=${(/** @type {any} */ level) => set({ level })} />
    <${Field} label="Search" kind="search" value=${filter.text} onInput=${(/** @type {string} */ text) => set({ text })} />
    ${(replicas.length > 1 || replica) && html`<${Field} label="Replica" kind="select" value=${replica} options=${choices(replicas, replica)} onInput=${onReplica} />`}
    <${Checkbox} label="Auto-scroll" checked=${follow} onChange=${onFollow} />
  </div>`;
}

/** Return the options for the replica whose lines are shown. @param {string[]} names @param {string} chosen */
function choices(names, chosen) {
  const known = new Set([...names, ...(chosen && chosen !== 'all' ? [chosen] : [])]);
  return [
    { value: '', label: 'This one, live' },
    { value: 'all', label: 'All replicas' },
    ...[...known].map((value) => ({ value, label: value })),
  ];
}

/** @param {{ lines: Line[], all: number, follow: boolean, onFollow: (on: boolean) => void }} props */
function Log({ lines, all, follow, onFollow }) {
  const box = useRef(/** @type {HTMLElement|null} */ (null));
  const jumped = useRef(0);
  useLayoutEffect(() => {
    if (!follow || !box.current) return;
    box.current.scrollTop = box.current.scrollHeight;
    jumped.current = box.current.scrollTop;
  }, [lines, follow]);
  const scrolled = () => {
    if (!box.current) return;
    const { scrollTop, scrollHeight, clientHeight } = box.current;
    const end = scrollHeight - clientHeight - scrollTop < END_DISTANCE_PX;
    if (follow && !end && scrollTop < jumped.current) onFollow(false);
    else if (!follow && end) onFollow(true);
  };
  if (all === 0)
    return html`<${Empty} icon="activity" title="No activity yet"><p>State changes and log lines appear here as they occur.</p></${Empty}>`;
  return html`
    <p class="muted log-count">${lines.length === all ? count(all, 'line') : `${lines.length} of ${count(all, 'line')}`}${all >= MAX_LINES ? '; older lines were removed' : ''}</p>
    <div class="log" ref=${box} onScroll=${scrolled} tabindex="0" role="region" aria-label="Log lines, newest last">
      <ol class="plain">${lines.map((line) => html`<${Row} key=${line.id} line=${line} />`)}</ol>
    </div>
  `;
}

/** A line, rendered again only when it is repeated. */
class Row extends Component {
  /** @param {any} next */
  shouldComponentUpdate(next) {
    const { id, at, times } = this.props.line;
    return next.line.id !== id || next.line.at !== at || next.line.times !== times;
  }

  render() {
    const { line } = this.props;
    return html`<li class="log-line log-${line.level}">
      <time datetime=${new Date(line.at * 1000).toISOString()}>${clock(line.at)}</time>
      <span class="log-level">${line.level}</span>
      <span class="log-source">${line.source}</span>
      <span class="log-text">${line.text}${line.times > 1 && html` <span class="muted">(${line.times} times)</span>`}</span>
    </li>`;
  }
}
