/** Shows the result of a tool as text, never as markup, because the server is not trusted. */

import { html, Notice } from '../../ui.mjs';
import { Block } from './content.mjs';
import { RawJson } from './schema_view.mjs';
import { took } from '../../words.mjs';

/**
 * @param {{ result?: any, error?: any, seconds: number }} props `error`: no answer came; `result` as MCP has it
 */
export function ToolResult({ result, error, seconds }) {
  if (error)
    return html`<div class="stack"><${Took} tone="bad" text="No result" seconds=${seconds} /><${Notice} error=${error} /></div>`;
  const content = Array.isArray(result?.content) ? result.content : [];
  const structured = result?.structuredContent;
  const failed = result?.isError === true;
  return html`<div class="tool-result stack">
    <${Took} tone=${failed ? 'bad' : 'ok'} text=${failed ? 'The tool reports an error' : 'Done'} seconds=${seconds} />
    ${content.map((/** @type {any} */ block, /** @type {number} */ index) => html`<${Block} key=${index} block=${block} />`)}
    ${content.length === 0 && structured === undefined && html`<p class="muted">The tool answered without content.</p>`}
    ${structured !== undefined && html`<${RawJson} value=${structured} label="Structured content" open=${!repeats(content, structured)} />`}
    <${RawJson} value=${result} label="Whole result" />
  </div>`;
}

/** @param {{ tone: string, text: string, seconds: number }} props */
export function Took({ tone, text, seconds }) {
  return html`<p class="took"><span class="badge badge-${tone}"><span class="dot" aria-hidden="true"></span>${text}</span>
    <span class="muted">after ${took(seconds)}</span></p>`;
}

/**
 * Return whether the text has the same content as the structured content.
 * @param {any[]} content @param {unknown} structured
 */
function repeats(content, structured) {
  if (content.length !== 1 || content[0]?.type !== 'text') return false;
  try {
    return JSON.stringify(JSON.parse(content[0].text)) === JSON.stringify(structured);
  } catch {
    return false;
  }
}
