import { missingServers } from '../../data/failing.mjs';
import { serversByKey } from '../../hub/store.mjs';
import { ItemLink } from '../../ui/controls.mjs';
import { html } from '../../ui/html.mjs';
import { prose } from '../../ui/notice.mjs';

/**
 * Shows the servers of a workspace whose tools are missing, each with the reason.
 *
 * @param {{ workspace: import('../../types.mjs').Workspace, from?: number }} props `from`: the least number of them that is told
 */
export function MissingServers({ workspace, from = 1 }) {
  const missing = missingServers(workspace, serversByKey.value);
  if (missing.length < from) return null;
  return html`<ul class="plain missing" aria-label="Servers that are not ready">
    ${missing.map(({ key, word, why }) => html`<li key=${key}><${ItemLink} page="servers" name=${key} />: ${word.toLowerCase()}${why && html`. ${prose(why)}`}</li>`)}
  </ul>`;
}
