/**
 * Announces changes to screen readers: workspaces, servers that fail, parts of the hub that become or cease to be
 * available.
 */

import { announce } from '../ui/toast.mjs';
import { displayName } from '../words.mjs';

const BATCH_MS = 400; // ms within which what happens is said at once
const MAX_ANNOUNCED = 3;

/**
 * @param {{ onEvent: (listener: (event: import('../types.mjs').HubEvent) => void) => () => void }} live
 * @returns {() => void} ends it
 */
export function startAnnouncer(live) {
  /** @type {Map<string, string>} */
  const news = new Map();
  /** @type {any} */
  let timer = null;
  const say = () => {
    const texts = [...news.values()];
    news.clear();
    timer = null;
    announce(
      texts.slice(0, MAX_ANNOUNCED).join('. ') +
        (texts.length > MAX_ANNOUNCED ? `. And ${texts.length - MAX_ANNOUNCED} more changes` : ''),
    );
  };
  const off = live.onEvent(({ kind, subject, text, loud }) => {
    if (!loud) return;
    news.set(`${kind} ${subject}`, `${kind === 'hub' ? subject : displayName(subject)}: ${text}`);
    timer ??= setTimeout(say, BATCH_MS);
  });
  return () => {
    clearTimeout(timer);
    off();
  };
}
