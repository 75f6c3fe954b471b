/** The resources and resource templates of a workspace as its clients see them, to read. */

import { useEffect, useRef } from 'preact/hooks';
import { groupItems, idOf } from '../data/catalog_list.mjs';
import { shortened } from '../data/contents.mjs';
import { expanded, variablesOf } from '../data/uri_template.mjs';
import { api } from '../hub/store.mjs';
import { CopyButton, Facts, html, ItemLink } from '../ui.mjs';
import { size } from '../words.mjs';
import { completions, RequestForm, RequestResult } from './parts/request_form.mjs';
import { Contents } from './parts/content.mjs';
import { BackToList, Explorer, ExplorerPage, useItems } from './parts/explorer.mjs';
import { RawJson } from './parts/schema_view.mjs';

/** @typedef {import('../types.mjs').Workspace} Workspace @typedef {import('../data/catalog_list.mjs').CatalogItem} CatalogItem */

const LEAD = 'Data that servers offer to clients, each at a URI or a URI template.';

/** @param {{ query: Record<string, string> }} props  `workspace` and `resource`: a URI, or a URI template */
export default function Resources({ query }) {
  const show = (/** @type {Workspace} */ workspace) =>
    html`<${OfWorkspace} key=${workspace.name} workspace=${workspace} picked=${query.resource} />`;
  return html`<${ExplorerPage} kind="resources" lead=${LEAD} name=${query.workspace} show=${show} />`;
}

/** @param {{ workspace: Workspace, picked: string|undefined }} props */
function OfWorkspace({ workspace, picked }) {
  const found = useItems(workspace, workspace.resources, read);
  const detail = (/** @type {CatalogItem} */ listed) =>
    html`<${Detail} key=${idOf(listed)} workspace=${workspace.name} listed=${listed} />`;
  return html`<${Explorer} kind="resources" workspace=${workspace} found=${found} group=${groupItems} entry=${entry} picked=${picked} detail=${detail} />`;
}

/** @param {string} workspace @returns {Promise<CatalogItem[]>} */
async function read(workspace) {
  const { resources, templates } = await api.get('/api/hub/resources', { workspace });
  return [...resources, ...templates];
}

/** @param {CatalogItem} listed */
function entry(listed) {
  const { name, title, description } = listed.item;
  const id = idOf(listed);
  return { id, name: title ?? name, title: id, description };
}

/** @param {{ workspace: string, listed: CatalogItem }} props */
function Detail({ workspace, listed }) {
  const { item, server, completes } = listed;
  const { name, title, description, mimeType, size: bytes, uriTemplate: template } = item;
  const uri = idOf(listed);
  const heading = useRef(/** @type {HTMLElement|null} */ (null));
  useEffect(() => heading.current?.focus({ preventScroll: matchMedia('(min-width: 60rem)').matches }), []);
  const fields = template === undefined ? [] : variablesOf(template).map((variable) => ({ name: variable }));
  const uriOf = (/** @type {Record<string, string>} */ values) =>
    template === undefined ? uri : expanded(template, values);
  const send = (/** @type {Record<string, string>} */ values) =>
    api.post('/api/hub/resources/read', {}, { workspace, uri: uriOf(values) });
  const preview = (/** @type {Record<string, string>} */ values) =>
    html`<p class="break">Reads <code>${uriOf(values)}</code></p>`;
  return html`<article class="tool stack" aria-labelledby="resource-title">
    <${BackToList} kind="resources" workspace=${workspace} />
    <div>
      <div class="tool-name">
        <h2 id="resource-title" tabindex="-1" ref=${heading}>${title ?? name}</h2>
        <${CopyButton} text=${uri} label=${template === undefined ? 'URI' : 'URI template'}>Copy URI</${CopyButton}>
      </div>
      <p class="break"><code>${uri}</code></p>
      <p class="muted">${template !== undefined && html`<span class="tag">template</span> `}of the server <${ItemLink} page="servers" name=${server} /></p>
    </div>
    ${description && html`<p class="prose">${description}</p>`}
    <${Facts}
      facts=${[
        ['Name', title !== undefined && html`<code>${name}</code>`],
        ['Type', mimeType],
        ['Size', typeof bytes === 'number' && size(bytes)],
      ]}
    />
    <${RequestForm}
      label="Read the resource"
      fields=${fields}
      complete=${completes && template !== undefined ? completions(workspace, { template }) : null}
      action="Read"
      send=${send}
      preview=${template === undefined ? undefined : preview}
      result=${(/** @type {any} */ outcome) => html`<${RequestResult} outcome=${outcome}><${All} result=${outcome.result} /></${RequestResult}>`}
    />
  </article>`;
}

/** @param {{ result: any }} props as MCP's ReadResourceResult, if the server keeps to it */
function All({ result }) {
  const contents = Array.isArray(result?.contents) ? result.contents : [];
  return html`
    ${contents.map((/** @type {any} */ each, /** @type {number} */ index) => html`<${Contents} key=${index} contents=${each ?? {}} />`)}
    ${contents.length === 0 && html`<p class="muted">The resource has no contents.</p>`}
    <${RawJson} value=${shortened(result)} label="Whole result" />
  `;
}
