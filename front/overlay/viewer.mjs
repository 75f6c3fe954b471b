/** Adds a workspace's endpoint, and configurations for clients, to the dialog that shows the workspace. */

import { snippets } from '/hub/assets/data/snippets.mjs';
import { workspaceState } from '/hub/assets/words.mjs';
import { address, copyButton, el, setAttribute, setText } from './dom.mjs';
import { cellText, dialog, workspaceList } from './page.mjs';

/** @import {WorkspaceState} from '../server/state/state.mjs' */

const HEADING = 'Workspace Configuration';
/** YAMCP-UI's own sections on `yamcp run`, which would start every server a second time beside the hub. */
const REPLACED_SECTIONS = ['MCP Configuration', 'Setup Instructions'];

/** The hub's block in the dialog while that is open. */
export class Viewer {
  /**
   * The workspace of the row that was clicked last. It is not parsed from the dialog, because a name may be any text.
   */
  #clicked = '';
  #client = 'smolagents';

  /** @param {import('./live.mjs').Live} live */
  constructor(live) {
    this.live = live;
    document.addEventListener('click', (event) => this.#note(event), true);
  }

  refresh() {
    const open = dialog(HEADING);
    if (!open) return;
    const found = this.live.workspace(this.#clicked);
    const workspace = found && open.textContent?.includes(found.name) ? found : null;
    replace(open, Boolean(workspace));
    if (!workspace) return;
    let block = /** @type {HTMLElement | null} */ (open.querySelector('.hub-viewer'));
    if (block?.dataset.name !== workspace.name || block.dataset.url !== workspace.sse_url) {
      block?.remove();
      block = this.#make(workspace);
      (open.children[1] ?? open).prepend(block);
    }
    const word = /** @type {Element} */ (block.querySelector('.hub-word'));
    const { word: text, tone } = workspaceState(workspace);
    setText(word, text);
    setAttribute(word, 'data-tone', tone);
  }

  /** @param {MouseEvent} event */
  #note(event) {
    const found = workspaceList();
    const row = event.target instanceof Element && event.target.closest('tr');
    if (found && row && found.rows.includes(row)) this.#clicked = cellText(row, found, 'Name');
  }

  /** @param {WorkspaceState} workspace */
  #make(workspace) {
    const { name, sse_url, http_url } = workspace;
    const title = el('h3', {}, 'Endpoint of this workspace ', el('span', { class: 'hub-word' }));
    const urls = [address('SSE', name, sse_url), address('HTTP', name, http_url)];
    const attributes = { class: 'hub-viewer', 'aria-label': 'Endpoint', 'data-name': name, 'data-url': sse_url };
    return el('section', attributes, title, ...urls, ...this.#clients(workspace));
  }

  /** @param {WorkspaceState} workspace */
  #clients(workspace) {
    const all = snippets(workspace, { token: this.live.state?.hub.protected ?? false });
    const choice = el('select', { 'aria-label': 'Client' });
    choice.append(...all.map(({ id, title }) => el('option', { value: id }, title)));
    choice.value = this.#client;
    const code = el('pre', { tabindex: '0', 'aria-label': 'Snippet' });
    const note = el('p', { class: 'hub-detail' });
    const show = () => {
      this.#client = choice.value;
      const one = all.find(({ id }) => id === choice.value);
      setText(code, one?.text ?? '');
      setText(note, [one?.file && `File: ${one.file}.`, one?.note].filter(Boolean).join(' '));
    };
    choice.addEventListener('change', show);
    show();
    const copy = copyButton('Copy snippet', () => code.textContent ?? '');
    return [el('div', { class: 'hub-line' }, el('span', {}, 'Connect'), choice, copy), code, note];
  }
}

/**
 * Hide the sections that the hub's block replaces, or show them if there is no block.
 *
 * @param {HTMLElement} open @param {boolean} replaced
 */
function replace(open, replaced) {
  for (const title of open.querySelectorAll('h3')) {
    const section = title.closest('[role=dialog] > * > *');
    if (section && REPLACED_SECTIONS.includes(title.textContent ?? ''))
      setAttribute(section, 'data-hub-replaced', replaced);
  }
}
