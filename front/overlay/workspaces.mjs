/** Adds a switch, the state and the endpoint's URLs to each row of the Workspaces table. */

import { ApiError, api } from '/hub/assets/hub/api.mjs';
import { missingServers } from '/hub/assets/data/failing.mjs';
import { workspaceState } from '/hub/assets/words.mjs';
import { address, announce, el, setAttribute, setText } from './dom.mjs';
import { cellText, workspaceList } from './page.mjs';

/**
 * @import {WorkspaceState} from '../server/state/state.mjs'
 * @typedef {{name: string, cells: HTMLTableCellElement[], update: (workspace: WorkspaceState | undefined) => void}} Row
 */

/** The switches of the page. They outlive the table's rows, which React may replace. */
export class Switches {
  /** @type {WeakMap<HTMLTableRowElement, Row>} */
  #rows = new WeakMap();
  /** The intended positions of switches whose request is not answered yet. @type {Map<string, boolean>} */
  #pending = new Map();
  /** @type {Map<string, ApiError>} */
  #errors = new Map();
  /** The workspace whose switch gets the focus again once its row exists again. @type {string | null} */
  refocus = null;

  /** @param {import('./live.mjs').Live} live */
  constructor(live) {
    this.live = live;
  }

  /** Update the table's rows. */
  refresh() {
    const found = workspaceList();
    if (!found || !this.live.state) return;
    addHeads(found.table);
    for (const tr of found.rows) {
      const name = cellText(tr, found, 'Name');
      this.#row(tr, name).update(this.live.workspace(name));
      if (this.refocus === name) {
        this.refocus = null;
        tr.querySelector('button')?.focus();
      }
    }
  }

  /**
   * Return the hub's part of a row, created again if the row belongs to another workspace now.
   * @param {HTMLTableRowElement} tr @param {string} name
   */
  #row(tr, name) {
    const known = this.#rows.get(tr);
    if (known?.name === name && known.cells.every((cell) => cell.parentElement === tr)) return known;
    for (const cell of known?.cells ?? []) cell.remove();
    const row = this.#make(name);
    tr.lastElementChild?.before(...row.cells);
    this.#rows.set(tr, row);
    return row;
  }

  /** @param {string} name @returns {Row} */
  #make(name) {
    const toggle = el('button', {
      type: 'button',
      role: 'switch',
      class: 'hub-switch',
      'aria-label': `Workspace ${name} on/off`,
      onclick: () => this.#toggle(name),
    });
    const word = el('span', { class: 'hub-word' });
    const detail = el('span', { class: 'hub-detail' });
    const trouble = el('div', { role: 'alert', class: 'hub-trouble' });
    const urls = el('td', { class: 'hub-cell' });
    const line = el('div', { class: 'hub-line' }, toggle, word);
    const update = (/** @type {WorkspaceState | undefined} */ workspace) => {
      setAttribute(toggle, 'disabled', !workspace);
      showSwitch(toggle, this.#pending.get(name), workspace?.enabled ?? false);
      const { word: text, tone } = workspace ? workspaceState(workspace) : { word: 'Not in the hub', tone: 'off' };
      setText(word, text);
      setAttribute(word, 'data-tone', tone);
      setText(detail, workspace ? detailOf(workspace) : '');
      setText(trouble, troubleOf(this.#errors.get(name) ?? workspace?.error, this.#missing(workspace)));
      showUrls(urls, name, workspace);
    };
    return { name, cells: [el('td', { class: 'hub-cell' }, line, detail, trouble), urls], update };
  }

  /** @param {WorkspaceState | undefined} workspace */
  #missing(workspace) {
    const servers = this.live.state?.servers ?? [];
    return workspace ? missingServers(workspace, new Map(servers.map((each) => [each.key, each]))) : [];
  }

  /**
   * Switch a workspace; after several clicks, repeat requests until the last position is reached.
   * @param {string} name
   */
  async #toggle(name) {
    const workspace = this.live.workspace(name);
    if (!workspace) return;
    const asking = this.#pending.has(name);
    this.#pending.set(name, !(this.#pending.get(name) ?? workspace.enabled));
    this.#errors.delete(name);
    this.refresh();
    if (asking) return;
    try {
      for (let enabled = null; enabled !== this.#pending.get(name);) {
        enabled = this.#pending.get(name);
        const answer = await api.post(`/api/hub/workspaces/${enabled ? 'start' : 'stop'}`, { name });
        this.live.take(answer.workspace);
      }
      announce(`Workspace ${name} is ${this.#pending.get(name) ? 'on' : 'off'}.`);
    } catch (error) {
      this.#errors.set(name, error instanceof ApiError ? error : new ApiError({}));
    } finally {
      this.#pending.delete(name);
      this.refresh();
    }
  }
}

/** @param {HTMLTableElement} table */
function addHeads(table) {
  const row = table.tHead?.rows[0];
  if (!row || row.querySelector('.hub-head')) return;
  table.classList.add('hub-widened');
  const like = row.cells[0]?.className ?? '';
  const heads = ['State', 'Endpoint'].map((title) => el('th', { scope: 'col', class: `${like} hub-head` }, title));
  row.lastElementChild?.before(...heads);
}

/** @param {Element} toggle @param {boolean | undefined} pending @param {boolean} enabled */
function showSwitch(toggle, pending, enabled) {
  setAttribute(toggle, 'aria-checked', String(pending ?? enabled));
  setAttribute(toggle, 'aria-busy', String(pending !== undefined));
}

/** @param {WorkspaceState} workspace */
function detailOf({ enabled, servers, disabled_servers: off, ready, tools, sessions }) {
  if (!enabled) return '';
  const parts = [`${ready} of ${servers.length - off.length} ready`, `${tools} tools`];
  return [...parts, ...(sessions ? [`${sessions} connected`] : [])].join(' · ');
}

/**
 * @param {{code: string, message: string, hint: string} | null | undefined} error
 * @param {import('/hub/assets/data/failing.mjs').MissingServer[]} missing
 */
function troubleOf(error, missing) {
  if (!error) return '';
  const others = missing.length > 1 ? ` Not ready: ${missing.map(({ key }) => key).join(', ')}.` : '';
  return `${error.code}: ${error.message} ${error.hint}${others}`;
}

/** @param {HTMLElement} cell @param {string} name @param {WorkspaceState | undefined} workspace */
function showUrls(cell, name, workspace) {
  const { sse_url = '', http_url = '' } = workspace ?? {};
  const shown = [...cell.querySelectorAll('code')].map((code) => code.textContent);
  if (shown.join('\n') === [sse_url, http_url].filter(Boolean).join('\n')) return;
  cell.replaceChildren(...(workspace ? [address('SSE', name, sse_url), address('HTTP', name, http_url)] : []));
}
