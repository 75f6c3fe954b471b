// Who makes the request that is being handled, and where: the adapter keeps it in the history of changes.

import { AsyncLocalStorage } from 'node:async_hooks';

/** @import {Author} from '../../../bridge/node/types.mjs' */

const MAX_NAME = 128; // characters (bridge/author.py)
/** @type {AsyncLocalStorage<Author>} */
const handled = new AsyncLocalStorage();

/** The author of the request that is being handled; undefined outside of one. */
export const author = () => handled.getStore();

/** Handle a request in the name of its author. @param {Author} by @param {() => void} handle */
export const handleAs = (by, handle) => handled.run(by, handle);

/**
 * Return who makes a request. Browsers say which requests come from a page of this hub (`Sec-Fetch-Site`); others are
 * programs that use the API.
 *
 * @param {import('node:http').IncomingMessage} request
 * @param {{principal: {name: string}} | null} who  null: the hub asks for no token
 * @returns {Author}
 */
export function authorOf({ headers }, who) {
  const principal = (who?.principal.name ?? 'everybody').slice(0, MAX_NAME);
  if (headers['sec-fetch-site'] !== 'same-origin') return { principal, source: 'api' };
  return { principal, source: isConsole(headers.referer) ? 'console' : 'yamcp-ui' };
}

/** @param {string | undefined} referer */
function isConsole(referer = '') {
  return URL.canParse(referer) && /^\/hub(?:\/|$)/.test(new URL(referer).pathname);
}
