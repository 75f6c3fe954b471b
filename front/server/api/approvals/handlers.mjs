/** The handlers of the routes of proposals. */

/** @typedef {import('../router.mjs').HandlersOf<import('../describe/answers.mjs').HubAnswers>} Handlers */

/** Seconds for an approval: the adapter looks into the catalogue again before it starts anything. */
const APPROVAL_SECONDS = 30;

/**
 * @param {import('../../state/hub.mjs').HubClient} hub
 * @returns {Pick<Handlers, 'approvals' | 'approve' | 'refuse'>}
 */
export function approvals(hub) {
  return {
    approvals: () => hub.askAdapter('proposals'),
    approve: ({ query, body }) =>
      hub.askAdapter('approve_proposal', /** @type {any} */ ({ id: query.id, ...body }), { timeout: APPROVAL_SECONDS }),
    refuse: ({ query }) => hub.askAdapter('refuse_proposal', { id: query.id }),
  };
}
