/** Short messages, announced by the live region and shown for a while; errors stay until they are dismissed. */

import { signal } from '@preact/signals';

const SHOWN_SECONDS = 4; // seconds
const MAX_TOASTS = 3;

/** @typedef {{ id: number, text: string, error: any }} Toast */

/** @type {import('@preact/signals').Signal<Toast[]>} */
export const toasts = signal([]);
/** The text of the polite live region. */
export const announcement = signal('');
let last = 0;

/** Show a message that needs no action. @param {string} text */
export function toast(text) {
  const id = add({ text, error: null });
  announce(text);
  setTimeout(() => dismiss(id), SHOWN_SECONDS * 1000);
}

/** Show an ApiError (or any error) until it is dismissed. @param {any} error */
toast.error = (error) => {
  add({ text: '', error });
};

/** Announce a text to screen readers, without showing it. @param {string} text */
export function announce(text) {
  announcement.value = announcement.peek() === text ? `${text}\u00a0` : text; // the same text again is not read
}

/** @param {Omit<Toast, 'id'>} item */
function add(item) {
  const id = ++last;
  const others = toasts.value.filter(({ text, error }) => error || text !== item.text);
  toasts.value = [...others, { id, ...item }].slice(-MAX_TOASTS);
  return id;
}

/** @param {number} id */
export function dismiss(id) {
  toasts.value = toasts.value.filter((item) => item.id !== id);
}
