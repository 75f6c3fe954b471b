// Errors of requests to adapter and sidecar. Pure.

import { FrontError } from '../errors.mjs';

/** @param {'adapter' | 'sidecar'} name @param {Record<string, unknown>} [data] */
export function awayError(name, data = {}) {
  const what = name === 'adapter' ? 'which keeps the configuration' : 'which serves the endpoints';
  return new FrontError('HUB_AWAY', `The ${name}, ${what}, does not answer.`, { data: { ...data, process: name } });
}

/** @param {unknown} error */
export const codeOf = (error) => (error instanceof Error && 'code' in error ? error.code : undefined);

/** @param {unknown} error */
export const messageOf = (error) => (error instanceof Error ? error.message : String(error));
