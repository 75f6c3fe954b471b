/** The frame of the stand-in: menus, addresses, and the small pages. */

import { get, h, show } from './dom.mjs';
import { page } from './parts.mjs';
import { serversPage } from './servers.mjs';
import { workspacesPage } from './workspaces.mjs';

async function dashboardPage() {
  const { totalServers, activeServers, totalWorkspaces, activeWorkspaces, issues } = await get('/api/stats');
  if (location.pathname !== '/') return;
  const uptime = `${totalServers ? Math.round((activeServers / totalServers) * 100) : 0}% uptime`;
  const cards = [
    ['Total Servers', totalServers, `${activeServers} active`],
    ['Active Servers', activeServers, uptime],
    ['Workspaces', totalWorkspaces, `${activeWorkspaces} active`],
    ['Issues', issues, issues ? 'Needs attention' : 'All systems operational'],
  ].map(([title, figure, note]) =>
    h('div', {}, h('h3', {}, title), h('div', {}, h('div', {}, String(figure)), h('p', {}, note))),
  );
  show(h('div', {}, h('h1', {}, 'Dashboard')), ...cards);
}

async function logsPage() {
  const [records, files] = await Promise.all([get('/api/logs'), get('/api/log-files')]);
  if (location.pathname !== '/logs') return;
  const refresh = h('button', { onclick: logsPage }, 'Refresh');
  const lines = records.map((/** @type {any} */ { level, server, message }) =>
    h('div', {}, h('div', {}, level), h('div', {}, h('span', {}, server), h('p', {}, message))),
  );
  const links = files.map((/** @type {any} */ { name }) => h('div', {}, name));
  const count = `Recent server events and error messages (${records.length} entries)`;
  const cards = page(
    'Logs',
    'View server logs and system events',
    [refresh],
    count,
    h('div', {}, ...lines),
    'System Logs',
  );
  show(...cards, h('div', {}, h('h3', {}, 'Log Files'), ...links));
}

const settingsPage = () => show(...page('Settings', 'Manage your application preferences', [], ''));

/** @type {Record<string, [string, () => void]>} */
const PAGES = {
  '/': ['Dashboard', dashboardPage],
  '/servers': ['Servers', serversPage],
  '/workspaces': ['Workspaces', workspacesPage],
  '/logs': ['Logs', logsPage],
  '/settings': ['Settings', settingsPage],
};

let shown = '';

/** Show the page of the address; one that is shown already stays as it is, as with a router of React's. */
function route() {
  if (location.pathname === shown) return;
  shown = location.pathname;
  show();
  PAGES[shown]?.[1]();
}

const picture = () => document.createElementNS('http://www.w3.org/2000/svg', 'svg');

function menu() {
  const follow = (/** @type {Event} */ event, /** @type {string} */ path) => {
    event.preventDefault();
    history.pushState(null, '', path);
    route();
  };
  const link = (/** @type {[string, [string, unknown]]} */ [path, [title]]) =>
    h('a', { href: path, onclick: (/** @type {Event} */ event) => follow(event, path) }, picture(), title);
  const links = Object.entries(PAGES).map(link);
  return [h('h1', {}, 'YAMCP'), h('nav', {}, ...links.slice(0, 4)), h('div', {}, links[4])];
}

const dark = matchMedia('(prefers-color-scheme: dark)').matches;
document.documentElement.classList.add(dark ? 'dark' : 'light');
const root = /** @type {HTMLElement} */ (document.getElementById('root'));
root.append(
  h(
    'div',
    {},
    h('aside', { class: 'mobile' }, ...menu()),
    h('aside', {}, ...menu()),
    h('div', {}, h('main', {}, h('div', {}))),
  ),
);
window.addEventListener('popstate', route);
route();
