/** Reads the JSON body of a request within its limit. Errors quote nothing of it. */

import express from 'express';
import { FrontError } from '../errors.mjs';
import { tooLarge } from '../access/guard.mjs';
import { jsonProblem } from './import.mjs';

/**
 * Limit for the memory of all bodies that are being read, as a multiple of the largest body; small bodies do not count.
 */
const MAX_BODIES = 16;
const SMALL_BODY_BYTES = 64 * 1024;

/**
 * Return a function that reads the body of a request.
 *
 * @param {number} maxBytes
 * @returns {(req: import('express').Request, res: import('express').Response) => Promise<unknown>}
 * It throws FrontError: BODIES_LIMIT, BODY_TOO_LARGE, BODY_TYPE_REFUSED, BODY_NOT_JSON.
 */
export function bodyReader(maxBytes) {
  const read = express.raw({ limit: maxBytes, inflate: false, type: 'application/json' });
  let reading = 0;
  return async (req, res) => {
    const most = Number(req.headers['content-length'] ?? maxBytes); // Node lets pass what is a number
    if (most > SMALL_BODY_BYTES && reading + most > MAX_BODIES * maxBytes) {
      throw new FrontError('BODIES_LIMIT', undefined, { data: { retry_after: 5 } });
    }
    reading += most;
    try {
      await new Promise((done, failed) => {
        read(req, res, (/** @type {unknown} */ error) =>
          error ? failed(explained(error, maxBytes)) : done(undefined),
        );
      });
    } finally {
      reading -= most;
    }
    if (!Buffer.isBuffer(req.body)) throw noBody(req);
    return parsed(req.body);
  };
}

/** @type {(bytes: Buffer) => unknown} */
function parsed(bytes) {
  const text = decoded(bytes);
  if (!text.trim()) throw new FrontError('BODY_NOT_JSON', 'The body is empty.');
  try {
    return JSON.parse(text);
  } catch {
    const { what, line, column } = jsonProblem(text) ?? { what: 'a fault', line: 1, column: 1 };
    throw new FrontError('BODY_NOT_JSON', `The body has ${what}: line ${line}, column ${column}.`, {
      data: { line, column },
    });
  }
}

/** @type {(bytes: Buffer) => string} */
function decoded(bytes) {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new FrontError('BODY_NOT_JSON', 'The body is not text in UTF-8.');
  }
}

/** @type {(error: unknown, maxBytes: number) => unknown} */
function explained(error, maxBytes) {
  const type = error instanceof Error && 'type' in error ? error.type : '';
  if (type === 'entity.too.large') return tooLarge(maxBytes);
  if (type === 'encoding.unsupported') return new FrontError('BODY_TYPE_REFUSED', 'The body is compressed.');
  const cut = type === 'request.aborted' || type === 'request.size.invalid';
  return cut ? new FrontError('BODY_NOT_JSON', 'The body was cut short.') : error;
}

/** @type {(req: import('express').Request) => FrontError} */
function noBody(req) {
  if (req.headers['content-type'] === undefined) return new FrontError('BODY_NOT_JSON', 'The request has no body.');
  return new FrontError('BODY_TYPE_REFUSED');
}
