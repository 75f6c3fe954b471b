/** A real browser for tests, whose pages record every error on them. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chromium } from 'playwright-core';

/** @import {Browser, BrowserContext, ConsoleMessage, Page} from 'playwright-core' */

const FLAGS = ['gpu', 'quic', 'background-networking', 'component-update', 'sync', 'dev-shm-usage'];
const NAMES = [process.env.CHROMIUM, 'chromium', 'chromium-browser', 'google-chrome'];
export const DESKTOP = { width: 1280, height: 800 };
export const PHONE = { width: 360, height: 740 };

/** @typedef {{viewport?: {width: number, height: number}, colorScheme?: 'light' | 'dark', reducedMotion?: 'reduce'}} Look */

/** Debian's chromium, or what CHROMIUM names (tests/browser/setup.sh sees that there is one). */
function executable() {
  for (const name of NAMES) {
    if (!name) continue;
    try {
      return execFileSync('/bin/sh', ['-c', 'command -v -- "$0"', name], { encoding: 'utf8' }).trim();
    } catch {
      // not this one
    }
  }
  throw new Error('There is no chromium; tests/browser/setup.sh installs it.');
}

/** Start a browser with a fresh profile; close it. @param {string[]} [more]  further flags of its command line */
export async function openBrowser(more = []) {
  const args = [...FLAGS.map((name) => `--disable-${name}`), '--no-first-run', ...more];
  return new Window(await chromium.launch({ executablePath: executable(), args }));
}

/** A browser. Each page is a visitor of its own: no cookies, no storage, no permissions of another. */
export class Window {
  /** @type {Set<Visit>} */
  #visits = new Set();

  /** @param {Browser} browser */
  constructor(browser) {
    this.browser = browser;
  }

  /**
   * A new visitor of the hub at `url`, who may use the clipboard.
   * @param {string} url  the origin that requests may go to
   * @param {Look} [look]
   */
  async visit(url, { viewport = DESKTOP, colorScheme = 'light', reducedMotion = 'reduce' } = {}) {
    const phone = viewport.width < 600;
    const context = await this.browser.newContext({
      viewport,
      colorScheme,
      reducedMotion,
      hasTouch: phone,
      baseURL: url,
    });
    await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: url });
    context.setDefaultTimeout(60_000);
    const visit = new Visit(context, await context.newPage(), url);
    this.#visits.add(visit);
    return visit;
  }

  /** Close the browser; every visit that was not ended is ended, and its troubles are told. */
  async close() {
    const troubles = [...this.#visits].flatMap((visit) => visit.troubles());
    await this.browser.close();
    assert.deepEqual(troubles, [], 'troubles of pages');
  }
}

/** One page of one visitor, and what went wrong on it. */
export class Visit {
  /** @type {string[]} */
  #troubles = [];
  /** @type {RegExp[]} */
  #expected = [];

  /** @param {BrowserContext} context @param {Page} page @param {string} url */
  constructor(context, page, url) {
    this.context = context;
    this.page = page;
    this.url = url;
    this.#watch(page, new URL(url).host);
  }

  /** Troubles of this form are what the test is about, from now on and before. */
  expect(/** @type {RegExp[]} */ ...forms) {
    this.#expected.push(...forms);
  }

  /** The console's program has taken over from what the hub rendered: keys work, and all of its code has arrived. */
  async program() {
    await this.page.locator('#app:not([inert])').waitFor();
  }

  /**
   * Go to another page of the console that is open, and wait until it is there: the page before it stays for a moment,
   * and may show what a test waits for. Another query of the same page replaces nothing, so it is not waited for.
   * @param {string} route  such as `servers/time`
   */
  async go(route) {
    const isOther = await this.page.evaluate((hash) => {
      const pageOf = (/** @type {string} */ of) => (of || '#/workspaces').split('?')[0];
      const isOther = pageOf(location.hash) !== pageOf(hash);
      if (isOther) document.getElementById('page-title')?.setAttribute('data-left', '');
      location.hash = hash;
      return isOther;
    }, `#/${route}`);
    if (isOther) await this.page.locator('#page-title:not([data-left])').waitFor();
  }

  /** Errors and warnings of the console, of scripts, of requests; requests to elsewhere. */
  troubles() {
    return this.#troubles.filter((trouble) => !this.#expected.some((form) => form.test(trouble)));
  }

  /** What was copied last. @returns {Promise<string>} */
  clipboard() {
    return this.page.evaluate(() => navigator.clipboard.readText());
  }

  /** Leave; nothing may have gone wrong. */
  async end() {
    await this.context.close();
    assert.deepEqual(this.troubles(), [], `troubles of ${this.url}`);
    this.#troubles = [];
  }

  /** @param {Page} page @param {string} host */
  #watch(page, host) {
    const note = (/** @type {string} */ text) => this.#troubles.push(text);
    page.on('console', (message) => isTrouble(message) && note(`console ${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => note(`script: ${error.stack ?? error}`));
    page.on('request', (request) => isElsewhere(request.url(), host) && note(`elsewhere: ${request.url()}`));
    page.on('websocket', (socket) => isElsewhere(socket.url(), host) && note(`elsewhere: ${socket.url()}`));
    page.on('requestfailed', (request) => {
      const why = request.failure()?.errorText ?? '';
      if (why !== 'net::ERR_ABORTED') note(`request: ${request.method()} ${request.url()} ${why}`); // a page that was left
    });
    page.on('response', (response) => {
      if (response.status() >= 400)
        note(`answer: ${response.status()} ${response.request().method()} ${response.url()}`);
    });
  }
}

/** @param {ConsoleMessage} message */
const isTrouble = (message) => message.type() === 'error' || message.type() === 'warning';

/** @param {string} url @param {string} host */
const isElsewhere = (url, host) => /^(https?|wss?):/.test(url) && new URL(url).host !== host;
