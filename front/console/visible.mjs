/** Escapes characters in servers' texts that a browser would not show, or would show in another order. */

/**
 * Control characters other than tab and line ends (C0, DEL, C1), marks and overrides of text direction (Unicode
 * Standard Annex 9), line and paragraph separators, surrogates.
 */
const INVISIBLE = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\p{Surrogate}]/u;
const EACH_INVISIBLE = new RegExp(INVISIBLE.source, 'gu');

/**
 * Return the text with each such character as `\u202e`, so that its characters are shown in their order.
 *
 * @param {string} text
 * @returns {string}
 */
export function visible(text) {
  return INVISIBLE.test(text)
    ? text.replace(EACH_INVISIBLE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
    : text;
}
