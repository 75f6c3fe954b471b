// The page /hub/api: documentation of the API, made of its OpenAPI document. One document with inline style and no
// script. Loaded with the first request for it. Pure.

import { createHash } from 'node:crypto';
import { documentOf, escaped } from '../http/html.mjs';

const STYLE = `
:root { color-scheme: light dark; --bg: light-dark(#f7f5f1, #161513); --card: light-dark(#fffefc, #1f1e1b);
  --line: light-dark(#e2ddd3, #35322d); --ink: light-dark(#1d1c1a, #f1eee8); --muted: light-dark(#5f5a50, #aea799);
  --link: light-dark(#1f5aa8, #8ebcf2); --focus: light-dark(#2f6fc0, #7fb6f0); }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 24px 16px 64px; background: var(--bg); color: var(--ink);
  font: 16px / 1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
h1 { font-size: 28px; letter-spacing: -0.02em; margin: 0 0 8px; }
h2 { font-size: 21px; margin: 40px 0 12px; }
h3 { font-size: 16px; margin: 0; overflow-wrap: anywhere; }
h4 { font-size: 15px; margin: 16px 0 4px; }
a { color: var(--link); }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
code, pre { font: 0.9em / 1.5 ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
pre { margin: 4px 0; padding: 12px; background: var(--bg); border: 1px solid var(--line); border-radius: 8px;
  white-space: pre-wrap; }
details { margin: 8px 0; background: var(--card); border: 1px solid var(--line); border-radius: 12px; }
summary { padding: 12px 16px; cursor: pointer; }
summary p { margin: 4px 0 0; color: var(--muted); }
.inside { padding: 0 16px 16px; }
dl { margin: 0; display: grid; grid-template-columns: minmax(6rem, max-content) 1fr; gap: 4px 16px; }
dt { overflow-wrap: anywhere; } dd { margin: 0; }
`;
const hash = createHash('sha256').update(STYLE).digest('base64');

/** The Content-Security-Policy of the page. */
export const POLICY = `default-src 'none'; style-src 'sha256-${hash}'; img-src data:; base-uri 'none'; frame-ancestors 'none'`;

/** @typedef {Record<string, any>} Json */

/** Return the page as HTML. @param {Json} document  as openapi.mjs makes it */
export function apiPage(document) {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(/** @type {Json} */ (methods)).map(([method, operation]) => ({ path, method, ...operation })),
  );
  const [{ url }] = document.servers;
  const parts = document.tags.map((/** @type {Json} */ { name, description }) => {
    const own = operations.filter(({ tags }) => tags.includes(name));
    return `<h2 id="${escaped(name)}">${escaped(description)}</h2>${own.map((each) => section(each, url)).join('\n')}`;
  });
  const models = Object.entries(document.components.schemas)
    .map(
      ([name, schema]) =>
        `<details id="${model(name)}"><summary><h3>${escaped(name)}</h3></summary><div class="inside">${json(schema)}</div></details>`,
    )
    .join('\n');
  return documentOf({
    title: 'API',
    style: STYLE,
    body: `<main>
<h1>The HTTP API</h1>
<p>Version ${escaped(document.info.version)}. For programs: <a href="/api/openapi.json">openapi.json</a> (OpenAPI 3.1).
<a href="/hub/">The hub’s console</a></p>
${document.security ? '<p>Each request needs the token of the hub, or of a key with <code>--admin</code>: <code>Authorization: Bearer …</code></p>' : ''}
${parts.join('\n')}
<h2 id="models">Models</h2>
${models}
</main>`,
  });
}

/** Return the part of one operation. @param {Json} operation @param {string} base */
function section({ method, path, summary, parameters = [], requestBody, responses, operationId }, base) {
  const named = parameters.map(
    (/** @type {Json} */ { name, required, description, schema }) =>
      `<dt><code>${escaped(name)}</code>${required ? '' : ' (optional)'}</dt><dd>${escaped(description ?? schema.type)}</dd>`,
  );
  const errors = Object.entries(responses)
    .filter(([status]) => status !== '200')
    .map(([status, { description }]) => `<dt>${escaped(status)}</dt><dd><code>${escaped(description)}</code></dd>`);
  const body = requestBody?.content['application/json'].schema;
  return `<details id="${escaped(operationId)}"><summary><h3><code>${method.toUpperCase()} ${escaped(path)}</code></h3>
<p>${inline(summary)}</p></summary><div class="inside">
${named.length ? `<h4>Parameters</h4><dl>${named.join('')}</dl>` : ''}
${body ? `<h4>Body</h4>${json(body)}` : ''}
<h4>Answer</h4>${answer(responses[200])}
<h4>Errors</h4><dl>${errors.join('')}</dl>
<h4>Example</h4><pre tabindex="0">${escaped(example(method, `${base}${path}`, parameters, body))}</pre>
</div></details>`;
}

/** @param {Json} response */
function answer({ content }) {
  return Object.entries(content)
    .map(([type, { schema }]) => {
      const name = schema.$ref?.split('/').at(-1);
      const text = name
        ? `<a href="#${model(name)}">${escaped(name)}</a>`
        : type === 'application/json'
          ? json(schema)
          : '';
      return `<p><code>${escaped(type)}</code> ${name ? text : ''}</p>${name ? '' : text}`;
    })
    .join('');
}

/** @param {string} method @param {string} url @param {Json[]} parameters @param {Json | undefined} body */
function example(method, url, parameters, body) {
  const query = parameters.filter(({ in: place, required }) => place === 'query' && required);
  const asked = query.map(({ name }) => `${name}=…`).join('&');
  const verb = method === 'get' ? '' : ` -X ${method.toUpperCase()}`;
  const data = body ? ` -H 'Content-Type: application/json' -d '{…}'` : '';
  return `curl -sf${verb}${data} '${url}${asked ? `?${asked}` : ''}'`;
}

/** @param {unknown} value */
const json = (value) =>
  `<pre tabindex="0">${escaped(JSON.stringify(value, null, 2).replaceAll('#/components/schemas/', ''))}</pre>`;

/** @param {string} name */
const model = (name) => `model-${escaped(name)}`;

/** Return text with \`code\` as HTML. @param {string} text */
const inline = (text) => escaped(text).replace(/&#96;([^&]+)&#96;/g, '<code>$1</code>');
