import { html, Page } from '../ui.mjs';

/** @param {{ args: string[], query: Record<string, string> }} props */
export default function WorkspaceForm({ args }) {
  return html`<${Page} title=${args[0] ?? 'workspace_form'}></${Page}>`;
}
