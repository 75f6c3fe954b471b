/**
 * Shows content of servers, which are not trusted, as text, or as images and audio of listed types, never as markup.
 */

import { useState } from 'preact/hooks';
import { binary, fileName, formatted, textIn } from '../../data/contents.mjs';
import { Button, CopyButton, html } from '../../ui.mjs';
import { size } from '../../words.mjs';
import { RawJson } from './schema_view.mjs';

const MAX_SHOWN_LENGTH = 20_000; // characters of one text at first

/** A block of a tool's result, or of a prompt's message (MCP, ContentBlock). @param {{ block: any, of?: string }} props `of`: what it belongs to */
export function Block({ block, of = 'tool' }) {
  if (block?.type === 'text') return html`<${LongText} text=${textIn(block.text)} />`;
  if (block?.type === 'image' || block?.type === 'audio') {
    const found = binary(block.data, block.mimeType);
    if (found?.kind === block.type) return html`<${Media} found=${found} mime=${textIn(block.mimeType)} of=${of} />`;
  }
  if (block?.type === 'resource_link') return html`<${Link} link=${block} />`;
  if (block?.type === 'resource') return html`<${Contents} contents=${block.resource ?? {}} />`;
  return html`<${RawJson} value=${block} label=${`Content of type ${textIn(block?.type)}`} open />`;
}

/** What a resource holds: a text, or bytes (MCP, ResourceContents). @param {{ contents: any }} props */
export function Contents({ contents }) {
  const { uri, mimeType, text, blob } = contents;
  return html`<div class="result-link stack">
    <p><${Address} uri=${textIn(uri)} /> <span class="muted">${textIn(mimeType)}</span></p>
    ${typeof text === 'string' && html`<${LongText} text=${formatted(text, mimeType)} copied=${text} />`}
    ${blob !== undefined && html`<${Bytes} data=${blob} mime=${textIn(mimeType)} uri=${textIn(uri)} />`}
  </div>`;
}

/** @param {{ data: unknown, mime: string, uri: string }} props */
function Bytes({ data, mime, uri }) {
  const found = binary(data, mime);
  if (!found) return html`<p class="muted">The data cannot be shown: it is not valid base64.</p>`;
  return html`<div class="stack">
    ${found.kind !== 'binary' && html`<${Media} found=${found} mime=${mime} of="resource" />`}
    <div class="row">
      <span class="muted">Binary, ${size(found.bytes)}</span>
      <${Button} icon="import" onClick=${() => save(String(data), fileName(uri))}>Download</${Button}>
    </div>
  </div>`;
}

/**
 * Save base64 data as a file, without a media type, so that no browser opens it as a page.
 * @param {string} data @param {string} name
 */
function save(data, name) {
  const bytes = Uint8Array.from(atob(data.replace(/\s/g, '')), (sign) => sign.charCodeAt(0));
  const href = URL.createObjectURL(new Blob([bytes], { type: 'application/octet-stream' }));
  Object.assign(document.createElement('a'), { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 60_000); // the browser may ask first where to save it
}

/** @param {{ found: NonNullable<ReturnType<typeof binary>>, mime: string, of: string }} props */
function Media({ found, mime, of }) {
  return html`<figure class="result-media">
    ${
      found.kind === 'image'
        ? html`<img src=${found.source} alt=${of === 'tool' ? 'Image returned by the tool' : `Image of the ${of}`} />`
        : html`<audio controls src=${found.source}></audio>`
    }
    <figcaption class="muted">${mime}</figcaption>
  </figure>`;
}

/** @param {{ text: string, copied?: string }} props `copied`: what is copied, if another text than the one shown */
export function LongText({ text, copied = text }) {
  const [whole, setWhole] = useState(false);
  const cut = !whole && text.length > MAX_SHOWN_LENGTH;
  return html`<div class="result-text">
    <${CopyButton} text=${copied} label="text" />
    <pre tabindex="0">${cut ? text.slice(0, MAX_SHOWN_LENGTH) : text}</pre>
    ${cut && html`<${Button} onClick=${() => setWhole(true)}>Show all ${text.length.toLocaleString('en')} characters</${Button}>`}
  </div>`;
}

/** @param {{ link: any }} props */
function Link({ link }) {
  const uri = textIn(link.uri);
  const name = link.title ?? link.name;
  return html`<div class="result-link">
    <p>${name && html`<strong>${textIn(name)}</strong> `}<${Address} uri=${uri} /></p>
    ${link.description && html`<p class="muted">${textIn(link.description)}</p>`}
  </div>`;
}

/** A URI, as a link only if its scheme is http(s), without a referrer. @param {{ uri: string }} props */
function Address({ uri }) {
  if (!/^https?:\/\//i.test(uri)) return html`<code>${uri}</code>`;
  return html`<a href=${uri} target="_blank" rel="noopener noreferrer">${uri}</a>`;
}
