import { computed, signal } from '@preact/signals';
import { useMemo } from 'preact/hooks';
import { clock, duration } from '../words.mjs';
import { html } from './html.mjs';

/** @type {any} */
let timer = null;
const nowNow = () => Date.now() / 1000;

/**
 * The present time in Unix seconds; updated only while it is shown.
 * @type {import('@preact/signals').Signal<number>}
 */
export const now = signal(nowNow(), {
  watched() {
    timer = setInterval(() => {
      now.value = nowNow();
    }, 1000);
  },
  unwatched() {
    clearInterval(timer);
  },
});

/**
 * A time relative to now (`plain`: a duration), with the absolute time on hover.
 *
 * @param {{ at: number|null, plain?: boolean, due?: boolean }} props `at` in Unix seconds; `due`: what is past is due now
 */
export function Time({ at, plain = false, due = false }) {
  const text = useMemo(
    () => computed(() => (at ? relative(at, due ? Math.min(now.value, at) : now.value, plain) : '–')),
    [at, plain, due],
  );
  if (!at) return html`<span>–</span>`;
  return html`<time datetime=${new Date(at * 1000).toISOString()} title=${clock(at)}>${text}</time>`;
}

/** @param {number} at @param {number} then @param {boolean} plain */
function relative(at, then, plain) {
  const ago = then - at;
  if (plain) return duration(Math.abs(ago));
  if (Math.abs(ago) < 1) return 'now';
  return ago > 0 ? `${duration(ago)} ago` : `in ${duration(-ago)}`;
}
