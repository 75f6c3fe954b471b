/** Finds elements in YAMCP-UI's pages by headings and roles, never by classes. */

/** @typedef {{table: HTMLTableElement, columns: Map<string, number>, rows: HTMLTableRowElement[]}} List */

/**
 * Return the table whose columns include these.
 *
 * @param {...string} titles
 * @returns {List | null}
 */
export function list(...titles) {
  for (const table of document.querySelectorAll('main table')) {
    const found = /** @type {HTMLTableElement} */ (table);
    const heads = [...(found.tHead?.rows[0]?.cells ?? [])];
    const columns = new Map(heads.map((head, at) => [head.textContent ?? '', at]));
    if (titles.every((title) => columns.has(title))) {
      return { table: found, columns, rows: [...(found.tBodies[0]?.rows ?? [])] };
    }
  }
  return null;
}

export const workspaceList = () => list('Name', 'Description', 'Servers', 'Actions');
export const serverList = () => list('Name', 'Namespace', 'Type', 'Status', 'Actions');

/**
 * Return the text of a row's cell in a column.
 *
 * @param {HTMLTableRowElement} row
 * @param {List} of
 * @param {string} title
 */
export function cellText(row, of, title) {
  return row.cells[of.columns.get(title) ?? -1]?.textContent ?? '';
}

/** Return the open dialog with this heading. @param {string} heading @returns {HTMLElement | null} */
export function dialog(heading) {
  for (const found of document.querySelectorAll('[role=dialog]')) {
    if (found.querySelector('h2')?.textContent === heading) return /** @type {HTMLElement} */ (found);
  }
  return null;
}

/** Return whether the page has a heading with that text. @param {string} text */
export function heading(text) {
  for (const found of document.querySelectorAll('main :is(h1, h2, h3)')) if (found.textContent === text) return found;
  return null;
}
