/** Fills in the arguments of a recorded call, so that it can be made again. */

import { useEffect, useState } from 'preact/hooks';
import { isObject } from '../../forms/schema.mjs';
import { api } from '../../hub/store.mjs';

/**
 * Fill in the arguments of a recorded call.
 *
 * @param {string|undefined} id of the call
 * @param {(given: Record<string, unknown>) => void} fill
 * @returns {{ error?: any, tone?: string, children?: any } | null} the props of a notice about it; null: nothing to say
 */
export function useRecordedArguments(id, fill) {
  const [notice, setNotice] = useState(/** @type {any} */ (null));
  useEffect(() => {
    if (id === undefined) return;
    const take = (/** @type {{ arguments: string|null }} */ { arguments: text }) => {
      const given = parseArguments(text);
      if (given) fill(given);
      setNotice({ tone: given ? 'info' : 'warn', children: noticeText(text, given) });
    };
    api.get(`/api/hub/calls/${encodeURIComponent(id)}`).then(take, (error) => setNotice({ error, tone: 'warn' }));
  }, [id]);
  return notice;
}

/** Return recorded arguments; null if they were not kept, or not whole. @param {string|null} text */
function parseArguments(text) {
  try {
    const value = JSON.parse(text ?? '');
    return isObject(value) ? /** @type {Record<string, unknown>} */ (value) : null;
  } catch {
    return null;
  }
}

/** @param {string|null} text @param {object|null} given */
function noticeText(text, given) {
  if (text === null) return 'The arguments of that call were not recorded. Fill them in.';
  if (!given) return 'The arguments of that call were too long to be recorded completely. Fill them in.';
  if (text.includes('***'))
    return 'The recorded arguments are filled in. Replace each *** by the secret that was masked.';
  return 'The recorded arguments are filled in. A new call repeats the effects of the tool.';
}
