/** Sets or removes one entry of a client's configuration in JSON with comments and trailing commas. Pure. */

import { isDeepStrictEqual } from 'node:util';
import { applyEdits, findNodeAtLocation, modify, parse, parseTree, printParseErrorCode } from 'jsonc-parser';
import { PASTE, Unusable } from './unusable.mjs';

/**
 * @typedef {import('jsonc-parser').Node} Node
 * @typedef {{unit: string, eol: string}} Layout  one step of indentation, and what ends a line
 */

const BOM = '\uFEFF';
const TOLERANT = { allowTrailingComma: true };
/** What may follow the last member of an object on its line. */
const REST_OF_LINE = /^[ \t]*(?:(,)[ \t]*)?(?:\/\/[^\r\n]*|\/\*[^*\r\n]*\*\/[ \t]*)?(?=\r?\n)/;

/**
 * Return the text with the entry set or removed. Everything else is preserved, with comments and layout.
 *
 * @param {string | null} text  of the file; null where there is none
 * @param {string} at  the object of the servers
 * @param {string} name  of the entry
 * @param {unknown} [entry]  left out: it is removed
 * @throws {Unusable} the text is no such object
 */
export function editJson(text, at, name, entry) {
  const mark = text?.startsWith(BOM) ? BOM : '';
  const source = (text ?? '').slice(mark.length);
  if (source.trim() === '')
    return entry === undefined ? (text ?? '') : `${pretty({ [at]: { [name]: entry } }, '  ')}\n`;
  const tree = parseServers(source, at);
  const before = parse(source, [], TOLERANT);
  if (isDeepStrictEqual(before[at]?.[name], entry)) return text ?? '';
  const after = entry === undefined ? without(source, at, name) : withEntry(source, tree, at, name, entry);
  const expected = { ...before, [at]: { ...before[at], [name]: entry } };
  if (entry === undefined) delete expected[at][name];
  if (!isDeepStrictEqual(parse(after, [], TOLERANT), expected))
    throw new Unusable(`The file has ${at} in a form that hubctl cannot change.`, PASTE);
  return mark + after;
}

/**
 * Return the syntax tree of the text, which must be an object whose servers, if present, are an object.
 *
 * @param {string} source @param {string} at
 * @returns {Node}
 */
function parseServers(source, at) {
  /** @type {import('jsonc-parser').ParseError[]} */
  const errors = [];
  const tree = parseTree(source, errors, TOLERANT);
  if (errors.length > 0) {
    const { error, offset } = errors[0];
    const line = source.slice(0, offset).split('\n').length;
    throw new Unusable(
      `The file is not valid JSON: ${printParseErrorCode(error)} in line ${line}.`,
      'Repair the file first.',
    );
  }
  const servers = tree && findNodeAtLocation(tree, [at]);
  if (tree?.type !== 'object' || (servers && servers.type !== 'object')) {
    throw new Unusable(`The file is not an object with an object ${at}.`, PASTE);
  }
  for (const object of servers ? [tree, servers] : [tree]) {
    const names = (object.children ?? []).map((property) => property.children?.[0].value);
    if (new Set(names).size < names.length)
      throw new Unusable('The file has a name twice.', 'Remove one of them first.');
  }
  return tree;
}

/** @param {string} source @param {string} at @param {string} name */
const without = (source, at, name) => applyEdits(source, modify(source, [at, name], undefined, {}));

/** @param {string} source @param {Node} tree @param {string} at @param {string} name @param {unknown} entry */
function withEntry(source, tree, at, name, entry) {
  const layout = layoutOf(source);
  const there = findNodeAtLocation(tree, [at, name]);
  if (there) {
    const indent = indentAt(source, /** @type {Node} */ (there.parent).offset);
    return spliced(source, there.offset, there.offset + there.length, indented(entry, indent, layout));
  }
  const servers = findNodeAtLocation(tree, [at]);
  return servers
    ? inserted(source, servers, name, entry, layout)
    : inserted(source, tree, at, { [name]: entry }, layout);
}

/**
 * Return the text with a member added at the end of an object.
 *
 * @param {string} source @param {Node} object @param {string} key @param {unknown} value @param {Layout} layout
 */
function inserted(source, object, key, value, layout) {
  const outer = indentAt(source, object.offset);
  const last = object.children?.at(-1);
  const name = JSON.stringify(key);
  if (!last) {
    const inner = outer + layout.unit;
    const comment = source.slice(object.offset + 1, object.offset + object.length - 1).trimEnd();
    const member = `${layout.eol}${inner}${name}: ${indented(value, inner, layout)}${layout.eol}${outer}`;
    return spliced(source, object.offset, object.offset + object.length, `{${comment}${member}}`);
  }
  const end = last.offset + last.length;
  const rest = REST_OF_LINE.exec(source.slice(end));
  if (!rest) return spliced(source, end, end, `, ${name}: ${JSON.stringify(value)}`);
  const inner = indentAt(source, last.offset) || outer + layout.unit;
  const member = `${layout.eol}${inner}${name}: ${indented(value, inner, layout)}${rest[1] ?? ''}`;
  const after = end + rest[0].length;
  return spliced(spliced(source, after, after, member), end, end, rest[1] ? '' : ',');
}

/** @param {string} text @param {number} begin @param {number} end @param {string} content */
const spliced = (text, begin, end, content) => text.slice(0, begin) + content + text.slice(end);

/** @param {unknown} value @param {string} unit */
const pretty = (value, unit) => JSON.stringify(value, null, unit);

/** @param {unknown} value @param {string} indent @param {Layout} layout */
const indented = (value, indent, { unit, eol }) => pretty(value, unit).replaceAll('\n', eol + indent);

/** Return the indentation of the line of a position. @param {string} source @param {number} offset */
function indentAt(source, offset) {
  const line = source.slice(source.lastIndexOf('\n', offset - 1) + 1, offset);
  return line.slice(0, line.length - line.trimStart().length);
}

/** Return the layout of the file, which added lines follow. @param {string} source @returns {Layout} */
function layoutOf(source) {
  const unit = /^([ \t]+)\S/m.exec(source)?.[1] ?? '  ';
  return { unit: unit.startsWith('\t') ? '\t' : unit, eol: source.includes('\r\n') ? '\r\n' : '\n' };
}
