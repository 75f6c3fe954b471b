// The frame of the pages of sign-in, in the style of the login page: no file is loaded, and all scripts are inline.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { STYLE as LOGIN_STYLE } from '../../access/login_page.mjs';
import { documentOf } from '../../http/html.mjs';

const STYLE = `${LOGIN_STYLE}
main.wide { max-width: 720px; }
dl { margin: 0 0 16px; } dt { margin-top: 12px; color: var(--muted); font-size: 14px; } dd { margin: 0; overflow-wrap: anywhere; }
.who { display: flex; flex-wrap: wrap; gap: 4px 12px; align-items: baseline; justify-content: space-between;
  padding-top: 16px; margin-top: 24px; border-top: 1px solid var(--line); color: var(--muted); font-size: 14px; }
.who form { margin: 0; } a { color: inherit; }
select { width: 100%; min-height: 44px; padding: 8px 12px; font: inherit; color: inherit; background: var(--bg);
  border: 1px solid var(--edge); border-radius: 8px; }
button.plain { color: var(--ink); background: none; border: 1px solid var(--edge); }
button.small { width: auto; min-height: 32px; margin: 0; padding: 0 12px; font-weight: 400; }
a.button { display: block; padding: 10px 12px; font-weight: 600; color: var(--card); text-align: center;
  text-decoration: none; background: var(--ink); border-radius: 8px; }
button:disabled { opacity: 0.5; cursor: default; }
.warn { padding: 8px 12px; margin: 0 0 16px; border: 1px solid var(--edge); border-radius: 8px; }
ul.plain { padding: 0; list-style: none; } ul.plain > li { padding: 12px 0; border-top: 1px solid var(--line); }
li .row { display: flex; gap: 12px; align-items: center; justify-content: space-between; }
`;
/** Keeps the page's secret of the login, and adds it to requests of the page (front/console/secret.mjs). */
const SECRET_SCRIPT = readFileSync(new URL('../../../console/secret.mjs', import.meta.url), 'utf8');

/** @param {string} text */
const hashOf = (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/**
 * Return a page, and the Content-Security-Policy with which to send it.
 * @param {object} parts
 * @param {string} parts.title
 * @param {string} parts.body  HTML
 * @param {string} [parts.script]  runs at the end of the page
 * @param {string} [parts.formAction]  further sources of `form-action`
 * @param {boolean} [parts.wide]
 * @returns {{html: string, policy: string}}
 */
export function pageOf({ title, body, script, formAction = '', wide = false }) {
  const scripts = script === undefined ? [] : [SECRET_SCRIPT, script];
  const policy = [
    "default-src 'none'",
    `style-src ${hashOf(STYLE)}`,
    ...(scripts.length > 0 ? [`script-src ${scripts.map(hashOf).join(' ')}`, "connect-src 'self'"] : []),
    'img-src data:',
    `form-action 'self'${formAction && ` ${formAction}`}`,
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
  const html = documentOf({
    title,
    style: STYLE,
    head: scripts.length > 0 ? `<script>${SECRET_SCRIPT}</script>` : '',
    body: `<main${wide ? ' class="wide"' : ''}>
${body}
</main>
${script === undefined ? '' : `<script>${script}</script>`}`,
  });
  return { html, policy };
}
