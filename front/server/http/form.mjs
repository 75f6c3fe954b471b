// Reads the body of a request that is a form (application/x-www-form-urlencoded), within a limit.

import { once } from 'node:events';
import { FrontError } from '../errors.mjs';
import { tooLarge } from '../access/guard.mjs';

const FORM_TYPE = /^application\/x-www-form-urlencoded\s*(?:;|$)/i;
/** A login's form contains the path to go on to, an authorization request with all of its parameters. */
const MAX_FORM_BYTES = 32 * 1024;

/** Return whether the body of a request is declared to be a form. @param {import('node:http').IncomingMessage} request */
export const isForm = ({ headers }) => FORM_TYPE.test(headers['content-type'] ?? '');

/**
 * Return the fields of a form.
 * @param {import('node:http').IncomingMessage} request @param {string} hint  what to send, if it is no form
 * @returns {Promise<URLSearchParams>}
 * @throws {FrontError} BODY_TYPE_REFUSED, BODY_TOO_LARGE
 */
export async function readForm(request, hint) {
  if (!isForm(request)) throw new FrontError('BODY_TYPE_REFUSED', 'The body is not a form.', { hint });
  return new URLSearchParams(await readText(request, MAX_FORM_BYTES));
}

/**
 * Return the body of a request as text.
 * @param {import('node:http').IncomingMessage} request @param {number} maxBytes
 * @returns {Promise<string>}
 * @throws {FrontError} BODY_TOO_LARGE
 */
export async function readText(request, maxBytes) {
  /** @type {Buffer[]} */
  const chunks = [];
  let bytes = 0;
  request.on('data', (chunk) => {
    bytes += chunk.length;
    if (bytes <= maxBytes) chunks.push(chunk); // the rest is read too: else the answer would be lost
  });
  await once(request, 'end');
  if (bytes > maxBytes) throw tooLarge(maxBytes);
  return Buffer.concat(chunks).toString('utf8');
}
