/** The console's first page: little to fetch before it can be shown, all of it there, and nothing from elsewhere. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pages } from '../../yamcp_ui_adapter/front/pages.mjs';

const MOST_FILES = 32; // a browser fetches six at a time

const pages = new Pages();
const text = pages.page(/** @type {any} */ ({ seq: 1, servers: [], workspaces: [{ name: '</script><!--' }] }));
const fetched = [...text.matchAll(/<(?:link|script) [^>]*(?:href|src)="([^"]+)"/g)].map(([, path]) => path);

test('every file that the page names is there, and few are needed before the first render', () => {
  for (const path of fetched) assert.ok(pages.assets.has(path.replace('/hub/', '')), path);
  assert.ok(new Set(fetched).size <= MOST_FILES, `${new Set(fetched).size} files`);
});

test('the style sheets of the page come as one, each of them in it, in their order', () => {
  const sheets = text.match(/<link rel="stylesheet"[^>]*>/g);
  assert.deepEqual(sheets, ['<link rel="stylesheet" href="/hub/assets/styles.css" />']);
  const joined = String(pages.assets.get('assets/styles.css')?.bytes);
  const places = ['base', 'frame', 'controls', 'messages', 'forms', 'pages', 'editing', 'narrow'].map((name) =>
    joined.indexOf(String(pages.assets.get(`assets/styles/${name}.css`)?.bytes)),
  );
  assert.ok(places[0] === 0 && places.every((place, i) => i === 0 || place > places[i - 1]), String(places));
});

test('no style asks for anything outside of the hub', () => {
  for (const [path, { bytes }] of pages.assets) {
    if (path.endsWith('.css')) assert.doesNotMatch(String(bytes), /url\(|@import/, path);
  }
});

test('what a name holds cannot end the script that the State stands in', () => {
  const inside = /<script id="hub-state" type="application\/json">([\s\S]*?)<\/script>/.exec(text)?.[1];
  assert.equal(JSON.parse(inside ?? '').workspaces[0].name, '</script><!--');
});
