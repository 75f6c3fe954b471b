/** Parses the text of another client's configuration as JSON with comments and trailing commas. Pure. */

import { parseTree, printParseErrorCode } from 'jsonc-parser';
import { textInvalid } from './api_errors.mjs';

export const MAX_DEPTH = 64;

/** @type {Record<string, string>} what jsonc-parser finds wrong, in words */
const ERROR_TEXTS = {
  InvalidSymbol: 'an invalid word or character',
  InvalidNumberFormat: 'an invalid number',
  PropertyNameExpected: 'a missing field name in double quotes',
  ValueExpected: 'a missing value',
  ColonExpected: 'a missing colon',
  CommaExpected: 'a missing comma',
  CloseBraceExpected: 'a missing closing }',
  CloseBracketExpected: 'a missing closing ]',
  EndOfFileExpected: 'content after its end',
  UnexpectedEndOfComment: 'an unclosed comment',
  UnexpectedEndOfString: 'a string without a closing quote',
  UnexpectedEndOfNumber: 'an incomplete number',
  InvalidUnicode: 'an invalid \\u escape',
  InvalidEscapeCharacter: 'an invalid escape character',
  InvalidCharacter: 'a control character that must be escaped',
};

/**
 * Parse an object.
 *
 * @param {string} text
 * @param {number} [added]  characters that the caller put before the text: they do not count in columns of line 1
 * @returns {Record<string, any>}
 * @throws {import('../errors.mjs').FrontError} BODY_INVALID, with the line and the column of what is wrong in `data`
 */
export function parseConfig(text, added = 0) {
  const source = text.replace(/^\uFEFF/, '');
  if (!source.slice(added).trim()) throw textInvalid('The text is empty.');
  const tree = treeOf(source, added);
  if (tree?.type !== 'object') throw textInvalid('The text is JSON, but not an object: it must begin with {.');
  return plain(tree, MAX_DEPTH);
}

/**
 * Parse a list.
 *
 * @param {string} text  begins with [
 * @returns {any[]}
 * @throws {import('../errors.mjs').FrontError} BODY_INVALID, with the line and the column of what is wrong in `data`
 */
export function parseList(text) {
  const tree = treeOf(text);
  if (tree?.type !== 'array') throw textInvalid('The text is JSON, but not a list.');
  return plain(tree, MAX_DEPTH);
}

/**
 * Return the syntax tree of a text in JSON with comments and trailing commas.
 *
 * @param {string} source
 * @param {number} [added]  as of `parseConfig`
 * @returns {import('jsonc-parser').Node | undefined}
 * @throws {import('../errors.mjs').FrontError} BODY_INVALID
 */
export function treeOf(source, added = 0) {
  const { tree, problem } = inspect(source, { allowTrailingComma: true });
  if (problem?.line === 1) problem.column -= added;
  if (problem)
    throw textInvalid(`The text has ${problem.what}: line ${problem.line}, column ${problem.column}.`, problem);
  return tree;
}

/**
 * Return the first error in a text that should be plain JSON, and its position.
 *
 * @param {string} source
 * @returns {Problem | undefined}
 */
export function jsonProblem(source) {
  return inspect(source, { disallowComments: true }).problem;
}

/**
 * @typedef {{what: string, line: number, column: number}} Problem line and column begin with 1
 * @type {(source: string, options: import('jsonc-parser').ParseOptions) => {tree?: import('jsonc-parser').Node, problem?: Problem}}
 */
function inspect(source, options) {
  /** @type {import('jsonc-parser').ParseError[]} */
  const errors = [];
  const tree = orTooDeep(() => parseTree(source, errors, options));
  if (errors.length === 0) return { tree };
  const before = source.slice(0, errors[0].offset).split(/\r\n|\r|\n/);
  const what = ERROR_TEXTS[printParseErrorCode(errors[0].error)] ?? 'content that is not JSON';
  return { problem: { what, line: before.length, column: (before.at(-1)?.length ?? 0) + 1 } };
}

/**
 * Return the value of a node. Of a repeated key the last value counts; `__proto__` is treated like any other key.
 *
 * @param {import('jsonc-parser').Node} node
 * @param {number} levels how deep it may be nested
 * @returns {any}
 */
export function plain(node, levels) {
  if (levels === 0) throw tooDeep();
  const items = node.children ?? [];
  if (node.type === 'array') return items.map((item) => plain(item, levels - 1));
  if (node.type !== 'object') return node.value;
  const fields = items.map(({ children: [key, value] = [] }) => [key.value, plain(value, levels - 1)]);
  return Object.fromEntries(fields);
}

/**
 * @template T
 * @param {() => T} parse
 * @returns {T}
 */
function orTooDeep(parse) {
  try {
    return parse();
  } catch (error) {
    if (error instanceof RangeError) throw tooDeep(); // the parser is recursive: its stack has an end
    throw error;
  }
}

function tooDeep() {
  return textInvalid(`The text is nested deeper than ${MAX_DEPTH} levels.`);
}
