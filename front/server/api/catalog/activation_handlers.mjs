/** The handlers of the routes of activation and of variables. */

/** @typedef {import('../router.mjs').HandlersOf<import('../describe/answers.mjs').HubAnswers>} Handlers */

/** Seconds until the settings of an entry are checked, which may be asked of a registry. */
const CHECK_SECONDS = 30;
/** Seconds until what an installation did is undone, or a server is stopped and its folder removed. */
const REMOVE_SECONDS = 60;

/**
 * @param {import('../../state/hub.mjs').HubClient} hub
 * @returns {Pick<Handlers, 'activate' | 'activations' | 'cancelActivation' | 'installed' | 'updateInstalled' |
 *   'rollBackInstalled' | 'removeInstalled' | 'variables' | 'setVariables' | 'removeVariable'>}
 */
export function activation(hub) {
  return {
    activate: ({ body }) => hub.askAdapter('activate', body, { timeout: CHECK_SECONDS }),
    activations: () => hub.askAdapter('activation_jobs'),
    cancelActivation: ({ query: { id } }) => hub.askAdapter('cancel_activation', { id }, { timeout: REMOVE_SECONDS }),
    installed: () => hub.askAdapter('installed_servers'),
    updateInstalled: ({ query: { key }, body }) =>
      hub.askAdapter('update_installed', { key, ...body }, { timeout: CHECK_SECONDS }),
    rollBackInstalled: ({ query: { key } }) => hub.change('roll_back_installed', { key }),
    removeInstalled: ({ query: { key } }) => hub.change('remove_installed', { key }, { timeout: REMOVE_SECONDS }),
    variables: () => hub.askAdapter('variables'),
    setVariables: ({ body }) => hub.askAdapter('set_variables', body),
    removeVariable: ({ query: { name } }) => hub.askAdapter('remove_variable', { name }),
  };
}
