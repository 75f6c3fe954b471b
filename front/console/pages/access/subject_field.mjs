/** A field for a subject of access.json, with proposals. */

import { Field, html } from '../../ui.mjs';

const HELP = 'key:NAME, user:ID, email:ADDRESS, group:NAME, role:NAME, or * for everybody.';

/** @param {{ id: string, subjects: string[], value: string, onInput: (value: string) => void }} props */
export function SubjectField({ id, subjects, value, onInput }) {
  const list = `subjects-${id}`;
  return html`<${Field} label="Subject" value=${value} help=${HELP} onInput=${onInput} attrs=${{ list }} />
    <datalist id=${list}>${subjects.map((each) => html`<option value=${each} key=${each}></option>`)}</datalist>`;
}
