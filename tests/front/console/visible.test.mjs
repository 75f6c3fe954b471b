/** Names and texts of servers cannot change the direction of a page's text, or be invisible in it. */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { renderToString } from 'preact-render-to-string';
import { html } from '../../../front/console/ui/html.mjs';
import { visible } from '../../../front/console/visible.mjs';

const CONSOLE = join(import.meta.dirname, '../../../front/console');

test('control and invisible characters are shown as escapes', () => {
  const codes = [0, 7, 8, 0xb, 0x1b, 0x7f, 0x80, 0x9b, 0x61c, 0x200e, 0x200f, 0x2028, 0x2029];
  codes.push(0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069, 0xd800, 0xdfff);
  for (const code of codes)
    assert.equal(visible(`a${String.fromCharCode(code)}b`), `a\\u${code.toString(16).padStart(4, '0')}b`);
});

test('all other text is unchanged', () => {
  for (const text of ['', 'a\tb\r\nc', 'שלום', 'مرحبا', 'ünï', '👩‍🚀 🏴', 'a\u00a0b\u202fc', '\\u202e'])
    assert.equal(visible(text), text);
});

test('every text on a page is escaped', () => {
  const bad = 'x\u202ecod.exe';
  const shown = 'x\\u202ecod.exe';
  const Part = (/** @type {any} */ { children, label }) => html`<b aria-label=${label}>${label}${children}</b>`;
  const page = html`<p title=${bad} data-key=${bad}>${bad}${[bad, [bad]]} ${7}<${Part} label=${bad}>${bad}<//></p>`;
  assert.equal(
    renderToString(page),
    `<p title="${shown}" data-key="${bad}">${shown}${shown}${shown} 7<b aria-label="${shown}">${shown}${shown}</b></p>`,
  );
});

test('no other code creates elements of the console', () => {
  for (const file of /** @type {string[]} */ (readdirSync(CONSOLE, { recursive: true }))) {
    if (!file.endsWith('.mjs') || file === join('ui', 'html.mjs')) continue;
    const source = readFileSync(join(CONSOLE, file), 'utf8');
    assert.doesNotMatch(source, /import \{[^}]*\bh\b[^}]*\} from 'preact'|InnerHTML|innerHTML/, file);
  }
});
