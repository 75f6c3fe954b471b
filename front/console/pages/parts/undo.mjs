/** Shows the last change, with a button that undoes it. */

import { undo } from '../../hub/bulk.mjs';
import { state } from '../../hub/store.mjs';
import { Button } from '../../ui/controls.mjs';
import { html } from '../../ui/html.mjs';
import { Time } from '../../ui/time.mjs';

/** Empty if there is no change to undo. */
export function UndoLast() {
  const last = state.value?.hub.last_change;
  if (!last) return null;
  return html`<p class="undo small muted">Last change, <${Time} at=${last.at} />: ${last.summary}.
    <${Button} icon="back" quiet onClick=${() => undo(last.id)}>Undo<span class="unseen"> the last change</span></${Button}>
  </p>`;
}
