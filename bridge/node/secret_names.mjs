/** Decides by names whether their values are secrets. `bridge/secret_names.py` uses the same rules, masking.json. */

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
 * Whether a variable, header, parameter or flag of this name has a secret value (and not, say, a secret's path).
 *
 * @param {string} name
 */
export function isSecretName(name) {
  const lower = name.toLowerCase();
  if (OPEN_SUFFIXES.some((suffix) => lower.endsWith(suffix))) return false;
  return WORDS.some((word) => lower.includes(word)) || lower.split(/[^a-z0-9]/).some((part) => PARTS.has(part));
}

/** Whether a field of this name, which YAMCP does not know, has a secret value. @param {string} name */
export function isSecretField(name) {
  const lower = name.toLowerCase();
  return FIELDS.some((word) => lower.includes(word));
}

/** Whether a value is a common word and so not a secret. @param {string} value */
export function isOpenWord(value) {
  return OPEN_WORDS.has(value.toLowerCase());
}

/**
 * Whether a part of an address looks like a token: long, and with letters and digits or without separators.
 *
 * @param {string} text
 */
export function looksLikeToken(text) {
  if (text.length < RULES.pathTokenLength || !/^[\w.~%+=-]+$/.test(text)) return false;
  return (/[0-9]/.test(text) && /[a-z]/i.test(text)) || !/[-_.~]/.test(text);
}
