/** Loads style sheets that only one page needs; the page waits for them, so that it is never shown without. */

import { isLeaving } from './hub/login.mjs';

/**
 * Load a style sheet of the console, once.
 *
 * @param {string} path below /hub/assets/
 * @returns {Promise<void>} rejected when it cannot be loaded; pending for good where the page is being left
 */
export function style(path) {
  if (isLeaving()) return new Promise(() => {});
  const href = `/hub/assets/${path}`;
  if (document.querySelector(`link[href="${href}"]`)) return Promise.resolve();
  const link = Object.assign(document.createElement('link'), { rel: 'stylesheet', href });
  return new Promise((resolve, reject) => {
    link.onload = () => resolve();
    link.onerror = () => reject(new Error(`${path} could not be loaded`));
    document.head.append(link);
  });
}
