/** Handlers of the history's routes: what the recorder answers, and exports of it. */

import { FrontError } from '../../errors.mjs';
import { exporter } from './export.mjs';

/**
 * @typedef {'recordedCalls' | 'recordedCall' | 'recordedChanges' | 'signIns' | 'pastSessions' | 'principals' | 'usage'
 *   | 'recordsStatus' | 'optimizeRecords'} RecordIds
 */

const OPTIMIZE_TIMEOUT_SECONDS = 600; // a vacuum of a large database takes minutes

/**
 * Return the handlers.
 *
 * @param {Pick<import('../../state/recorder.mjs').Recorder, 'ask'>} recorder
 * @returns {Pick<import('../router.mjs').HandlersOf<import('../describe/answers.mjs').HubAnswers>, RecordIds> & Record<
 *   'exportCalls' | 'exportChanges' | 'exportSignIns', import('../router.mjs').Handler>}
 */
export function records(recorder) {
  const exported = exporter(recorder);
  return {
    recordedCalls: ({ query }) => recorder.ask('read_calls', query),
    recordedCall: ({ params }) => recorder.ask('read_call', { id: idOf(params.id) }),
    recordedChanges: ({ query }) => recorder.ask('read_changes', query),
    signIns: ({ query }) => recorder.ask('read_sign_ins', query),
    pastSessions: ({ query }) => recorder.ask('read_recorded_sessions', query),
    principals: ({ query }) => recorder.ask('read_recorded_principals', query),
    usage: ({ query }) => recorder.ask('read_usage', /** @type {any} */ (query)),
    recordsStatus: () => recorder.ask('records_status'),
    optimizeRecords: ({ body }) => recorder.ask('optimize_records', body, { timeout: OPTIMIZE_TIMEOUT_SECONDS }),
    exportCalls: (asked) => exported(asked, 'calls'),
    exportChanges: (asked) => exported(asked, 'changes'),
    exportSignIns: (asked) => exported(asked, 'sign_ins'),
  };
}

/** @param {string} text @throws {FrontError} NOT_FOUND */
function idOf(text) {
  const id = /^\d{1,15}$/.test(text) ? Number(text) : null;
  if (id === null) throw new FrontError('NOT_FOUND', 'The id of a recorded call is a number.');
  return id;
}
