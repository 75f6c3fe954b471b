/** The route of a workspace's curation; `setWorkspace` changes it. Pure. */

import { name } from '../fields.mjs';
import { route } from '../route.mjs';

/** @type {import('../routes.mjs').Route[]} */
export const CURATION_ROUTES = [
  route('curation', 'GET', '/api/hub/curation', {
    summary:
      'The curation of a workspace, to be changed by PATCH /api/hub/workspaces, and every tool, prompt and resource of its servers with its state and estimated tokens.',
    query: { name },
    answer: '{curation, hash, items, tokens}',
    errors: ['NO_SUCH_WORKSPACE', 'WORKSPACE_UNKNOWN'],
  }),
];
