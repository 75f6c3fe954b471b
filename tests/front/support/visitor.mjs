/** A browser without pages: it keeps cookies, follows redirects from one site to another, and nothing more. */

import assert from 'node:assert/strict';
import { ask } from './api.mjs';

const HTML = { accept: 'text/html,application/xhtml+xml' };
const MOST_REDIRECTS = 12;

/** @typedef {{value: string, path: string, attributes: string}} Kept */

/** One browser. */
export class Visitor {
  /** By origin and name. @type {Map<string, Kept>} */
  cookies = new Map();
  /** The URLs to which it was sent. @type {string[]} */
  visited = [];

  /**
   * One request, with cookies; redirects are not followed.
   * @param {string} method @param {string} url @param {import('./api.mjs').More} [more]
   */
  async ask(method, url, more = {}) {
    const { origin, pathname, search } = new URL(url);
    const cookie = [...this.cookies]
      .filter(([key, { path }]) => key.startsWith(`${origin} `) && pathname.startsWith(path))
      .map(([key, { value }]) => `${key.split(' ')[1]}=${value}`)
      .join('; ');
    const headers = { ...HTML, ...(cookie && { cookie }), ...more.headers };
    const answer = await ask(origin, method, pathname + search, { ...more, headers });
    for (const line of answer.headers['set-cookie'] ?? []) this.#keep(origin, line);
    return answer;
  }

  /**
   * Open a page, following redirects.
   * @param {string} url @param {(url: string) => boolean} [until]  a URL that is not requested: where it ends
   * @returns {Promise<{url: string, answer: import('./api.mjs').Answer | null}>} `answer`: null where `until` ended it
   */
  async open(url, until = () => false) {
    let at = url;
    for (let count = 0; count < MOST_REDIRECTS; count += 1) {
      this.visited.push(at);
      if (until(at)) return { url: at, answer: null };
      const answer = await this.ask('GET', at);
      if (answer.headers.location === undefined) return { url: at, answer };
      at = new URL(answer.headers.location, at).href;
    }
    assert.fail(`redirects without end: ${this.visited.join('\n')}`);
  }

  /** What it keeps of a site, by name. @param {string} origin @returns {Record<string, string>} */
  of(origin) {
    const own = [...this.cookies].filter(([key]) => key.startsWith(`${origin} `));
    return Object.fromEntries(own.map(([key, { value }]) => [key.split(' ')[1], value]));
  }

  /** @param {string} origin @param {string} line */
  #keep(origin, line) {
    const [, name, value, attributes] = /^([^=]+)=([^;]*)(.*)$/.exec(line) ?? [];
    const key = `${origin} ${name}`;
    if (/max-age=0|expires=Thu, 01 Jan 1970/i.test(attributes)) this.cookies.delete(key);
    else this.cookies.set(key, { value, path: /path=([^;]*)/i.exec(attributes)?.[1] ?? '/', attributes });
  }
}
