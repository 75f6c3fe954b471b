/** Text of servers made harmless: what a browser would not show, or would show in another order, is shown as its escape. */

/**
 * Control characters but tab and line ends (C0, DEL, C1), marks and overrides of the direction of text (Unicode
 * Standard Annex 9), separators of lines and paragraphs, halves of surrogate pairs.
 */
const UNSEEN = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\p{Surrogate}]/u;
const EACH = new RegExp(UNSEEN.source, 'gu');

/**
 * The text with each such character as `\u202e`: a name reads in the order of its characters, whatever it holds.
 *
 * @param {string} text
 * @returns {string}
 */
export function visible(text) {
  return UNSEEN.test(text)
    ? text.replace(EACH, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
    : text;
}
