/** Icons, 20 by 20, with strokes in the text's colour. They are decorative only. */

import { html } from './html.mjs';

/** @type {Record<string, string>} */
const PATHS = {
  workspaces: 'M3 6.5 10 3l7 3.5-7 3.5zM3 10l7 3.5 7-3.5M3 13.5 10 17l7-3.5',
  servers: 'M3.5 3.5h13v5h-13zM3.5 11.5h13v5h-13zM6.5 6h.01M6.5 14h.01',
  replicas: 'M7.5 3.500h5v4h-5zM3 12.500h5v4H3zM12 12.500h5v4h-5zM10 7.500v2.500M5.500 12.500V10h9v2.500',
  catalog:
    'M3.500 4.500h5.500v5.500h-5.500zM11 4.500h5.500v5.500H11zM3.500 12h5.500v4.500h-5.500zM13.800 12v4.500M11.500 14.200H16',
  tools: 'M12.2 6.2a3.6 3.6 0 0 1 4.6-3.1l-2.3 2.3.1 1.8 1.8.1 2.3-2.3M12.2 6.2 3.4 15a1.6 1.6 0 0 0 2.3 2.3l8.6-8.6',
  shield: 'M10 2.500 16 5v5c0 3.500-2.500 6-6 7.500C6.500 16 4 13.500 4 10V5zM7.500 10l2 2 3.500-4',
  activity: 'M2.5 10.5h3.2L8 4.5l4 11 2.3-5h3.2',
  figures: 'M3.5 16.5h13M5.5 13v-3M10 13V4.5M14.500 13V7.5',
  history: 'M4 10a6 6 0 1 1 1.800 4.300L4 12.500M4 16.500v-4h4M10 6.500v3.500l2.500 1.800',
  import: 'M10 3v9M6.500 8.800 10 12.300l3.500-3.500M3.500 13.500v3h13v-3',
  key: 'M7 9.500a3.500 3.500 0 1 0 0 7 3.500 3.500 0 0 0 0-7M9.500 10.500l7-7M13 7l2.500 2.500M11 9l2 2',
  copy: 'M7.500 7.500h9v9h-9zM4.500 12.500h-1v-9h9v1',
  check: 'm4 10.500 4 4 8-9',
  close: 'm5 5 10 10M15 5 5 15',
  plus: 'M10 4v12M4 10h12',
  edit: 'm3.500 16.500.8-3.500 9-9 2.700 2.700-9 9zM11.500 5.800l2.700 2.700',
  trash: 'M4 5.500h12M8 5.500v-2h4v2M5.500 5.500l.7 11h7.600l.7-11M8.500 9v4.500M11.500 9v4.500',
  restart: 'M16 10a6 6 0 1 1-1.800-4.300L16 7.500M16 3.500v4h-4',
  warn: 'M10 3 2.500 16.500h15zM10 8.500v3.500M10 14.200v.01',
  info: 'M10 2.800a7.200 7.200 0 1 0 0 14.400 7.200 7.200 0 0 0 0-14.400M10 9.300v4.200M10 6.500v.01',
  up: 'm5 12.500 5-5 5 5',
  down: 'm5 7.500 5 5 5-5',
  next: 'm7.500 5 5 5-5 5',
  back: 'm12.500 5-5 5 5 5',
  sun: 'M10 6.500a3.500 3.500 0 1 0 0 7 3.500 3.500 0 0 0 0-7M10 2v1.500M10 16.500V18M2 10h1.500M16.500 10H18M4.300 4.300l1.100 1.100M14.600 14.600l1.100 1.100M15.700 4.300l-1.100 1.100M5.400 14.600l-1.100 1.100',
  moon: 'M16.500 11.800A7 7 0 0 1 8.200 3.500a7 7 0 1 0 8.300 8.300',
  auto: 'M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14M10 3v14M12 5.500h2.500M12 9h4.500M12 12.500h3.500',
  search: 'M8.800 3.500a5.300 5.300 0 1 0 0 10.600 5.300 5.300 0 0 0 0-10.600M12.700 12.700l4 4',
  play: 'M6 4v12l10-6z',
  pause: 'M7 4.500v11M13 4.500v11',
};

/** @param {{ name: string }} props */
export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 20 20" width="20" height="20" aria-hidden="true" focusable="false">
    <path d=${PATHS[name] ?? ''} />
  </svg>`;
}

/** The hub's logo. */
export function Mark() {
  return html`<svg class="mark" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true" focusable="false">
    <path d="M16 16 8.500 9.500M16 16l8-5M16 16l-5.500 8.500M16 16l7.500 7" />
    <circle class="mark-hub" cx="16" cy="16" r="4.200" />
    <circle cx="8" cy="9" r="2.600" />
    <circle cx="24.500" cy="10.600" r="2.600" />
    <circle cx="10" cy="25" r="2.600" />
    <circle cx="24" cy="23.400" r="2.600" />
  </svg>`;
}
