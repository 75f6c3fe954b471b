/** What the pages of the history share: the frame, the recorder's state, filters, and a list that is read page by page. */

import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { RANGES, withNewer } from '../../data/recorded.mjs';
import { address, api } from '../../hub/api.mjs';
import { href } from '../../router.mjs';
import { style } from '../../style.mjs';
import { announce, Button, Field, html, Notice, Page } from '../../ui.mjs';
import { Subnav } from '../../ui/subnav.mjs';
import { count, size } from '../../words.mjs';

await style('styles/history.css');

/** @typedef {import('../../../../bridge/node/types.mjs').RecordsStatus} Status */

const TITLES = {
  calls: 'Calls',
  usage: 'Usage',
  changes: 'Changes',
  'sign-ins': 'Sign-ins',
  'past-sessions': 'Past sessions',
};
const STATUS_MS = 10_000; // ms between looks at the recorder's state
const LIVE_MS = 2_000; // ms between looks for newer records
const ANNOUNCE_MS = 10_000; // ms between announcements of newer records
const TYPING_MS = 350; // ms after the last key until a filter is applied
export const PAGE_SIZE = 100;
/** Requests for one page: each looks at a bounded number of records, and may find none that fits. */
const MAX_REQUESTS = 30;

/** The replicas whose records the history has; none for a hub that is alone. @type {import('@preact/signals').Signal<string[]>} */
const replicas = signal([]);

/** Return whether records of several replicas are shown, so that each has to name its own. */
export const hasReplicas = () => replicas.value.length > 1;

/**
 * A page of the history.
 *
 * @param {{ current: keyof typeof TITLES, lead: string, actions?: any, children: any }} props
 */
export function HistoryPage({ current, lead, actions, children }) {
  const { status, error } = useStatus();
  const links = Object.entries(TITLES).map(([page, title]) => ({ href: href(page), title, current: page === current }));
  const off = error?.code === 'HISTORY_OFF';
  return html`<${Page} title=${TITLES[current]} lead=${lead} actions=${off ? null : actions}>
    <${Subnav} label="History" links=${links} />
    ${error && html`<div class="banner"><${Notice} error=${error} tone=${off ? 'info' : 'warn'} /></div>`}
    ${status && status.state !== 'ok' && html`<div class="banner"><${Notice} error=${{ message: status.reason, code: status.code }} tone="warn" /></div>`}
    ${status && ownOnly(status) && html`<div class="banner"><${Notice} tone="info"><p>${ownOnly(status)}</p></${Notice}></div>`}
    ${!off && children}
    ${status && html`<p class="muted small history-status">${statusText(status)}</p>`}
  </${Page}>`;
}

/** @type {Record<Status['database'], string>} */
const DATABASES = { sqlite: 'SQLite', postgresql: 'PostgreSQL', memory: 'memory' };

/** Return what to say where each replica has a history of its own. @param {Status} status */
const ownOnly = ({ replica, database }) =>
  replica && database === 'sqlite'
    ? `Only the records of this replica, ${replica}: each replica has a history of its own. With the same HUB_DATABASE_URL at all replicas, they have one.`
    : '';

/** @param {Status} status */
function statusText({ database, calls, oldest, size: bytes, spooled, lost }) {
  const since = oldest ? ` since ${new Date(oldest * 1000).toLocaleDateString('en-GB', { dateStyle: 'medium' })}` : '';
  const parts = [
    `${count(calls, 'call')} stored${since}, in ${DATABASES[database]}${bytes ? ` (${size(bytes)})` : ''}.`,
    spooled > 0 && `${size(spooled)} waiting to be stored.`,
    lost > 0 && `${count(lost, 'record')} lost.`,
  ];
  return parts.filter(Boolean).join(' ');
}

/** Return the state of the recorder, looked at every few seconds while the page is visible. */
function useStatus() {
  const [found, setFound] = useState(/** @type {{ status?: Status, error?: any }} */ ({}));
  useEffect(() => {
    let stopped = false;
    const look = async () => {
      if (document.hidden) return;
      const next = await api.get('/api/hub/records').then(
        (status) => ({ status }),
        (error) => ({ error }),
      );
      if (stopped) return;
      setFound(next);
      if ('status' in next) replicas.value = next.status.replicas;
    };
    look();
    const timer = setInterval(look, STATUS_MS);
    document.addEventListener('visibilitychange', look);
    return () => {
      stopped = true;
      clearInterval(timer);
      document.removeEventListener('visibilitychange', look);
    };
  }, []);
  return found;
}

/**
 * @typedef {{ rows: any[] | null, next: number | null, last: number, error: any, reading: boolean }} RecordPage
 */

/** @type {RecordPage} */
const LOADING_PAGE = { rows: null, next: null, last: 0, error: null, reading: true };

/**
 * Return one page of records, newest first; with `live` it grows by newer ones while it is visible.
 *
 * @param {string} path of the API
 * @param {string} list its field of the answer
 * @param {() => Record<string, any>} filters
 * @param {{ key: string, before?: string, live?: boolean }} options `key` changes with the filters
 * @returns {RecordPage & { load: () => Promise<void> }}
 */
export function useRecords(path, list, filters, { key, before, live = false }) {
  const [found, setFound] = useState(LOADING_PAGE);
  const latestRequest = useRef(0);
  const announcedAt = useRef(0);
  const load = async () => {
    const number = ++latestRequest.current;
    setFound((known) => ({ ...known, reading: true }));
    const next = await readPage(path, list, filters(), before).catch((error) => ({
      ...LOADING_PAGE,
      error,
      reading: false,
    }));
    if (number === latestRequest.current) setFound(next); // else it is older than what was asked for since
  };
  useEffect(() => {
    setFound(LOADING_PAGE);
    load();
  }, [path, key, before]);
  const follows = live && before === undefined && found.rows !== null && !found.reading;
  useEffect(() => {
    if (!follows) return undefined;
    const timer = setTimeout(async () => {
      const number = latestRequest.current;
      const answer = document.hidden ? null : await readNewer(path, filters(), found.last);
      if (number !== latestRequest.current) return;
      if (answer && answer.next !== null) return void load(); // more than a page: begin anew
      const added = answer?.[list] ?? [];
      if (added.length > 0 && Date.now() - announcedAt.current > ANNOUNCE_MS) {
        announce(`${count(added.length, 'new record')}`);
        announcedAt.current = Date.now();
      }
      setFound((known) => ({
        ...known,
        rows: withNewer(known.rows ?? [], added, PAGE_SIZE),
        last: answer?.last ?? known.last,
      }));
    }, LIVE_MS);
    return () => clearTimeout(timer);
  }, [follows, found]);
  return { ...found, load };
}

/** Return newer records; null where they cannot be read now. @param {string} path @param {any} filters @param {number} after */
const readNewer = (path, filters, after) => api.get(path, { ...filters, after, limit: PAGE_SIZE }).catch(() => null);

/** @param {string} path @param {string} list @param {any} filters @param {string | undefined} before @returns {Promise<RecordPage>} */
async function readPage(path, list, filters, before) {
  const rows = [];
  let [next, last] = [/** @type {any} */ (before ?? null), 0];
  for (let requests = 0; requests < MAX_REQUESTS; requests += 1) {
    const answer = await api.get(path, { ...filters, before: next, limit: PAGE_SIZE - rows.length });
    if (requests === 0) last = answer.last;
    rows.push(...answer[list]);
    next = answer.next;
    if (next === null || rows.length >= PAGE_SIZE) break;
  }
  return { rows, next, last, error: null, reading: false };
}

/**
 * Links to older and newer pages of a list.
 *
 * @param {{ page: string, query: Record<string, string>, found: RecordPage, noun: string }} props
 */
export function Pager({ page, query, found, noun }) {
  const { before, ...rest } = query;
  const many = found.rows?.length ?? 0;
  return html`<nav class="pager" aria-label="Pages">
    <p class="muted small" aria-live="polite">${found.reading ? 'Loading…' : `${count(many, noun)} on this page${found.next === null ? ', the last page' : ''}`}</p>
    <div class="actions">
      ${before !== undefined && html`<${Button} icon="up" href=${href(page, [], rest)}>Newest</${Button}>`}
      ${before !== undefined && html`<${Button} icon="back" onClick=${() => history.back()}>Back</${Button}>`}
      ${found.next !== null && html`<${Button} icon="next" href=${href(page, [], { ...rest, before: String(found.next) })}>Older</${Button}>`}
    </div>
  </nav>`;
}

/**
 * Change the filters in the address, without a new entry in the browser's history.
 *
 * @param {string} page @param {Record<string, string>} query @param {Record<string, string | undefined>} changes
 */
export function setFilters(page, query, changes) {
  const { before: _, ...rest } = query; // other filters have other pages
  const next = Object.entries({ ...rest, ...changes }).filter(([, value]) => value !== undefined && value !== '');
  location.replace(href(page, [], /** @type {Record<string, string>} */ (Object.fromEntries(next))));
}

/**
 * A text filter that is applied when typing pauses.
 *
 * @param {{ label: string, value: string | undefined, onChange: (value: string) => void, attrs?: Record<string, any> }} props
 */
export function TextFilter({ label, value = '', onChange, attrs }) {
  const [text, setText] = useState(value);
  const timer = useRef(/** @type {any} */ (0));
  useEffect(() => setText(value), [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const typed = (/** @type {string} */ next) => {
    setText(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => onChange(next), TYPING_MS);
  };
  return html`<${Field} label=${label} kind="search" value=${text} onInput=${typed} attrs=${attrs} />`;
}

/**
 * A choice among names; the one in the address is offered even if the hub does not know it.
 *
 * @param {{ label: string, all: string, value: string | undefined, options: { value: string, label: string }[], onChange: (value: string) => void }} props
 */
export function ChoiceFilter({ label, all, value = '', options, onChange }) {
  const known = options.some((option) => option.value === value) || value === '';
  const choices = [{ value: '', label: all }, ...options, ...(known ? [] : [{ value, label: value }])];
  return html`<${Field} label=${label} kind="select" value=${value} options=${choices} onInput=${onChange} />`;
}

/**
 * A choice among replicas, if there are several.
 *
 * @param {{ page: string, query: Record<string, string> }} props
 */
export function ReplicaFilter({ page, query }) {
  if (!hasReplicas() && !query.replica) return null;
  const options = replicas.value.map((value) => ({ value, label: value }));
  return html`<${ChoiceFilter} label="Replica" all="All" value=${query.replica} options=${options} onChange=${(/** @type {string} */ replica) => setFilters(page, query, { replica })} />`;
}

/**
 * Return the columns of a table, with that of the replica if there are several.
 *
 * @template {{ id: string }} C @param {C[]} columns
 */
export const withReplica = (columns) => (hasReplicas() ? [...columns, REPLICA_COLUMN] : columns);

const REPLICA_COLUMN = {
  id: 'replica',
  title: 'Replica',
  cell: (/** @type {{ replica: string }} */ { replica }) => replica || '–',
};

/** @param {{ query: Record<string, string>, onChange: (changes: Record<string, string | undefined>) => void }} props */
export function TimeFilter({ query, onChange }) {
  const own = query.since !== undefined || query.until !== undefined;
  const options = [
    { value: '', label: 'Any time' },
    { value: 'hour', label: 'Last hour' },
    { value: 'day', label: 'Last 24 hours' },
    { value: 'week', label: 'Last 7 days' },
    { value: 'month', label: 'Last 30 days' },
    { value: 'own', label: 'Custom range' },
  ];
  const pick = (/** @type {string} */ value) => {
    const since = String(Math.floor(Date.now() / 1000) - (RANGES[query.last ?? ''] ?? RANGES.day));
    onChange(value === 'own' ? { last: '', since } : { last: value, since: '', until: '' });
  };
  const moment = (/** @type {'since'|'until'} */ name, /** @type {string} */ label) =>
    html`<${Field} label=${label} kind="datetime-local" value=${toLocal(query[name])} onInput=${(/** @type {string} */ value) => onChange({ [name]: fromLocal(value) })} />`;
  return html`<${Field} label="Time" kind="select" value=${own ? 'own' : (query.last ?? '')} options=${options} onInput=${pick} />
    ${own && moment('since', 'From')}
    ${own && moment('until', 'To')}`;
}

/** Return a time as the browser's fields have it: local, to the minute. @param {string | undefined} at Unix seconds */
function toLocal(at) {
  if (!at || !Number.isFinite(Number(at))) return '';
  const date = new Date(Number(at) * 1000);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** @param {string} text */
const fromLocal = (text) => (text ? String(new Date(text).getTime() / 1000) : '');

/** Links that save what is shown as a file. @param {{ path: string, filters: () => Record<string, any> }} props */
export function Exports({ path, filters }) {
  return ['csv', 'jsonl'].map(
    (form) =>
      html`<a class="button" key=${form} href=${address(`${path}/export`, { form, ...filters() })} download=${`${path.split('/').at(-1)}.${form}`}>
        <span><span class="unseen">Export as </span>${form === 'csv' ? 'CSV' : 'JSON lines'}</span>
      </a>`,
  );
}

/** Date and time of a record. @param {{ at: number }} props Unix seconds */
export function Moment({ at }) {
  const date = new Date(at * 1000);
  const today = date.toDateString() === new Date().toDateString();
  const day = today ? '' : `${date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })} `;
  const time = `${date.toLocaleTimeString('en-GB')}.${String(date.getMilliseconds()).padStart(3, '0')}`;
  return html`<time class="moment" datetime=${date.toISOString()} title=${date.toLocaleString('en-GB')}>${day}${time}</time>`;
}
