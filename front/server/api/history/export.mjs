/** Exports recorded calls, changes and sign-ins, page by page, so that memory is bounded however many there are. */

import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { csvLine } from './csv.mjs';

/**
 * @typedef {'calls' | 'changes' | 'sign_ins'} RecordKind
 * @typedef {Record<string, unknown>} Row
 */

const PAGE = 500; // records, the most of one answer
const KINDS = /** @type {const} */ ({ calls: 'read_calls', changes: 'read_changes', sign_ins: 'read_sign_ins' });
const TYPES = { csv: 'text/csv; charset=utf-8', jsonl: 'application/jsonl; charset=utf-8' };

/** The fields of the records (bridge/models/records.py) but `replica`, in their order. @type {Record<RecordKind, string[]>} */
export const COLUMNS = {
  calls: [
    ...['id', 'at', 'seconds', 'waited', 'workspace', 'session', 'principal', 'address', 'transport', 'era', 'method'],
    ...['server', 'tool', 'outcome', 'code', 'correlation', 'trace', 'arguments_size', 'result_size'],
  ],
  changes: ['id', 'at', 'principal', 'source', 'kind', 'subject', 'change', 'before', 'after', 'diff'],
  sign_ins: ['id', 'at', 'principal', 'address', 'way', 'outcome'],
};

/**
 * Return a handler of exports.
 *
 * @param {Pick<import('../../state/recorder.mjs').Recorder, 'ask'>} recorder
 * @returns {(asked: import('../router.mjs').ApiRequest, what: RecordKind) => Promise<undefined>}
 */
export function exporter(recorder) {
  return async ({ query: { form, ...filters }, req, res }, what) => {
    const read = (/** @type {number | undefined} */ before) =>
      recorder.ask(KINDS[what], /** @type {any} */ ({ ...filters, limit: PAGE, ...(before && { before }) }));
    const columns = form === 'csv' ? await columnsOf(recorder, what) : [];
    const first = await read(undefined); // its errors are answered as of any other request
    res.set({
      'Content-Type': TYPES[/** @type {'csv' | 'jsonl'} */ (form)],
      'Content-Disposition': `attachment; filename="${what.replace('_', '-')}.${form}"`,
      'Cache-Control': 'no-store',
    });
    if (req.method === 'HEAD') return void res.end();
    await sent(res, Readable.from(lines(columns, form, pages(what, first, read))));
  };
}

/**
 * Send a stream. If a later page cannot be read, the connection ends before the end of the answer, so that a part is
 * never taken for the whole.
 *
 * @param {import('express').Response} res @param {Readable} stream
 */
async function sent(res, stream) {
  let gone = false;
  res.once('close', () => {
    gone = !res.writableFinished && stream.errored === null;
  });
  try {
    await pipeline(stream, res);
  } catch (error) {
    if (!gone) throw error; // else the client has left
  }
}

/**
 * @param {RecordKind} what @param {any} first @param {(before: number) => Promise<any>} read
 * @returns {AsyncGenerator<Row[]>}
 */
async function* pages(what, first, read) {
  for (let page = first; ; page = await read(page.next)) {
    yield page[what];
    if (page.next === null) return;
  }
}

/**
 * Return the columns of a table: with the name of the replica, if the history has records of several.
 *
 * @param {Pick<import('../../state/recorder.mjs').Recorder, 'ask'>} recorder @param {RecordKind} what
 */
async function columnsOf(recorder, what) {
  const { replicas } = await recorder.ask('records_status');
  return replicas.length > 1 ? [...COLUMNS[what], 'replica'] : COLUMNS[what];
}

/** @param {string[]} columns @param {string} form @param {AsyncGenerator<Row[]>} found @returns {AsyncGenerator<string>} */
async function* lines(columns, form, found) {
  if (form === 'csv') yield csvLine(['time', ...columns]);
  for await (const rows of found) {
    const line = (/** @type {Row} */ row) =>
      form === 'csv' ? csvLine([timeOf(row), ...columns.map((name) => row[name])]) : `${JSON.stringify(row)}\n`;
    if (rows.length > 0) yield rows.map(line).join('');
  }
}

/** The time in words, for people. @param {Row} row */
const timeOf = ({ at }) => new Date(Number(at) * 1000).toISOString();
