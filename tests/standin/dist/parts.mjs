/** What the stand-in's pages are made of. */

import { h } from './dom.mjs';

/** @typedef {[string, (row: HTMLElement) => void]} Action */

/**
 * A heading with buttons, and a card.
 *
 * @type {(title: string, description: string, buttons: Node[], count: string, content?: Node, card?: string) => Node[]}
 */
export function page(title, description, buttons, count, content = h('div', {}), card = title) {
  const head = h('div', {}, h('div', {}, h('h1', {}, title), h('p', {}, description)), h('div', {}, ...buttons));
  return [head, h('div', { class: 'card' }, h('div', {}, h('h3', {}, card), h('p', {}, count)), h('div', {}, content))];
}

/**
 * A table; the last column has the actions, which in YAMCP-UI are pictures without a name.
 *
 * @type {(heads: string[], rows: [(Node | string)[], Action[]][]) => Node}
 */
export function table(heads, rows) {
  const head = h('thead', {}, h('tr', {}, ...heads.map((text) => h('th', {}, text))));
  const body = rows.map(([cells, actions]) => {
    const row = h('tr', {}, ...cells.map((cell) => h('td', {}, cell)));
    const buttons = actions.map(([picture, act]) =>
      h('button', { onclick: () => act(row) }, h('i', { 'aria-hidden': 'true' }, picture[0])),
    );
    row.append(h('td', {}, h('div', {}, ...buttons)));
    return row;
  });
  return h('div', { class: 'scroll' }, h('table', {}, head, h('tbody', {}, ...body)));
}
