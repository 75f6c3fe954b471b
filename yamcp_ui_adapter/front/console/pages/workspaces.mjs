import { html, Page } from '../ui.mjs';

export default function Workspaces() {
  return html`<${Page} title="Workspaces"></${Page}>`;
}
