// Renders the console's first page on the server with the console's own components, so that it is visible before its
// modules are loaded.

import { h } from 'preact';
import { renderToString } from 'preact-render-to-string';
import { Shell } from '../../console/layout.mjs';
import { state as consoleState } from '../../console/hub/store.mjs';

/** Return the console's first page as HTML. @param {import('../state/state.mjs').State} state */
export function firstPage(state) {
  consoleState.value = state;
  return renderToString(h(Shell, {}));
}
