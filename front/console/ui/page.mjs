/** The frame of a page, and its empty state. */

import { html } from './html.mjs';
import { Icon } from './icons.mjs';

/**
 * A page; its heading gets the focus when the page is opened.
 *
 * @param {object} props
 * @param {any} props.title
 * @param {any} [props.lead] one line below the title
 * @param {any} [props.actions] buttons beside the title
 * @param {{ href: string, label: string }} [props.back]
 * @param {any} props.children
 */
export function Page({ title, lead, actions, back, children }) {
  return html`<div class="page">
    ${back && html`<a class="back" href=${back.href}><${Icon} name="back" />${back.label}</a>`}
    <div class="page-head">
      <div class="page-title">
        <h1 tabindex="-1" id="page-title">${title}</h1>
        ${lead && html`<div class="lead">${lead}</div>`}
      </div>
      ${actions && html`<div class="actions">${actions}</div>`}
    </div>
    ${children}
  </div>`;
}

/** A titled section of a page. @param {{ title: any, note?: any, actions?: any, children: any, id?: string }} props */
export function Section({ title, note, actions, children, id }) {
  return html`<section class="section" id=${id}>
    <div class="section-head">
      <h2>${title}</h2>
      ${actions && html`<div class="actions">${actions}</div>`}
    </div>
    ${note && html`<p class="muted section-note">${note}</p>`}
    ${children}
  </section>`;
}

/**
 * Shows that there are no items, and what to do.
 * @param {{ title: string, icon?: string, children?: any, actions?: any }} props
 */
export function Empty({ title, icon, children, actions }) {
  return html`<div class="empty">
    ${icon && html`<${Icon} name=${icon} />`}
    <h2>${title}</h2>
    ${children && html`<div class="empty-text">${children}</div>`}
    ${actions && html`<div class="actions">${actions}</div>`}
  </div>`;
}

/** A list of terms and values; empty ones are left out. @param {{ facts: [any, any][] }} props */
export function Facts({ facts }) {
  const known = facts.filter(([, value]) => value !== null && value !== undefined && value !== '' && value !== false);
  return html`<dl class="facts">
    ${known.map(([term, value]) => html`<div class="fact"><dt>${term}</dt><dd>${value}</dd></div>`)}
  </dl>`;
}
