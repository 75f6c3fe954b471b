import { forgetSettings } from '../../hub/actions.mjs';
import { Button } from '../../ui/controls.mjs';
import { html } from '../../ui/html.mjs';

/** What can be done here about an issue of the hub: settings that are for nothing are removed. @param {import('../../types.mjs').Issue} issue */
export function remedy({ code, subject }) {
  if (code !== 'HUB_ENTRY_UNUSED') return null;
  return html`<${Button} label=${`Remove the settings of ${subject}`} onClick=${() => forgetSettings(subject)}>Remove these settings</${Button}>`;
}
