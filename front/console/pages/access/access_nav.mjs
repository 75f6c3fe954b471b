/** Links among the pages about who may use the hub. */

import { href } from '../../router.mjs';
import { html } from '../../ui/html.mjs';
import { Subnav } from '../../ui/subnav.mjs';

const PAGES = [
  { page: 'keys', title: 'Keys' },
  { page: 'grants', title: 'Grants' },
  { page: 'access', title: 'Roles and rules' },
];

/** @param {{ current: string }} props  the page on which it is */
export function AccessNav({ current }) {
  const links = PAGES.map(({ page, title }) => ({ href: href(page), title, current: page === current }));
  return html`<${Subnav} label="Keys, grants and rules" links=${links} />`;
}
