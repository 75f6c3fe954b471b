/** Hash routes: `#/page/argument?query`, with each argument encoded, so that any string can be a name. */

import { signal } from '@preact/signals';

/**
 * @typedef {object} Route
 * @property {string} page First part of the path; `workspaces` where there is none.
 * @property {string[]} args The other parts, decoded; `#/servers/` has one, the empty name.
 * @property {Record<string, string>} query
 */

/**
 * Return the route of a location hash.
 *
 * @param {string} hash
 * @returns {Route}
 */
export function parseRoute(hash) {
  const [path = '', search = ''] = split(hash.replace(/^#?\/?/, ''), '?');
  const [page, ...args] = path.split('/').map(decoded);
  return { page: page || 'workspaces', args, query: Object.fromEntries(new URLSearchParams(search)) };
}

/**
 * Return the hash of a route, for links.
 *
 * @param {string} page
 * @param {string[]} [args]
 * @param {Record<string, string>} [query]
 */
export function href(page, args = [], query = {}) {
  const path = [page, ...args].map(encoded).join('/');
  const search = new URLSearchParams(query).toString();
  return `#/${path}${search && `?${search}`}`;
}

/** @type {import('@preact/signals').Signal<Route>} */
export const route = signal(parseRoute(''));

/** Start to follow the location's hash. */
export function startRouter() {
  const follow = () => {
    route.value = parseRoute(location.hash);
  };
  addEventListener('hashchange', follow);
  follow();
}

/**
 * Go to a page.
 *
 * @param {string} page
 * @param {string[]} [args]
 * @param {Record<string, string>} [query]
 */
export function navigate(page, args, query) {
  location.hash = href(page, args, query);
}

/**
 * Return a function that goes to a page later, unless the user has gone elsewhere meanwhile.
 *
 * @returns {(page: string, args?: string[]) => void}
 */
export function navigateLater() {
  const here = route.value;
  return (page, args) => {
    if (route.value === here) navigate(page, args);
  };
}

/** @param {string} part */
function encoded(part) {
  try {
    return encodeURIComponent(part);
  } catch {
    return encodeURIComponent(part.replace(/\p{Surrogate}/gu, '\uFFFD')); // half a character
  }
}

/** @param {string} text @param {string} mark */
function split(text, mark) {
  const at = text.indexOf(mark);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

/** @param {string} part */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // typed by hand
  }
}
