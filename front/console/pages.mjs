/** Maps routes to the modules of pages, which are loaded when first shown, or when the browser is idle. */

import { signal } from '@preact/signals';
import { isLeaving } from './hub/login.mjs';
import Workspaces from './pages/workspaces.mjs';

/**
 * @typedef {object} PageEntry
 * @property {string} title
 * @property {string} nav which entry of the navigation it belongs to
 * @property {string} [entry] what that entry is called, if not as the page
 * @property {string} [icon] it has an entry of its own
 * @property {(hub: import('./types.mjs').Hub) => boolean} [when] that entry is there in such a hub only
 * @property {() => Promise<any>} load module whose default export is the page, a component of `{ args, query }`
 * @property {() => Promise<any>} [loadItem] the same for a route with an argument
 */

/** Return whether the page shows the whole hub, not what an owner may see of it. @param {import('./types.mjs').Hub} hub */
function isAdmins({ role }) {
  return role !== 'owner';
}

/** @type {Record<string, PageEntry>} */
export const PAGES = {
  workspaces: {
    title: 'Workspaces',
    nav: 'workspaces',
    icon: 'workspaces',
    load: async () => ({ default: Workspaces }),
    loadItem: () => import('./pages/workspace.mjs'),
  },
  servers: {
    title: 'Servers',
    nav: 'servers',
    icon: 'servers',
    load: () => import('./pages/servers.mjs'),
    loadItem: () => import('./pages/server.mjs'),
  },
  tools: { title: 'Tools', nav: 'tools', icon: 'tools', load: () => import('./pages/tools.mjs') },
  prompts: { title: 'Prompts', nav: 'tools', load: () => import('./pages/prompts.mjs') },
  resources: { title: 'Resources', nav: 'tools', load: () => import('./pages/resources.mjs') },
  catalog: {
    title: 'Catalogue',
    nav: 'catalog',
    icon: 'catalog',
    when: isAdmins,
    load: () => import('./pages/catalog/catalog.mjs'),
    loadItem: () => import('./pages/catalog/entry.mjs'),
  },
  sources: { title: 'Sources', nav: 'catalog', load: () => import('./pages/catalog/sources.mjs') },
  'own-entry': { title: 'Own entry', nav: 'catalog', load: () => import('./pages/catalog/own_entry.mjs') },
  variables: { title: 'Variables', nav: 'catalog', load: () => import('./pages/catalog/variables.mjs') },
  approvals: {
    title: 'Approvals',
    nav: 'approvals',
    icon: 'check',
    when: (hub) => isAdmins(hub) && hub.proposals > 0,
    load: () => import('./pages/catalog/approvals.mjs'),
  },
  trust: {
    title: 'Trust',
    nav: 'trust',
    icon: 'shield',
    when: (hub) => isAdmins(hub) && hub.trust > 0,
    load: () => import('./pages/trust/trust.mjs'),
  },
  sessions: { title: 'Sessions', nav: 'activity', load: () => import('./pages/sessions.mjs') },
  activity: { title: 'Activity', nav: 'activity', icon: 'activity', load: () => import('./pages/activity.mjs') },
  replicas: {
    title: 'Replicas',
    nav: 'replicas',
    icon: 'replicas',
    when: (hub) => isAdmins(hub) && hub.replica !== '',
    load: () => import('./pages/replicas/replicas.mjs'),
  },
  figures: {
    title: 'Metrics',
    nav: 'figures',
    icon: 'figures',
    when: isAdmins,
    load: () => import('./pages/figures.mjs'),
  },
  calls: {
    title: 'Calls',
    entry: 'History',
    nav: 'calls',
    icon: 'history',
    when: isAdmins,
    load: () => import('./pages/history/calls.mjs'),
    loadItem: () => import('./pages/history/call.mjs'),
  },
  usage: { title: 'Usage', nav: 'calls', load: () => import('./pages/history/usage.mjs') },
  changes: { title: 'Changes', nav: 'calls', load: () => import('./pages/history/changes.mjs') },
  'sign-ins': { title: 'Sign-ins', nav: 'calls', load: () => import('./pages/history/sign_ins.mjs') },
  'past-sessions': { title: 'Past sessions', nav: 'calls', load: () => import('./pages/history/past_sessions.mjs') },
  import: {
    title: 'Import',
    nav: 'import',
    icon: 'import',
    when: isAdmins,
    load: () => import('./pages/import.mjs'),
  },
  keys: {
    title: 'Keys',
    nav: 'keys',
    icon: 'key',
    when: ({ protected: guarded, role }) => guarded && role !== 'owner',
    load: () => import('./pages/keys.mjs'),
  },
  grants: { title: 'Grants', nav: 'keys', load: () => import('./pages/access/grants.mjs') },
  access: { title: 'Roles and rules', nav: 'keys', load: () => import('./pages/access/access.mjs') },
  connect: { title: 'Connect', nav: 'workspaces', load: () => import('./pages/connect.mjs') },
  'add-workspace': { title: 'Add a workspace', nav: 'workspaces', load: () => import('./pages/workspace_form.mjs') },
  'edit-workspace': { title: 'Edit', nav: 'workspaces', load: () => import('./pages/workspace_form.mjs') },
  'add-server': { title: 'Add a server', nav: 'servers', load: () => import('./pages/server_form.mjs') },
  'edit-server': { title: 'Edit', nav: 'servers', load: () => import('./pages/server_form.mjs') },
};

const NO_PAGE = { title: 'No such page', nav: '', load: () => import('./pages/none.mjs') };

/** @param {string} page @returns {PageEntry} */
export function pageOf(page) {
  return Object.hasOwn(PAGES, page) ? PAGES[page] : NO_PAGE;
}

/** @type {import('@preact/signals').Signal<Map<any, { Page?: any, error?: any }>>} */
const modules = signal(new Map());
/** @type {Set<any>} */
const requested = new Set();

/**
 * Return the component of a page; null while it is being loaded.
 *
 * @param {string} page
 * @param {boolean} item whether the route has an argument
 */
export function loaded(page, item) {
  const entry = pageOf(page);
  const load = (item && entry.loadItem) || entry.load;
  if (page === 'workspaces' && !item) return { Page: Workspaces };
  const module = modules.value.get(load);
  if (!module) queueMicrotask(() => fetchModule(load));
  return module ?? null;
}

/**
 * Load the pages that were not shown yet, one after the other, when the browser is idle. At one that cannot be loaded it
 * ends: the hub is away, and the next connection to it begins again.
 */
export function prefetch() {
  const loads = Object.values(PAGES).flatMap((entry) => [entry.load, ...(entry.loadItem ? [entry.loadItem] : [])]);
  const idle = globalThis.requestIdleCallback ?? ((/** @type {() => void} */ run) => setTimeout(run, 200));
  idle(async () => {
    for (const load of loads) if (isLeaving() || !(await fetchModule(load, true))) return;
  });
}

/**
 * Load a module; resolves to whether it is there, or on its way. The error of one that is loaded ahead is not shown.
 *
 * @param {() => Promise<any>} load
 * @param {boolean} [ahead]
 */
async function fetchModule(load, ahead = false) {
  if (requested.has(load)) return true;
  requested.add(load);
  /** @type {{ Page?: any, error?: any }} */
  const found = await load().then((module) => ({ Page: module.default }), loadError);
  if (found.error) requested.delete(load);
  if (!found.error || !ahead) modules.value = new Map(modules.value).set(load, found);
  return !found.error;
}

/** @param {Error} error */
function loadError(error) {
  const hint = 'Reload the page; the hub may have been replaced by another version while it was open.';
  return { error: { code: 'PAGE_NOT_LOADED', message: `This page could not be loaded: ${error.message}`, hint } };
}
