/** The handlers of the routes of trust. */

/** @typedef {import('../router.mjs').HandlersOf<import('../describe/answers.mjs').HubAnswers>} Handlers */

/**
 * @param {import('../../state/hub.mjs').HubClient} hub
 * @returns {Pick<Handlers, 'toolChanges' | 'acceptChanges' | 'rejectChanges' | 'scans' | 'rescan'>}
 */
export function trust(hub) {
  return {
    toolChanges: ({ query }) => hub.askSidecar('tool_changes', query),
    acceptChanges: ({ body }) => hub.askSidecar('accept_tool_changes', body),
    rejectChanges: ({ body }) => hub.askSidecar('reject_tool_changes', body),
    scans: () => hub.askSidecar('scans'),
    rescan: ({ body }) => hub.askSidecar('rescan', body),
  };
}
