/** What a tool answered. It comes from a server that is not trusted: shown as text, never as markup. */

import { useState } from 'preact/hooks';
import { Button, CopyButton, html, Notice } from '../../ui.mjs';
import { size } from '../../words.mjs';
import { RawJson } from './schema_view.mjs';

const SHOWN = 20_000; // characters of one text at first
const IMAGES = /^image\/(png|jpeg|gif|webp|avif|bmp)$/i;
const SOUNDS = /^audio\/[a-z0-9.+-]+$/i;
const BASE64 = /^[A-Za-z0-9+/\s]*(?:=\s*){0,2}$/;

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
function Took({ tone, text, seconds }) {
  return html`<p class="took"><span class="badge badge-${tone}"><span class="dot" aria-hidden="true"></span>${text}</span>
    <span class="muted">after ${took(seconds)}</span></p>`;
}

/** A length of time as calls have it. @param {number} seconds */
export function took(seconds) {
  return seconds < 1 ? `${Math.max(1, Math.round(seconds * 1000))} ms` : `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
}

/** Whether the text says the same as the structured content. @param {any[]} content @param {unknown} structured */
function repeats(content, structured) {
  if (content.length !== 1 || content[0]?.type !== 'text') return false;
  try {
    return JSON.stringify(JSON.parse(content[0].text)) === JSON.stringify(structured);
  } catch {
    return false;
  }
}

/** @param {{ block: any }} props */
function Block({ block }) {
  const mime = String(block?.mimeType ?? '');
  const data = typeof block?.data === 'string' && BASE64.test(block.data) ? `data:${mime};base64,${block.data}` : null;
  if (block?.type === 'text') return html`<${LongText} text=${String(block.text ?? '')} />`;
  if (block?.type === 'image' && data && IMAGES.test(mime)) return html`<${Image} source=${data} mime=${mime} />`;
  if (block?.type === 'audio' && data && SOUNDS.test(mime)) {
    return html`<figure class="result-media"><audio controls src=${data}></audio><figcaption class="muted">${mime}</figcaption></figure>`;
  }
  if (block?.type === 'resource_link') return html`<${Link} link=${block} />`;
  if (block?.type === 'resource') return html`<${Resource} resource=${block.resource ?? {}} />`;
  return html`<${RawJson} value=${block} label=${`Content of type ${String(block?.type)}`} open />`;
}

/** @param {{ source: string, mime: string }} props */
function Image({ source, mime }) {
  return html`<figure class="result-media">
    <img src=${source} alt="Image that the tool answered with" />
    <figcaption class="muted">${mime}</figcaption>
  </figure>`;
}

/** @param {{ text: string }} props */
function LongText({ text }) {
  const [whole, setWhole] = useState(false);
  const cut = !whole && text.length > SHOWN;
  return html`<div class="result-text">
    <${CopyButton} text=${text} label="text" />
    <pre tabindex="0">${cut ? text.slice(0, SHOWN) : text}</pre>
    ${cut && html`<${Button} onClick=${() => setWhole(true)}>Show all ${text.length.toLocaleString('en')} characters</${Button}>`}
  </div>`;
}

/** @param {{ link: any }} props */
function Link({ link }) {
  const uri = String(link.uri ?? '');
  const name = link.title ?? link.name;
  return html`<div class="result-link">
    <p>${name && html`<strong>${String(name)}</strong> `}<${Address} uri=${uri} /></p>
    ${link.description && html`<p class="muted">${String(link.description)}</p>`}
  </div>`;
}

/** A link only where it leads to the web; it does not tell where one came from. @param {{ uri: string }} props */
function Address({ uri }) {
  if (!/^https?:\/\//i.test(uri)) return html`<code>${uri}</code>`;
  return html`<a href=${uri} target="_blank" rel="noopener noreferrer">${uri}</a>`;
}

/** @param {{ resource: any }} props */
function Resource({ resource }) {
  const { uri, mimeType, text, blob } = resource;
  const bytes = typeof blob === 'string' ? Math.floor((blob.length * 3) / 4) : 0;
  return html`<div class="result-link stack">
    <p><${Address} uri=${String(uri ?? '')} /> <span class="muted">${String(mimeType ?? '')}</span></p>
    ${typeof text === 'string' && html`<${LongText} text=${text} />`}
    ${bytes > 0 && IMAGES.test(mimeType) && html`<${Block} block=${{ type: 'image', data: blob, mimeType }} />`}
    ${bytes > 0 && html`<p class="muted">Binary, ${size(bytes)}</p>`}
  </div>`;
}
