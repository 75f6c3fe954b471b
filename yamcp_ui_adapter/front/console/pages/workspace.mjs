import { html, Page } from '../ui.mjs';

/** @param {{ args: string[], query: Record<string, string> }} props */
export default function Workspace({ args }) {
  return html`<${Page} title=${args[0] ?? 'workspace'}></${Page}>`;
}
