/**
 * Adds the hub's parts to YAMCP-UI's pages. React may remove and create elements of these pages at any time, so after
 * each change of the page all parts are checked, and missing ones are added.
 */

import { el, icon, setAttribute, setText } from './dom.mjs';
import { logOut } from '/hub/assets/hub/login.mjs';
import { encodeIds } from './ids.mjs';
import { Live } from './live.mjs';
import { Remount } from './remount.mjs';
import { refreshServers } from './servers.mjs';
import { Viewer } from './viewer.mjs';
import { Switches } from './workspaces.mjs';

const CONSOLE_ICON = 'M4 4h16v16H4zM4 9h16M8 13l2 2-2 2M13 17h3';
const LOGOUT_ICON = 'M9 4H4v16h5M16 8l4 4-4 4M20 12H9';
const notice = el('div', { role: 'status', class: 'hub-notice' });
const live = new Live(refresh);
const switches = new Switches(live);
const viewer = new Viewer(live);
const remount = new Remount(live, switches);

function refresh() {
  addLink();
  switches.refresh();
  refreshServers(live);
  viewer.refresh();
  remount.refresh();
  showNotice();
}

/** Add the link to the console, and log-out in a hub that requires login, to each of the page's menus. */
function addLink() {
  for (const menu of document.querySelectorAll('nav')) {
    if (!menu.querySelector('.hub-link')) {
      menu.append(el('a', { href: '/hub/', class: 'hub-link' }, icon(CONSOLE_ICON), 'Hub console'));
    }
    if (live.state?.hub.protected && !menu.querySelector('.hub-logout')) {
      const attributes = { type: 'button', class: 'hub-link hub-logout', onclick: logOut };
      menu.append(el('button', attributes, icon(LOGOUT_ICON), 'Log out'));
    }
  }
}

function showNotice() {
  if (!notice.isConnected) document.body.append(notice);
  const text = troubles().join(' ');
  setText(notice, text);
  setAttribute(notice, 'data-shown', Boolean(text));
}

/** @returns {string[]} */
function troubles() {
  if (live.lost) return ['The connection to the hub is lost; this page may be outdated. It reconnects automatically.'];
  return (live.state?.hub.errors ?? []).map(({ code, message, hint }) => `${code}: ${message} ${hint}`);
}

encodeIds((kind, name) => Boolean(kind === 'servers' ? live.server(name) : live.workspace(name)));
new MutationObserver(refresh).observe(document.body, { childList: true, subtree: true, characterData: true });
refresh();
