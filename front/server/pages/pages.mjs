// Serves the files of the console and the overlay, which are read into memory at the start.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join, posix } from 'node:path';
import { FrontError } from '../errors.mjs';
import { escaped } from '../http/html.mjs';
import { firstPage } from './first_page.mjs';
import { graphOf } from './preload.mjs';

/** @typedef {{bytes: Buffer, type: string, etag: string}} Asset */

const TYPES = /** @type {Record<string, string>} */ ({
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.json': 'application/json; charset=utf-8',
  '.woff2': 'font/woff2',
});
/** Browser libraries: files in node_modules, by the name under which they are served. No other file there is served. */
const VENDOR = {
  'preact.mjs': 'preact/dist/preact.mjs',
  'hooks.mjs': 'preact/hooks/dist/hooks.mjs',
  'signals.mjs': '@preact/signals/dist/signals.mjs',
  'signals-core.mjs': '@preact/signals-core/dist/signals-core.mjs',
  'htm.mjs': 'htm/dist/htm.mjs',
  'uplot.mjs': 'uplot/dist/uPlot.esm.js',
  'uPlot.min.css': 'uplot/dist/uPlot.min.css',
};
const FRONT = join(import.meta.dirname, '../..');
const SOURCES = { front: FRONT, modules: join(FRONT, '../node_modules') };
const MODULES_PLACEHOLDER = '<template id="modules"></template>';
const APP_PLACEHOLDER = '<div id="app"></div>';
const STATE_SCRIPT = /(<script id="hub-state" type="application\/json">)null(<\/script>)/;
const STYLE_LINK = /<link rel="stylesheet" href="\/hub\/([^"]+)" \/>\s*/g;
const BLOCKING_SCRIPT = /<script src="\/hub\/([^"]+)"><\/script>/g;
const INLINE_TAG = /<(style|script)(?: type="importmap")?>([\s\S]*?)<\/\1>/g;
const IMPORT_MAP = /<script type="importmap">([\s\S]*?)<\/script>/;

/** All paths below /hub/. */
export class Pages {
  /** @param {{front: string, modules: string}} [sources]  directories */
  constructor(sources = SOURCES) {
    /** @type {Map<string, Asset>} by their path below /hub/ */
    this.assets = new Map([
      ...directory(join(sources.front, 'console'), 'assets/'),
      ...directory(join(sources.front, 'overlay'), 'overlay/'),
      ...Object.entries(VENDOR).map(([name, file]) => asset(`assets/vendor/${name}`, join(sources.modules, file))),
    ]);
    this.index = this.assets.get('assets/index.html')?.bytes.toString('utf8') ?? '';
    this.assets.delete('assets/index.html');
    this.#inlineForPaint();
    const map = IMPORT_MAP.exec(this.index)?.[1] ?? '{}';
    this.policy = contentPolicy(this.index);
    const preloads = graphOf('assets/main.mjs', JSON.parse(map).imports ?? {}, (path) =>
      this.assets.get(path)?.bytes.toString(),
    );
    const links = preloads.map((path) => `<link rel="modulepreload" href="/hub/${path}" />`).join('\n    ');
    this.index = this.index.replace(
      MODULES_PLACEHOLDER,
      () => `<template id="modules">\n    ${links}\n    </template>`,
    );
  }

  /**
   * Put the style and script that the first paint needs into the page itself, because separate requests would wait
   * behind thirty modules.
   */
  #inlineForPaint() {
    const sheets = [...this.index.matchAll(STYLE_LINK)].map(([, path]) => this.#text(path));
    this.index = this.index
      .replace(STYLE_LINK, '')
      .replace('</title>', () => `</title>\n    <style>${sheets.join('\n')}</style>`);
    this.index = this.index.replace(BLOCKING_SCRIPT, (_, path) => `<script>${this.#text(path)}</script>`);
  }

  /** @param {string} path below /hub/ */
  #text(path) {
    return this.assets.get(path)?.bytes.toString('utf8') ?? '';
  }

  /**
   * Return the console's page, with the state and the first page already in it.
   * @param {import('../state/state.mjs').State | null} state  null: the request may see the page only
   */
  page(state) {
    if (!state) return this.index;
    const text = JSON.stringify(state).replaceAll('<', '\\u003c');
    return this.index
      .replace(STATE_SCRIPT, (_, open, close) => `${open}${text}${close}`)
      .replace(APP_PLACEHOLDER, () => `<div id="app" inert>${firstPage(state)}</div>`);
  }

  /**
   * Return the handler of all paths below /hub/.
   * @param {(request: import('express').Request) => import('../state/state.mjs').State | null} state
   * @returns {import('express').Handler}
   */
  handler(state) {
    return (request, response, next) => {
      if (!/^\/hub(\/|$)/.test(request.path)) return next();
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        response.set('Allow', 'GET, HEAD');
        throw new FrontError('METHOD_NOT_ALLOWED');
      }
      const path = request.path.slice('/hub'.length);
      if (path === '') return response.redirect(302, '/hub/');
      if (path === '/') return this.#sendPage(response, state(request));
      const found = this.assets.get(path.slice(1));
      if (!found) throw new FrontError('NOT_FOUND', `There is no ${posix.normalize(request.path)}.`);
      sendAsset(request, response, found);
    };
  }

  /** @param {import('express').Response} response @param {import('../state/state.mjs').State | null} state */
  #sendPage(response, state) {
    response.set({ 'Content-Security-Policy': this.policy, 'Cache-Control': 'no-store' });
    response.type('html').send(this.page(state));
  }
}

/** @param {import('express').Request} request @param {import('express').Response} response @param {Asset} asset */
function sendAsset(request, response, { bytes, type, etag }) {
  response.set({ 'Cache-Control': 'no-cache', ETag: etag });
  if (request.headers['if-none-match'] === etag) response.status(304).end();
  else response.set({ 'Content-Type': type, 'Content-Length': String(bytes.length) }).end(bytes);
}

/**
 * Return the Content-Security-Policy: only what the hub itself serves may be loaded, run and connected to; no framing.
 * @param {string} index  the page, whose own scripts and style are allowed by their hashes
 */
function contentPolicy(index) {
  /** @type {Record<string, string[]>} */
  const hashes = { script: [], style: [] };
  for (const [, kind, text] of index.matchAll(INLINE_TAG)) {
    hashes[kind].push(`'sha256-${createHash('sha256').update(text).digest('base64')}'`);
  }
  return [
    "default-src 'self'",
    `script-src 'self' ${hashes.script.join(' ')}`,
    `style-src 'self' ${hashes.style.join(' ')}`,
    "img-src 'self' data:",
    "media-src 'self' data:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

/** @param {string} root @param {string} prefix @returns {[string, Asset][]} */
function directory(root, prefix) {
  return files(root).flatMap((name) => {
    const path = prefix + name.split('\\').join('/');
    return extname(name) in TYPES ? [asset(path, join(root, name))] : [];
  });
}

/** @param {string} root @returns {string[]} none where there is no such directory */
function files(root) {
  try {
    return readdirSync(root, { recursive: true, encoding: 'utf8' });
  } catch {
    return [];
  }
}

/** @param {string} path @param {string} file @returns {[string, Asset]} */
function asset(path, file) {
  return made(path, readFileSync(file));
}

/** @param {string} path @param {Buffer} bytes @returns {[string, Asset]} */
function made(path, bytes) {
  const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
  return [path, { bytes, type: TYPES[extname(path)] ?? 'application/octet-stream', etag }];
}

/**
 * Return a small error page for browsers.
 * @param {{status: number, message: string, hint: string, code: string}} error
 */
export function errorPage({ status, message, hint, code }) {
  const [title, advice] = [message, hint].map(escaped);
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8" /><meta name="viewport" content="width=device-width" /><title>${status}</title></head>
<body><h1>${title}</h1><p>${advice} (${code})</p><p><a href="/hub/">The hub's console</a></p></body>
</html>
`;
}
