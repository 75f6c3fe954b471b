/** The prompts of a workspace as its clients see them, to read and to try. */

import { useEffect, useRef } from 'preact/hooks';
import { argumentsOf, groupItems } from '../data/catalog_list.mjs';
import { shortened, textIn, textOf } from '../data/contents.mjs';
import { api } from '../hub/store.mjs';
import { CopyButton, html, ItemLink } from '../ui.mjs';
import { completions, RequestForm, RequestResult } from './parts/request_form.mjs';
import { Block } from './parts/content.mjs';
import { BackToList, Explorer, ExplorerPage, useItems } from './parts/explorer.mjs';
import { RawJson } from './parts/schema_view.mjs';

/** @typedef {import('../types.mjs').Workspace} Workspace @typedef {import('../data/catalog_list.mjs').CatalogItem} CatalogItem */

const LEAD = 'Message templates that servers offer to clients. Fill in the arguments to see the messages.';

/** @param {{ query: Record<string, string> }} props  `workspace` and `prompt` */
export default function Prompts({ query }) {
  const show = (/** @type {Workspace} */ workspace) =>
    html`<${OfWorkspace} key=${workspace.name} workspace=${workspace} picked=${query.prompt} />`;
  return html`<${ExplorerPage} kind="prompts" lead=${LEAD} name=${query.workspace} show=${show} />`;
}

/** @param {{ workspace: Workspace, picked: string|undefined }} props */
function OfWorkspace({ workspace, picked }) {
  const found = useItems(workspace, workspace.prompts, read);
  const detail = (/** @type {CatalogItem} */ listed) =>
    html`<${Detail} key=${listed.item.name} workspace=${workspace.name} listed=${listed} />`;
  return html`<${Explorer} kind="prompts" workspace=${workspace} found=${found} group=${groupItems} entry=${entry} picked=${picked} detail=${detail} />`;
}

/** @param {string} workspace @returns {Promise<CatalogItem[]>} */
const read = async (workspace) => (await api.get('/api/hub/prompts', { workspace })).prompts;

/** @param {CatalogItem} listed */
function entry({ item: { name, title, description } }) {
  return { id: name, name, title, description };
}

/** @param {{ workspace: string, listed: CatalogItem }} props */
function Detail({ workspace, listed: { item, server, completes } }) {
  const { name, title, description } = item;
  const heading = useRef(/** @type {HTMLElement|null} */ (null));
  useEffect(() => heading.current?.focus({ preventScroll: matchMedia('(min-width: 60rem)').matches }), []);
  const fields = argumentsOf(item).map((each) => ({
    name: each.name,
    help: each.description,
    required: each.required === true,
  }));
  const send = (/** @type {Record<string, string>} */ values) =>
    api.post('/api/hub/prompts/get', {}, { workspace, prompt: name, arguments: values });
  return html`<article class="tool stack" aria-labelledby="prompt-title">
    <${BackToList} kind="prompts" workspace=${workspace} />
    <div>
      <div class="tool-name">
        <h2 id="prompt-title" tabindex="-1" ref=${heading}>${title ?? name}</h2>
        <${CopyButton} text=${name} label="name of the prompt">Copy name</${CopyButton}>
      </div>
      ${title && html`<p><code>${name}</code></p>`}
      <p class="muted">of the server <${ItemLink} page="servers" name=${server} /></p>
    </div>
    ${description && html`<p class="prose">${description}</p>`}
    ${fields.length === 0 && html`<p class="muted">This prompt takes no arguments.</p>`}
    <${RequestForm}
      label="Get the prompt"
      fields=${fields}
      complete=${completes ? completions(workspace, { prompt: name }) : null}
      action="Get messages"
      send=${send}
      result=${(/** @type {any} */ outcome) => html`<${RequestResult} outcome=${outcome}><${Messages} result=${outcome.result} /></${RequestResult}>`}
    />
  </article>`;
}

/** @param {{ result: any }} props as MCP's GetPromptResult, if the server keeps to it */
function Messages({ result }) {
  const messages = Array.isArray(result?.messages) ? result.messages : [];
  const text = textOf(messages);
  return html`
    ${result?.description && html`<p class="prose">${textIn(result.description)}</p>`}
    ${text && html`<div class="row"><${CopyButton} text=${text} label="all text of the messages">Copy all text</${CopyButton}></div>`}
    <ol class="plain messages">
      ${messages.map(
        (/** @type {any} */ message, /** @type {number} */ index) => html`<li key=${index} class="message stack">
          <p class="message-role">${textIn(message?.role) || 'no role'}</p>
          <${Block} block=${message?.content} of="prompt" />
        </li>`,
      )}
    </ol>
    ${messages.length === 0 && html`<p class="muted">The prompt has no messages.</p>`}
    <${RawJson} value=${shortened(result)} label="Whole result" />
  `;
}
