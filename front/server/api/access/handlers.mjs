/** The handlers of the routes of access.json. */

/** @typedef {import('../router.mjs').HandlersOf<import('../describe/answers.mjs').HubAnswers>} Handlers */

/**
 * @param {import('../../state/hub.mjs').HubClient} hub
 * @returns {Pick<Handlers, 'access' | 'checkAccess' | 'putAccess' | 'deleteAccess' | 'explainAccess' | 'viewAccess'>}
 */
export function access(hub) {
  return {
    access: () => hub.askAdapter('access_file'),
    checkAccess: ({ body }) => hub.askAdapter('check_access_file', { text: body.text }),
    putAccess: ({ body }) => hub.change('put_access_file', /** @type {any} */ (body)),
    deleteAccess: ({ query }) => hub.change('put_access_file', { text: null, ...query }),
    explainAccess: ({ query }) => hub.askSidecar('explain_access', /** @type {any} */ (query)),
    viewAccess: ({ query }) => hub.askSidecar('view_as', /** @type {any} */ (query)),
  };
}
