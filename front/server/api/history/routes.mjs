/** The routes of what has happened: log records, recorded calls, changes, sign-ins and sessions, figures. Pure. */

import { flag, name, number, oneOf, optional } from '../fields.mjs';
import { route } from '../route.mjs';

/** @typedef {import('../routes.mjs').Route} Route */

const MAX_RECORDS = 500; // in one answer (bridge/models/records.py)
const MAX_NAMES = 100; // that figures tell apart
const ERRORS = ['HISTORY_OFF', 'HISTORY_UNAVAILABLE'];

export const since = number('Unix time in seconds', { min: 0, max: 1e12 });
const id = number('whole number', { min: 0, max: Number.MAX_SAFE_INTEGER, whole: true });
const lines = number('whole number from 1 to 5,000', { min: 1, max: 5000, whole: true });
const limit = optional(number('whole number from 1 to 500', { min: 1, max: MAX_RECORDS, whole: true }));
const text = optional(name);
const span = { since: optional(since), until: optional(since) };
const page = { before: optional(id), after: optional(id), limit };
const form = oneOf('csv', 'jsonl');
const workspaceAndServer = { workspace: text, server: text };

/** What may be asked of recorded calls, changes and sign-ins; `optional` all of it. */
const CALLS = {
  ...span,
  ...workspaceAndServer,
  tool: text,
  principal: text,
  session: text,
  outcome: text,
  correlation: text,
  replica: text,
};
const CHANGES = { ...span, principal: text, source: text, subject: text, replica: text };
const SIGN_INS = { since: span.since, replica: text };

/** @type {Route[]} */
export const HISTORY_ROUTES = [
  route('logs', 'GET', '/api/hub/logs', {
    summary:
      'The newest log records of the sidecar, oldest first; `call` is the id of a request, its correlation id or that of the client. `replica` is the name of a replica, or `all`: then `logged_by` in each record names its replica, `replicas` are those that were asked, and `unanswered` those that did not answer.',
    query: {
      server: text,
      ...span,
      call: text,
      replica: text,
      limit: optional(lines),
    },
    answer: '{records, replicas, unanswered}',
    errors: ['REPLICA_UNKNOWN', 'REPLICAS_OFF'],
  }),
  route('recordedCalls', 'GET', '/api/hub/calls', {
    summary:
      'Recorded calls, newest first; with `after` oldest first, for following. `outcome=failed` matches all but `ok`.',
    query: { ...CALLS, ...page },
    answer: '{calls, next}',
    errors: ERRORS,
  }),
  ...exported('Calls', 'calls', 'Recorded calls', CALLS),
  route('recordedCall', 'GET', '/api/hub/calls/:id', {
    summary: 'One recorded call, with arguments and result as far as they were kept.',
    answer: '{call, arguments, result, cut}',
    errors: ['NO_SUCH_RECORD', ...ERRORS],
  }),
  route('recordedChanges', 'GET', '/api/hub/changes', {
    summary: 'Recorded changes of the configuration, newest first; with `after` oldest first.',
    query: { ...CHANGES, ...page },
    answer: '{changes, next}',
    errors: ERRORS,
  }),
  ...exported('Changes', 'changes', 'Recorded changes', CHANGES),
  route('signIns', 'GET', '/api/hub/sign-ins', {
    summary: 'Recorded sign-ins, and attempts that were refused, newest first.',
    query: { ...SIGN_INS, before: page.before, limit },
    answer: '{sign_ins, next}',
    errors: ERRORS,
  }),
  ...exported('SignIns', 'sign-ins', 'Recorded sign-ins', SIGN_INS),
  route('pastSessions', 'GET', '/api/hub/sessions/recorded', {
    summary: 'Recorded sessions of clients, newest first, those that have ended, too.',
    query: { workspace: text, replica: text, limit },
    answer: '{sessions}',
    errors: ERRORS,
  }),
  route('principals', 'GET', '/api/hub/principals', {
    summary: 'The principals of recorded calls, the one seen last first.',
    query: { limit },
    answer: '{principals}',
    errors: ERRORS,
  }),
  route('usage', 'GET', '/api/hub/usage', {
    summary:
      'Calls, failures and quantiles of the duration in the last hour, day or month, in intervals: of all calls, and by tool, principal, server, workspace or replica.',
    query: {
      range: oneOf('hour', 'day', 'month'),
      by: optional(oneOf('tool', 'principal', 'server', 'workspace', 'replica')),
      ...workspaceAndServer,
      limit: optional(number('whole number from 1 to 100', { min: 1, max: MAX_NAMES, whole: true })),
    },
    answer: '{interval, points, all, totals}',
    errors: ERRORS,
  }),
  route('recordsStatus', 'GET', '/api/hub/records', {
    summary:
      "The state of the history's database: its contents, the records that wait to be stored, the number of lost records, and the replicas whose records it has.",
    answer: '{state, reason, database, calls, …}',
    errors: ERRORS,
  }),
  route('optimizeRecords', 'POST', '/api/hub/records/optimize', {
    summary: 'Analyse, vacuum and check the indexes of that database; with `dry_run` only say what that would bring.',
    body: { dry_run: optional(flag) },
    answer: '{steps, before, after}',
    errors: ERRORS,
  }),
];

/**
 * The route of an export.
 *
 * @param {string} id
 * @param {string} path
 * @param {string} what
 * @param {import('../fields.mjs').Fields} filters
 */
function exported(id, path, what, filters) {
  return [
    route(`export${id}`, 'GET', `/api/hub/${path}/export`, {
      summary: `${what} as a file, newest first: JSON lines, or CSV (RFC 4180, UTF-8).`,
      query: { form, ...filters },
      answer: 'the file',
      errors: ERRORS,
    }),
  ];
}
