/** The console's first page: few requests before the first paint, complete, and nothing from other hosts. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { Pages } from '../../../front/server/pages/pages.mjs';

const MOST_FILES = 32; // a browser fetches six at a time

const ODD = '</script><!--<img src=x>';
const pages = new Pages();
const workspace = {
  name: ODD,
  slug: 'odd',
  enabled: true,
  state: 'ready',
  servers: [],
  disabled_servers: [],
  ready: 0,
  tools: 3,
  sessions: 0,
  issues: [],
};
const hub = { version: '1', adapter: 'ok', sidecar: 'ok', yamcp_ui: 'none', issues: [], errors: [] };
const text = pages.page(
  /** @type {any} */ ({
    seq: 1,
    hub,
    servers: [],
    workspaces: [{ ...workspace, sse_url: 'http://h/s', http_url: 'http://h/w' }],
  }),
);
const fetched = [...text.matchAll(/<(?:link|script) [^>]*(?:href|src)="([^"]+)"/g)].map(([, path]) => path);

test('every file that the page references exists, and few are needed before the first render', () => {
  for (const path of fetched) assert.ok(pages.assets.has(path.replace('/hub/', '')), path);
  assert.ok(new Set(fetched).size <= MOST_FILES, `${new Set(fetched).size} files`);
});

test('the page contains its style sheets inline, in order, allowed by their hash', () => {
  const style = /<style>([\s\S]*?)<\/style>/.exec(text)?.[1] ?? '';
  const places = ['base', 'frame', 'controls', 'messages', 'forms', 'pages', 'editing', 'narrow'].map((name) =>
    style.indexOf(String(pages.assets.get(`assets/styles/${name}.css`)?.bytes)),
  );
  assert.ok(places[0] === 0 && places.every((place, i) => i === 0 || place > places[i - 1]), String(places));
  assert.ok(pages.policy.includes(`style-src 'self' 'sha256-${createHash('sha256').update(style).digest('base64')}'`));
  assert.doesNotMatch(text, /<link rel="stylesheet"/);
});

test('the page contains the rendered workspaces, and names are not markup', () => {
  const main = text.slice(text.indexOf('<main'), text.indexOf('</main>'));
  assert.match(main, /role="switch"/);
  assert.match(main, /http:\/\/h\/w/);
  assert.match(main, /&lt;\/script>&lt;!--&lt;img src=x>/);
  assert.doesNotMatch(main, /<img/);
});

test('each inline script is allowed by its hash, and no other script is', () => {
  const inline = [...text.matchAll(/<script(?: type="importmap")?>([\s\S]*?)<\/script>/g)].map(([, script]) => script);
  assert.equal(inline.length, 3);
  for (const script of inline) assert.ok(pages.policy.includes(createHash('sha256').update(script).digest('base64')));
  assert.equal(pages.policy.match(/'sha256-/g)?.length, 4);
});

test('no style sheet loads anything from outside the hub', () => {
  for (const [path, { bytes }] of pages.assets) {
    if (path.endsWith('.css')) assert.doesNotMatch(String(bytes), /url\(|@import/, path);
  }
});

test('no name can close the script element that contains the State', () => {
  const inside = /<script id="hub-state" type="application\/json">([\s\S]*?)<\/script>/.exec(text)?.[1];
  assert.equal(JSON.parse(inside ?? '').workspaces[0].name, ODD);
});
