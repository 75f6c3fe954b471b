/** The handler of the route of a workspace's curation. */

/** @typedef {import('../router.mjs').HandlersOf<import('../describe/answers.mjs').HubAnswers>} Handlers */

/**
 * @param {import('../../state/hub.mjs').HubClient} hub
 * @returns {Pick<Handlers, 'curation'>}
 */
export function curation(hub) {
  return {
    curation: async ({ query }) => {
      const { curation: now, hash } = await hub.askAdapter('curation', { workspace: query.name });
      const { items, tokens } = await hub.askSidecar('workspace_tools', { workspace: query.name });
      return { curation: now, hash, items, tokens };
    },
  };
}
