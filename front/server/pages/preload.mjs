// Finds the modules that a page imports, so that a browser can load all of them at once. Pure.

import { posix } from 'node:path';

/**
 * `import … from 'x'`, `export … from 'x'` and `import 'x'` at the beginning of a line, or after another one when
 * minified.
 */
const STATIC_IMPORT =
  /(?:^|[;}\n])\s*(?:import|export)\s*(?:[\w$*{},\s]*?\bfrom\s*|[\w$*{},\s]*?[}*]\s*from\s*)?["']([^"']+)["']/g;

/**
 * Return the modules that `entry` imports statically, in the order in which they are found, and `entry` last.
 * @param {string} entry  path below /hub/
 * @param {Record<string, string>} importMap  URLs by bare name
 * @param {(path: string) => string | undefined} read
 */
export function graphOf(entry, importMap, read) {
  /** @type {Set<string>} */
  const seen = new Set();
  const visit = (/** @type {string} */ path) => {
    const text = seen.has(path) ? undefined : read(path);
    if (text === undefined) return;
    seen.add(path);
    for (const [, name] of text.matchAll(STATIC_IMPORT)) {
      const target = name.startsWith('.') ? posix.join(posix.dirname(path), name) : (importMap[name] ?? name);
      visit(target.replace(/^\/hub\//, ''));
    }
  };
  visit(entry);
  return [...seen];
}
