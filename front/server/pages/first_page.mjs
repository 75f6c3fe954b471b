// The console's first page as HTML, made by the console's own components: it is there with the first paint, while its
// modules are still being loaded.

import { h } from 'preact';
import { renderToString } from 'preact-render-to-string';
import { Shell } from '../../console/layout.mjs';
import { state as shown } from '../../console/hub/store.mjs';

/**
 * What the console shows first, as HTML.
 * @param {import('../state/state.mjs').State} state
 */
export function firstPage(state) {
  shown.value = state;
  return renderToString(h(Shell, {}));
}
