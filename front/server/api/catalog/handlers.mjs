/** The handlers of the routes of the catalogue and of its sources. */

/** @typedef {import('../router.mjs').HandlersOf<import('../describe/answers.mjs').HubAnswers>} Handlers */

/**
 * @param {import('../../state/hub.mjs').HubClient} hub
 * @returns {Pick<Handlers, 'findEntries' | 'showEntry' | 'putEntry' | 'removeEntry' | 'catalogSources' | 'putSource' |
 *   'removeSource' | 'refreshSource'>}
 */
export function catalog(hub) {
  return {
    findEntries: ({ query }) => hub.askAdapter('catalog_find', query),
    showEntry: ({ query }) => hub.askAdapter('catalog_show', /** @type {any} */ (query)),
    putEntry: ({ body }) => hub.askAdapter('put_catalog_entry', { entry: body.entry }),
    removeEntry: ({ query: { name } }) => hub.askAdapter('remove_catalog_entry', { name }),
    catalogSources: () => hub.askAdapter('catalog_sources'),
    putSource: ({ query: { id }, body }) => hub.askAdapter('put_catalog_source', /** @type {any} */ ({ id, ...body })),
    removeSource: ({ query: { id } }) => hub.askAdapter('remove_catalog_source', { id }),
    refreshSource: ({ query: { id } }) => hub.askAdapter('refresh_catalog_source', { id }),
  };
}
