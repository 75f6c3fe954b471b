/** The handlers of the routes of trust. */

/** @typedef {import('../router.mjs').HandlersOf<import('../describe/answers.mjs').HubAnswers>} Handlers */

/**
 * @param {import('../../state/hub.mjs').HubClient} hub
 * @returns {Pick<Handlers, 'toolChanges' | 'acceptChanges' | 'rejectChanges' | 'scans' | 'rescan'> & Record<
 *   'sbom', import('../router.mjs').Handler>}
 */
export function trust(hub) {
  return {
    toolChanges: ({ query }) => hub.askSidecar('tool_changes', query),
    acceptChanges: ({ body }) => hub.askSidecar('accept_tool_changes', body),
    rejectChanges: ({ body }) => hub.askSidecar('reject_tool_changes', body),
    scans: () => hub.askSidecar('scans'),
    sbom: async ({ query: { subject }, res }) => {
      const { text } = await hub.askSidecar('read_sbom', { subject });
      const file = `${subject.replace(/^\w+:/, '').replace(/[^\w.-]+/g, '-')}.cdx.json`;
      res.set({ 'Content-Disposition': `attachment; filename="${file}"`, 'Cache-Control': 'no-store' });
      res.type('application/vnd.cyclonedx+json').send(text);
    },
    rescan: ({ body }) => hub.askSidecar('rescan', body),
  };
}
