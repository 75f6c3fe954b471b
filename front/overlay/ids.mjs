/**
 * Encodes names in requests of YAMCP-UI's pages, which put them unencoded into paths: `a?b` would delete `a`, and
 * `../servers/x` another server.
 */

const EDIT_PATH = /^\/api\/(servers|workspaces)\/(.+)$/s;

/**
 * Encode the name in requests for an edit of a known server or workspace.
 *
 * @param {(kind: 'servers' | 'workspaces', name: string) => boolean} known whether there is something of that name
 */
export function encodeIds(known) {
  const { fetch } = window;
  window.fetch = (input, init) => {
    const method = init?.method ?? 'GET';
    if (typeof input !== 'string' || (method !== 'PUT' && method !== 'DELETE')) return fetch(input, init);
    const [, kind, name] = EDIT_PATH.exec(input) ?? [];
    if (!kind || !known(/** @type {'servers' | 'workspaces'} */ (kind), name)) return fetch(input, init);
    return fetch(`/api/${kind}/${encodeURIComponent(name)}`, init);
  };
}
