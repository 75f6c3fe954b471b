import { html, Page } from '../ui.mjs';

/** @param {{ args: string[], query: Record<string, string> }} props */
export default function Import({ args }) {
  return html`<${Page} title=${args[0] ?? 'import'}></${Page}>`;
}
