// Which modules a page will need, read from their texts, so that a browser can fetch all of them at once (pure).

import { posix } from 'node:path';

/** `import … from 'x'`, `export … from 'x'` and `import 'x'` at the beginning of a line, or after another one when minified. */
const STATIC =
  /(?:^|[;}\n])\s*(?:import|export)\s*(?:[\w$*{},\s]*?\bfrom\s*|[\w$*{},\s]*?[}*]\s*from\s*)?["']([^"']+)["']/g;

/**
 * The modules that `entry` imports, itself last, in the order in which they are found; not those that it imports later.
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
    for (const [, name] of text.matchAll(STATIC)) {
      const target = name.startsWith('.') ? posix.join(posix.dirname(path), name) : (importMap[name] ?? name);
      visit(target.replace(/^\/hub\//, ''));
    }
  };
  visit(entry);
  return [...seen];
}
