/**
 * Reloads the lists of YAMCP-UI's pages, which load them only once: when a list has changed elsewhere, its page is left
 * and entered again without being visible.
 */

import { cellText, heading, serverList, workspaceList } from './page.mjs';

/** @import {ServerState, State} from '../server/state/state.mjs' */

/** Milliseconds that a page may be outdated; after an edit of its own it reloads by itself. */
const MAX_LAG_MS = 500;
/** Milliseconds to wait until a page is left. */
const LEAVE_TIMEOUT_MS = 200;
const NEUTRAL_PAGE = '/settings'; // a page of its own that loads nothing
const OPEN_ELEMENTS = '[role=dialog], [role=alertdialog], [role=menu], [role=listbox]';

/** Reloads outdated lists of pages. */
export class Remount {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** The content for which a reload was tried last; prevents endless reloads of a page that displays it differently. */
  #tried = '';
  /** The figures at the time when each dashboard was first seen. @type {WeakMap<Element, string>} */
  #figures = new WeakMap();

  /** @param {import('./live.mjs').Live} live @param {import('./workspaces.mjs').Switches} switches */
  constructor(live, switches) {
    this.live = live;
    this.switches = switches;
    for (const name of ['focusout', 'selectionchange', 'visibilitychange']) {
      document.addEventListener(name, () => this.refresh());
    }
  }

  /**
   * Check whether the page is up to date; if it is not for a while, and the user is not interacting with it, reload it.
   */
  refresh() {
    if (!this.#wanted()) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
    } else this.#timer ??= setTimeout(() => this.#due(), MAX_LAG_MS);
  }

  #due() {
    this.#timer = undefined;
    const wanted = this.#wanted();
    if (!wanted || !isCalm()) return;
    this.#tried = wanted;
    this.#load();
  }

  /** Return the content that the page should show and does not; null if it is up to date, or a reload was tried. */
  #wanted() {
    const { state, lost } = this.live;
    if (!state || lost) return null;
    const [shown, wanted] = this.#compare(state);
    return shown === null || shown === wanted || wanted === this.#tried ? null : wanted;
  }

  /**
   * Return what the page shows (null: nothing yet, or it is another page) and what it should show.
   * @param {State} state @returns {[string | null, string]}
   */
  #compare(state) {
    switch (location.pathname) {
      case '/workspaces':
        return [
          shownWorkspaces(),
          JSON.stringify(state.workspaces.map(({ name, servers }) => [name, servers.join('')])),
        ];
      case '/servers':
        return [
          shownServers(),
          JSON.stringify(state.servers.map((server) => [server.key, server.namespace, launch(server)])),
        ];
      case '/': {
        const card = heading('Total Servers');
        const now = figures(state);
        if (card && !this.#figures.has(card)) this.#figures.set(card, now);
        return [(card && this.#figures.get(card)) ?? null, now];
      }
      default:
        return [null, ''];
    }
  }

  async #load() {
    const here = location.pathname + location.search + location.hash;
    const { scrollY } = window;
    const focused = document.activeElement?.closest('tr')?.cells[0]?.textContent;
    const before = document.querySelector('main h1');
    go(NEUTRAL_PAGE);
    await until(() => document.querySelector('main h1') !== before);
    this.switches.refocus = focused ?? null;
    go(here);
    await until(() => Boolean(document.querySelector('main table')));
    window.scrollTo(0, scrollY);
  }
}

/**
 * Return whether the user is not typing, has no dialog open and nothing selected. The focus of a switch is restored
 * later.
 */
function isCalm() {
  const active = document.activeElement;
  const busy = active?.closest('main') && !active.matches('.hub-switch');
  const selecting = document.getSelection()?.isCollapsed === false;
  return !busy && !selecting && document.visibilityState === 'visible' && !document.querySelector(OPEN_ELEMENTS);
}

/** Navigate within the page; its router listens to this event. @param {string} path */
function go(path) {
  history.replaceState(history.state, '', path);
  window.dispatchEvent(new PopStateEvent('popstate', { state: history.state }));
}

/** @param {() => boolean} done */
async function until(done) {
  const end = performance.now() + LEAVE_TIMEOUT_MS;
  while (!done() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve));
}

/** @returns {string | null} */
function shownWorkspaces() {
  const found = workspaceList();
  if (!found) return heading('No workspaces') && '[]';
  const members = (/** @type {HTMLTableRowElement} */ row) =>
    cellText(row, found, 'Servers').replace(/^No servers$/, '');
  return JSON.stringify(found.rows.map((row) => [cellText(row, found, 'Name'), members(row)]));
}

/** @returns {string | null} */
function shownServers() {
  const found = serverList();
  if (!found) return heading('No servers') && '[]';
  const texts = (/** @type {HTMLTableRowElement} */ row) =>
    ['Name', 'Namespace', 'Configuration'].map((title) => cellText(row, found, title));
  return JSON.stringify(found.rows.map(texts));
}

/** @param {ServerState} server */
function launch({ type, command, args = [], url }) {
  return type === 'stdio' ? [command, ...args].join(' ') : (url ?? '');
}

/** Return the figures that the dashboard shows. @param {State} state */
function figures({ hub, servers, workspaces }) {
  const issues = [hub, ...servers, ...workspaces].map((item) => item.issues.length);
  return JSON.stringify([servers.map((item) => item.state), workspaces.map((item) => item.enabled), issues]);
}
