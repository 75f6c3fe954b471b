/** Every regular expression of the Node and browser source takes linear time: no long text stalls the front or a page. */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import * as espree from 'espree';

const ROOT = join(import.meta.dirname, '../..');
const DIRECTORIES = ['bridge/node', 'front'];
const SIZE = 1 << 17;
/** Milliseconds of processor time: linear expressions take some 1 ms, quadratic ones half a minute and more. */
const LIMIT = 2000;
const COMMON = ['a', '0', ' ', '-', '/', ':', '=', '"', '\\', '.', '@', '[', '<', 'a.', 'a:', '\\"', '\n'];
/** Where expressions are made at run time, and of what. */
const MADE = {
  'front/console/data/container_lines.mjs': 'of the schema of server settings, anchored: digits and a unit',
  'front/server/api/router.mjs': 'of the routes in routes.mjs, a segment each',
  'front/console/visible.mjs': 'of the literal above it',
  'front/console/forms/setting_values.mjs': 'of a setting in settings_spec.mjs, anchored: digits and a unit',
  'front/console/forms/schema_check.mjs': 'of a schema, refused where a group is repeated',
};

/** Whose expressions read nothing but what the hub's own files or its owner say. */
const TRUSTED = {
  'front/server/pages/preload.mjs': 'the modules of the console',
  'front/server/settings.mjs': 'the settings of the hub',
};

/** @returns {{file: string, source: string, flags: string}[]} */
function literals() {
  const untrusted = files().filter((file) => !Object.hasOwn(TRUSTED, file));
  return untrusted.flatMap((file) =>
    nodes(file)
      .filter((node) => node.type === 'Literal' && node.regex)
      .map((node) => ({ file, source: node.regex.pattern, flags: node.regex.flags })),
  );
}

/** @returns {string[]} */
function files() {
  return DIRECTORIES.flatMap((directory) =>
    /** @type {string[]} */ (readdirSync(join(ROOT, directory), { recursive: true }))
      .filter((file) => file.endsWith('.mjs'))
      .map((file) => join(directory, file)),
  );
}

/** Every node of a file's syntax. @param {string} file @returns {any[]} */
function nodes(file) {
  const text = readFileSync(join(ROOT, file), 'utf8');
  /** @type {any[]} */
  const found = [espree.parse(text, { ecmaVersion: 'latest', sourceType: 'module' })];
  for (const node of found)
    for (const value of Object.values(node))
      for (const child of Array.isArray(value) ? value : [value])
        if (typeof child?.type === 'string') found.push(child);
  return found;
}

/**
 * What an expression may find hard to match: the words in it and how they begin, beside what is hard for many.
 *
 * @param {string} source
 */
function fragmentsOf(source) {
  const words = source
    .replaceAll(/\\([^\w])/g, '$1')
    .split(/[[\](){}|^$*+?]+|\\[a-zA-Z]/)
    .filter(Boolean);
  const beginnings = words.flatMap((word) => [word, word.slice(0, -1)]);
  return [...new Set([...COMMON, ...beginnings, words.join(''), words.join('a')])].filter(Boolean);
}

test('no regular expression in the source is slow', () => {
  const found = literals();
  assert.ok(found.length > 60, String(found.length));
  for (const { file, source, flags } of found) {
    const expression = new RegExp(source, flags.replace('y', ''));
    for (const fragment of fragmentsOf(source)) {
      const text = fragment.repeat(SIZE / fragment.length);
      for (const line of [text, `${text}\0`]) {
        const began = process.cpuUsage();
        line.replace(expression, '');
        const { user } = process.cpuUsage(began);
        assert.ok(user / 1000 < LIMIT, `${file}: /${source}/${flags} on ${JSON.stringify(fragment)} over and over`);
      }
    }
  }
});

test('regular expressions that are built at run time are listed', () => {
  const made = files().filter((file) =>
    nodes(file).some(
      (node) => ['NewExpression', 'CallExpression'].includes(node.type) && node.callee.name === 'RegExp',
    ),
  );
  assert.deepEqual(made.sort(), Object.keys(MADE).sort());
});
