/** The handlers of the routes of the catalogue. */

/** @typedef {import('../router.mjs').HandlersOf<import('../describe/answers.mjs').HubAnswers>} Handlers */

/**
 * @param {import('../../state/hub.mjs').HubClient} hub
 * @returns {Pick<Handlers, 'findEntries' | 'showEntry' | 'putEntry' | 'removeEntry'>}
 */
export function catalog(hub) {
  return {
    findEntries: ({ query }) => hub.askAdapter('catalog_find', query),
    showEntry: ({ query }) => hub.askAdapter('catalog_show', /** @type {any} */ (query)),
    putEntry: ({ body }) => hub.askAdapter('put_catalog_entry', { entry: body.entry }),
    removeEntry: ({ query: { name } }) => hub.askAdapter('remove_catalog_entry', { name }),
  };
}
