/**
 * Converts the text of another client's configuration to the object that the adapter's `import` takes.
 *
 * Accepted are JSON with comments (also without the outer braces, or an array), TOML (Codex) and YAML (Goose,
 * Continue), also in the first code block of a Markdown text. The parsers of TOML and YAML are loaded when they are
 * needed.
 */

import { textInvalid } from './api_errors.mjs';
import { MAX_DEPTH, parseConfig, parseList } from './import.mjs';

const CODE_FENCE = /^[ \t]{0,3}(?:```|~~~)/;
const TOML_TABLE = /^[ \t]*\[\[?[ \t]*[\w"'-][^\]\r\n]{0,500}\]\]?[ \t]*(?:#[^\r\n]{0,500})?$/;
const TOML_PAIR = /^[ \t]*[\w".-]{1,200}[ \t]*=/;
const YAML_KEY = /^(?:- )?["']?[\w@/.-][\w@/. -]{0,200}["']?[ \t]*:(?:[ \t]|$)/;
const MAX_YAML_ALIASES = 100;

/**
 * Parse a configuration.
 *
 * @param {string} text
 * @returns {Promise<Record<string, any>>}
 * @throws {import('../errors.mjs').FrontError} BODY_INVALID, with the line and the column of what is wrong in `data`
 */
export async function readConfig(text) {
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\r|\n/);
  const { begin, end } = codeBlock(lines);
  // Lines before the block become blank lines, so that positions in errors match the original text.
  const source = lines
    .map((line, at) => (at < begin ? '' : line))
    .slice(0, end)
    .join('\n');
  switch (formOf(lines.slice(begin, end))) {
    case 'toml':
      return tree(await readToml(source));
    case 'yaml':
      return tree(await readYaml(source));
    case 'list':
      return { mcpServers: parseList(source) };
    case 'members':
      return parseMembers(source);
    default:
      return parseConfig(source);
  }
}

/**
 * Return the range of the first code block of a Markdown text; the whole text if it has none.
 *
 * @param {string[]} lines
 */
function codeBlock(lines) {
  const fence = lines.findIndex((line) => CODE_FENCE.test(line));
  if (fence < 0) return { begin: 0, end: lines.length };
  const rest = lines.slice(fence + 1).findIndex((line) => CODE_FENCE.test(line));
  return { begin: fence + 1, end: rest < 0 ? lines.length : fence + 1 + rest };
}

/**
 * Return the format of a text, by its first line that is neither blank nor a comment.
 *
 * @param {string[]} lines
 * @returns {'object' | 'list' | 'members' | 'toml' | 'yaml'}
 */
function formOf(lines) {
  const first = lines.find((line) => !/^[ \t]*(?:(?:#|\/\/).*|---[ \t]*)?$/.test(line)) ?? '';
  if (TOML_TABLE.test(first) || TOML_PAIR.test(first)) return 'toml';
  const start = first.trimStart();
  if (start.startsWith('[')) return 'list';
  // A key in double quotes is possible in JSON and in YAML; the character after it decides.
  if (start.startsWith('"')) return lines.some((line) => /[{}]/.test(line)) ? 'members' : 'yaml';
  if (YAML_KEY.test(start)) return 'yaml';
  return 'object';
}

/** Parse the members of an object without its braces, as documentation often shows them. @param {string} source */
function parseMembers(source) {
  return parseConfig(`{${source}\n}`, 1);
}

/** @param {string} source */
async function readToml(source) {
  const { parse } = await import('smol-toml');
  try {
    return parse(source);
  } catch (error) {
    const { line, column } = /** @type {{line?: number, column?: number}} */ (error);
    throw wrong('TOML', line, column);
  }
}

/** @param {string} source */
async function readYaml(source) {
  const { parseDocument } = await import('yaml');
  try {
    const document = parseDocument(source, { logLevel: 'silent' });
    const [problem] = document.errors;
    if (problem) throw wrong('YAML', problem.linePos?.[0].line, problem.linePos?.[0].col);
    return document.toJS({ maxAliasCount: MAX_YAML_ALIASES });
  } catch (error) {
    // The parser is recursive, and refuses too many aliases.
    if (error instanceof RangeError || error instanceof ReferenceError) throw wrong('YAML');
    throw error;
  }
}

/** @param {string} form @param {number} [line] @param {number} [column] */
function wrong(form, line, column) {
  const place = line === undefined ? '' : `: line ${line}, column ${column}`;
  return textInvalid(`The text is not valid ${form}${place}.`, line === undefined ? undefined : { line, column });
}

/**
 * Convert the result of a parser to JSON values: dates become text, numbers that JSON lacks become null.
 *
 * @param {unknown} value
 * @returns {Record<string, any>}
 */
function tree(value) {
  checkDepth(value, MAX_DEPTH);
  const plain = JSON.parse(
    JSON.stringify(value, (_, item) => (typeof item === 'bigint' ? Number(item) : item)) ?? 'null',
  );
  if (Array.isArray(plain)) return { mcpServers: plain };
  if (typeof plain === 'object' && plain !== null) return plain;
  throw textInvalid('The text holds no servers: it is neither an object nor a list.');
}

/** @param {unknown} value @param {number} levels */
function checkDepth(value, levels) {
  if (typeof value !== 'object' || value === null) return;
  if (levels === 0) throw textInvalid(`The text is nested deeper than ${MAX_DEPTH} levels.`);
  for (const item of Object.values(value)) checkDepth(item, levels - 1);
}
