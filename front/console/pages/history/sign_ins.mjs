/** Recorded sign-ins at the console, and attempts that were refused. */

import { filtersOf, outcomeOf } from '../../data/recorded.mjs';
import { Button, Empty, html, Notice, StateBadge, Table } from '../../ui.mjs';
import {
  Exports,
  HistoryPage,
  Moment,
  Pager,
  ReplicaFilter,
  setFilters,
  TimeFilter,
  useRecords,
  withReplica,
} from './frame.mjs';

/** @typedef {import('../../../../bridge/node/types.mjs').SignInRecord} SignIn */

const PATH = '/api/hub/sign-ins';

/** @param {{ query: Record<string, string> }} props `last` or `since`, and `before`: the page */
export default function SignIns({ query }) {
  const { until: _, ...given } = query;
  const filters = () => filtersOf(given, ['replica'], Date.now() / 1000);
  const key = JSON.stringify([query.last, query.since, query.replica]);
  const found = useRecords(PATH, 'sign_ins', filters, { key, before: query.before });
  const actions = html`<${Exports} path=${PATH} filters=${filters} />`;
  return html`<${HistoryPage} current="sign-ins" lead="Who signed in at the console, and who was refused." actions=${actions}>
    <div class="filters history-filters" role="search" aria-label="Filters">
      <${TimeFilter} query=${given} from onChange=${(/** @type {any} */ changes) => setFilters('sign-ins', given, changes)} />
      <${ReplicaFilter} page="sign-ins" query=${given} />
    </div>
    ${found.error && found.error.code !== 'HISTORY_UNAVAILABLE' && html`<${Notice} error=${found.error} />`}
    ${found.error && html`<${Button} icon="restart" onClick=${found.load}>Try again</${Button}>`}
    ${found.rows?.length === 0 && !found.reading && html`<${Empty} icon="key" title="No sign-ins"><p>A hub that requires no token records no sign-ins.</p></${Empty}>`}
    ${found.rows && found.rows.length > 0 && html`<${Table} label="Sign-ins" columns=${withReplica(COLUMNS)} rows=${found.rows} rowKey=${(/** @type {SignIn} */ { id }) => String(id)} />`}
    ${!found.error && html`<${Pager} page="sign-ins" query=${given} found=${found} noun="sign-in" />`}
  </${HistoryPage}>`;
}

const COLUMNS = [
  { id: 'time', title: 'Time', bare: true, cell: (/** @type {SignIn} */ { at }) => html`<${Moment} at=${at} />` },
  {
    id: 'outcome',
    title: 'Outcome',
    cell: (/** @type {SignIn} */ { outcome }) => {
      const { word, tone } = outcomeOf(outcome);
      return html`<${StateBadge} tone=${tone} word=${word} />`;
    },
  },
  { id: 'principal', title: 'Principal', cell: (/** @type {SignIn} */ { principal }) => principal || '–' },
  { id: 'way', title: 'Method', cell: (/** @type {SignIn} */ { way }) => way },
  {
    id: 'address',
    title: 'Address',
    cell: (/** @type {SignIn} */ { address }) => html`<code>${address || '–'}</code>`,
  },
];
