import { html } from './html.mjs';

/**
 * A table that becomes a list of cards on a phone. Its ARIA roles are explicit, because browsers drop the implicit ones
 * when the display of a table changes.
 *
 * @template T
 * @param {object} props
 * @param {string} props.label
 * @param {{ id: string, title: any, cell: (row: T) => any, align?: 'end', hide?: boolean, bare?: boolean }[]} props.columns `hide`: its title is for screen readers only; `bare`: it has none on a card
 * @param {T[]} props.rows
 * @param {(row: T) => string} props.rowKey
 */
export function Table({ label, columns, rows, rowKey }) {
  return html`<div class="table-wrap">
    <table role="table" aria-label=${label}>
      <thead role="rowgroup">
        <tr role="row">
          ${columns.map(
            (column) => html`<th role="columnheader" scope="col" class=${column.align ?? ''} key=${column.id}>
              <span class=${column.hide ? 'unseen' : ''}>${column.title}</span>
            </th>`,
          )}
        </tr>
      </thead>
      <tbody role="rowgroup">
        ${rows.map(
          (row) => html`<tr role="row" key=${rowKey(row)}>
            ${columns.map(
              (column) => html`<td role="cell" class="cell-${column.id} ${column.align ?? ''}" key=${column.id}>
                ${!column.hide && !column.bare && html`<span class="cell-title" aria-hidden="true">${column.title}</span>`}
                <div class="cell-value">${column.cell(row)}</div>
              </td>`,
            )}
          </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}
