import { html, Page } from '../ui.mjs';

/** @param {{ args: string[], query: Record<string, string> }} props */
export default function Server({ args }) {
  return html`<${Page} title=${args[0] ?? 'server'}></${Page}>`;
}
