/** Makes an entry of a table of routes. Pure. */

/**
 * @param {string} id
 * @param {import('./routes.mjs').Route['method']} method
 * @param {string} path
 * @param {Omit<import('./routes.mjs').Route, 'id' | 'method' | 'path'>} rest
 * @returns {import('./routes.mjs').Route}
 */
export function route(id, method, path, rest) {
  return { id, method, path, ...rest };
}
