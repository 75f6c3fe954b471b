/**
 * The theme: light, dark, or the system's. Stored by the browser, and set before the first paint by before_paint.mjs.
 */

import { effect, signal } from '@preact/signals';

const STORAGE_KEY = 'hub-theme';

/** @type {import('@preact/signals').Signal<string>} `auto`, `light` or `dark` */
export const theme = signal(globalThis.document?.documentElement.dataset.theme ?? 'auto');

if (globalThis.document) effect(storeTheme); // the front renders the first page without one

function storeTheme() {
  const picked = theme.value;
  if (picked === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = picked;
  try {
    if (picked === 'auto') localStorage.removeItem(STORAGE_KEY);
    else localStorage.setItem(STORAGE_KEY, picked);
  } catch {} // storage is forbidden: for this page only
}
