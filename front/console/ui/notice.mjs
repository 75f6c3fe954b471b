import { html } from './html.mjs';
import { Icon } from './icons.mjs';

/**
 * Shows a problem: what happened, what to do, and its code.
 *
 * @param {object} props
 * @param {any} [props.error] ApiError, Issue, reason, or any error; code, message and hint are taken from it
 * @param {'bad'|'warn'|'info'} [props.tone]
 * @param {boolean} [props.quiet] not announced: it is part of the page
 * @param {any} [props.children] buttons, or the text of a notice without error
 */
export function Notice({ error, tone = 'bad', quiet = false, children }) {
  const icon = tone === 'info' ? 'info' : 'warn';
  return html`
    <div class="notice notice-${tone}" role=${quiet ? null : tone === 'bad' ? 'alert' : 'status'}>
      <${Icon} name=${icon} />
      <div class="notice-text">
        ${error && html`<p>${prose(error.message ?? String(error))}</p>`}
        ${error?.hint && html`<p class="muted">${prose(error.hint)}</p>`}
        ${children}
        ${error?.code && html`<p class="code">${error.code}</p>`}
      </div>
    </div>
  `;
}

/** Return text with parts in backquotes as code. @param {string} text */
export function prose(text) {
  const parts = text.split('`');
  if (parts.length % 2 === 0) return text; // one has no partner
  return parts.map((part, i) => (i % 2 === 1 ? html`<code>${part}</code>` : part));
}

/**
 * Shows the issues of the configuration. `remedy` returns an action for an issue, such as a button.
 *
 * @param {{ issues: import('../types.mjs').Issue[], remedy?: (issue: import('../types.mjs').Issue) => any }} props
 */
export function Issues({ issues, remedy }) {
  if (issues.length === 0) return null;
  const tones = { error: 'bad', warning: 'warn', info: 'info' };
  return html`<ul class="plain stack">
    ${issues.map((issue) => html`<li><${Notice} error=${issue} tone=${tones[issue.severity]} quiet>${remedy?.(issue)}</${Notice}></li>`)}
  </ul>`;
}
