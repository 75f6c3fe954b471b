/** Which names tell that their value is a secret. `bridge/secret_names.py` has the same from the same file. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** @type {Record<string, any>} */
const RULES = JSON.parse(readFileSync(join(import.meta.dirname, '../masking.json'), 'utf8'));
/** @type {string[]} */
const WORDS = RULES.words;
/** @type {Set<string>} */
const PARTS = new Set(RULES.parts);
/** @type {string[]} */
const FIELDS = RULES.fields;
/** @type {string[]} */
const OPEN_SUFFIXES = RULES.open.suffixes;
/** @type {Set<string>} */
const OPEN_WORDS = new Set(RULES.open.words);

/**
 * Whether a variable, header, parameter or flag of this name is taken to hold a secret, rather than its place.
 *
 * @param {string} name
 */
export function isSecretName(name) {
  const lower = name.toLowerCase();
  if (OPEN_SUFFIXES.some((suffix) => lower.endsWith(suffix))) return false;
  return WORDS.some((word) => lower.includes(word)) || lower.split(/[^a-z0-9]/).some((part) => PARTS.has(part));
}

/** Whether a field of this name, which YAMCP does not know, is taken to hold a secret. @param {string} name */
export function isSecretField(name) {
  const lower = name.toLowerCase();
  return FIELDS.some((word) => lower.includes(word));
}

/** Whether it is a word that no secret is. @param {string} value */
export function isOpenWord(value) {
  return OPEN_WORDS.has(value.toLowerCase());
}

/**
 * Whether a part of an address looks like a token: long, with letters and digits or of one piece.
 *
 * @param {string} text
 */
export function looksLikeToken(text) {
  if (text.length < RULES.pathTokenLength || !/^[\w.~%+=-]+$/.test(text)) return false;
  return (/[0-9]/.test(text) && /[a-z]/i.test(text)) || !/[-_.~]/.test(text);
}
