/** Links among the pages about what can be installed, and what it is given. */

import { href } from '../../router.mjs';
import { html } from '../../ui/html.mjs';
import { Subnav } from '../../ui/subnav.mjs';

const PAGES = [
  { page: 'catalog', title: 'Catalogue' },
  { page: 'sources', title: 'Sources' },
  { page: 'variables', title: 'Variables' },
  { page: 'approvals', title: 'Approvals' },
];

/** @param {{ current: string }} props  the page on which it is */
export function CatalogNav({ current }) {
  const links = PAGES.map(({ page, title }) => ({ href: href(page), title, current: page === current }));
  return html`<${Subnav} label="Catalogue, sources, variables and approvals" links=${links} />`;
}
