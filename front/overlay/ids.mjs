/** YAMCP-UI's pages put names into paths as they are: `a?b` would delete `a`, and `../servers/x` another server. */

const EDIT = /^\/api\/(servers|workspaces)\/(.+)$/s;

/**
 * Where the page asks for an edit of something that has such a name, encode it.
 *
 * @param {(kind: 'servers' | 'workspaces', name: string) => boolean} known whether there is something of that name
 */
export function encodeIds(known) {
  const { fetch } = window;
  window.fetch = (input, init) => {
    const method = init?.method ?? 'GET';
    if (typeof input !== 'string' || (method !== 'PUT' && method !== 'DELETE')) return fetch(input, init);
    const [, kind, name] = EDIT.exec(input) ?? [];
    if (!kind || !known(/** @type {'servers' | 'workspaces'} */ (kind), name)) return fetch(input, init);
    return fetch(`/api/${kind}/${encodeURIComponent(name)}`, init);
  };
}
