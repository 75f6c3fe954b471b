import { style } from '../style.mjs';
import { html } from './html.mjs';

await style('styles/viewers.css');

/**
 * Links to related pages, above their title.
 *
 * @param {{ label: string, links: { href: string, title: string, current: boolean }[] }} props
 */
export function Subnav({ label, links }) {
  return html`<nav class="subnav" aria-label=${label}>
    ${links.map(
      ({ href, title, current }) =>
        html`<a key=${title} href=${href} aria-current=${current ? 'page' : undefined}>${title}</a>`,
    )}
  </nav>`;
}
