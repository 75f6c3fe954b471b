import { href } from '../router.mjs';
import { Button, Empty, html, Page } from '../ui.mjs';

/** The page for unknown routes. */
export default function None() {
  return html`<${Page} title="No such page">
    <${Empty} title="There is nothing at this address" actions=${html`<${Button} primary href=${href('workspaces')}>Go to workspaces</${Button}>`} />
  </${Page}>`;
}
