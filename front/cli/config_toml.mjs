/**
 * Sets or removes one table of a client's configuration in TOML. Pure. The result is parsed and compared before it is
 * used.
 */

import { isDeepStrictEqual } from 'node:util';
import { parse, stringify } from 'smol-toml';
import { PASTE, Unusable } from './unusable.mjs';

const HEADER = /^[ \t]*\[/;

/**
 * Return the text with the entry set or removed. Everything else is preserved, with comments and layout.
 *
 * @param {string | null} text  of the file; null where there is none
 * @param {string} at  the table of the servers
 * @param {string} name  of the entry: letters, digits, `-` and `_`
 * @param {Record<string, any>} [entry]  left out: it is removed
 * @throws {Unusable} the text is no TOML, or has the entry in a form that is not known here
 */
export function editToml(text, at, name, entry) {
  const source = text ?? '';
  const before = read(source);
  if (isDeepStrictEqual(plain(before[at]?.[name]), plain(entry))) return source;
  const eol = source.includes('\r\n') ? '\r\n' : '\n';
  const lines = source.split(/\r?\n/);
  const { begin, end } = section(lines, `${at}.${name}`);
  const made = entry ? table(`${at}.${name}`, entry) : [];
  const kept = [lines.slice(0, begin), lines.slice(end)];
  const after = (begin === lines.length ? appended(lines, made) : [...kept[0], ...made, ...kept[1]]).join(eol);
  const expected = { ...before, [at]: { ...before[at], [name]: entry } };
  if (!entry) delete expected[at][name];
  if (!makes(after, expected, at)) {
    throw new Unusable(`The file has ${at}.${name} in a form that hubctl cannot change.`, PASTE);
  }
  return after;
}

/** @param {string} source @returns {Record<string, any>} */
function read(source) {
  try {
    return parse(source);
  } catch (error) {
    const { line } = /** @type {{line?: number}} */ (error);
    throw new Unusable(`The file is not valid TOML${line ? `: line ${line}` : ''}.`, 'Repair the file first.');
  }
}

/**
 * Return the range of lines of a table and its subtables; at the end if there is none.
 *
 * @param {string[]} lines @param {string} name
 */
function section(lines, name) {
  const own = (/** @type {string} */ line) => {
    const [head] = line.trim().split(']');
    return head === `[${name}` || head.startsWith(`[${name}.`);
  };
  const begin = lines.findIndex(own);
  if (begin < 0) return { begin: lines.length, end: lines.length };
  let end = begin + 1;
  while (end < lines.length && (!HEADER.test(lines[end]) || own(lines[end]))) end += 1;
  // Blank lines and comments before the next table belong to that table.
  while (end > begin + 1 && /^[ \t]*(#|$)/.test(lines[end - 1])) end -= 1;
  return { begin, end };
}

/** @param {string} name @param {Record<string, any>} entry */
function table(name, entry) {
  const nested = Object.fromEntries(
    name
      .split('.')
      .reduceRight(
        (value, key) => [[key, Object.fromEntries(value)]],
        /** @type {[string, any][]} */ (Object.entries(entry)),
      ),
  );
  return stringify(nested)
    .trimEnd()
    .split('\n')
    .filter((line) => line !== `[${name.split('.')[0]}]`);
}

/** @param {string[]} lines @param {string[]} made */
function appended(lines, made) {
  const rest = [...lines];
  while (rest.length > 0 && rest.at(-1)?.trim() === '') rest.pop();
  return [...rest, ...(rest.length > 0 && made.length > 0 ? [''] : []), ...made, ''];
}

/**
 * Return whether a text has the expected content.
 * @param {string} text @param {Record<string, any>} expected @param {string} at
 */
function makes(text, expected, at) {
  const whole = (/** @type {Record<string, any>} */ value) => plain({ ...value, [at]: value[at] ?? {} });
  try {
    return isDeepStrictEqual(whole(parse(text)), whole(expected));
  } catch {
    return false;
  }
}

/** Convert a value to plain JSON. @param {unknown} value */
const plain = (value) =>
  JSON.parse(JSON.stringify(value ?? null, (_, item) => (typeof item === 'bigint' ? String(item) : item)));
