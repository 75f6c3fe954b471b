/** The frame around every page: name, health, navigation, messages. */

import { effect } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { loaded, PAGES, pageOf, prefetch } from './pages.mjs';
import { logOut } from './hub/login.mjs';
import { href, route } from './router.mjs';
import { connection, live, lostAt, state } from './hub/store.mjs';
import { theme } from './theme_choice.mjs';
import { Button } from './ui/controls.mjs';
import { Choice } from './ui/form.mjs';
import { html } from './ui/html.mjs';
import { Icon, Mark } from './ui/icons.mjs';
import { Notice } from './ui/notice.mjs';
import { announce } from './ui/toast.mjs';
import { Toasts } from './ui/toasts.mjs';
import { visible } from './visible.mjs';
import { clock, displayName, serverState } from './words.mjs';

/** The whole console. */
export function Shell() {
  return html`
    <a class="skip" href="#main" onClick=${skip}>Skip to content</a>
    <div class="frame">
      <header class="side">
        <div class="top">
          <a class="brand" href=${href('workspaces')} aria-label="yamcp-hub, to the workspaces"><${Mark} /><span>yamcp-hub</span></a>
          <${Health} />
        </div>
        <${Navigation} />
        <${Preferences} />
      </header>
      <main id="main" tabindex="-1">
        <${ConnectionLost} />
        <${UnavailableParts} />
        <${CurrentPage} />
      </main>
    </div>
    <${Toasts} />
  `;
}

/** @param {Event} event */
function skip(event) {
  event.preventDefault(); // the hash is the route
  document.getElementById('main')?.focus();
}

function Preferences() {
  const { version, yamcp_ui = 'none', protected: guarded } = state.value?.hub ?? {};
  return html`<div class="prefs">
    ${yamcp_ui !== 'none' && html`<p class="version"><a href="/">YAMCP-UI</a>${yamcp_ui === 'away' && ' (unavailable)'}</p>`}
    <p class="version"><a href="/hub/api">API</a></p>
    ${version && html`<p class="version muted">Version ${version}</p>`}
    <${Choice}
      label="Theme"
      value=${theme.value}
      onChange=${(/** @type {string} */ value) => {
        theme.value = value;
      }}
      options=${['auto', 'light', 'dark'].map((value) => ({ value, label: THEMES[value] }))}
    />
    ${guarded && html`<${SignedIn} /><${Button} onClick=${logOut}>Log out</${Button}>`}
  </div>`;
}

/** Who is signed in, and by what; nothing until it is known. */
function SignedIn() {
  const [identity, setIdentity] = useState(/** @type {{name: string, email: string, by: string} | null} */ (null));
  useEffect(() => {
    self().then(setIdentity);
  }, []);
  if (!identity) return null;
  const { name, email, by } = identity;
  return html`<p class="version" title=${email || undefined}>Signed in as ${visible(name)}, by ${visible(by)}</p>`;
}

async function self() {
  try {
    const answer = await fetch('/api/account/self', { credentials: 'same-origin' });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null; // the hub is away; the page says so
  }
}

/** @param {string} icon @param {string} label */
const themeLabel = (icon, label) => html`<${Icon} name=${icon} /><span class="unseen">${label}</span>`;
/** @type {Record<string, any>} */
const THEMES = {
  auto: themeLabel('auto', 'System'),
  light: themeLabel('sun', 'Light'),
  dark: themeLabel('moon', 'Dark'),
};

function Health() {
  const { tone, text } = health();
  return html`<p class="health health-${tone}"><span class="dot" aria-hidden="true"></span><span>${text}</span></p>`;
}

/** @returns {{ tone: string, text: string }} */
function health() {
  const hub = state.value?.hub;
  if (connection.value === 'lost') return { tone: 'bad', text: 'Not connected' };
  if (!hub || connection.value === 'connecting') return { tone: 'busy', text: 'Connecting' };
  if (hub.sidecar === 'away') return { tone: 'bad', text: 'Sidecar unavailable' };
  if (hub.adapter === 'away') return { tone: 'warn', text: 'Adapter unavailable' };
  return { tone: 'ok', text: 'Connected' };
}

/** Pages that are in the navigation only while something waits there. */
const ALARMING = new Set(['approvals', 'trust']);

function Navigation() {
  const current = pageOf(route.value.page).nav;
  const hub = state.value?.hub;
  const failing = (state.value?.servers ?? []).filter((server) => serverState(server).tone === 'bad').length;
  const waiting = (state.value?.workspaces ?? []).some(({ pending }) => pending > 0);
  const alarms = new Set([...ALARMING, ...(failing > 0 ? ['servers'] : []), ...(waiting ? ['workspaces'] : [])]);
  /** @type {Record<string, any>} */
  const counts = {
    workspaces: state.value?.workspaces.length,
    servers: state.value?.servers.length,
    approvals: hub?.proposals,
    trust: hub?.trust,
  };
  return html`<nav class="nav" aria-label="Main">
    <ul class="plain">
      ${Object.entries(PAGES)
        .filter(([, page]) => page.icon && (!page.when || (hub && page.when(hub))))
        .map(
          ([id, page]) => html`<li key=${id}>
            <a href=${href(id)} aria-current=${current === id ? 'page' : undefined}>
              <${Icon} name=${page.icon} /><span>${page.entry ?? page.title}</span>
              ${counts[id] !== undefined && html`<span class="nav-count" aria-hidden="true">${counts[id]}</span>`}
              ${alarms.has(id) && html`<span class="nav-alarm" aria-hidden="true"></span>`}
            </a>
          </li>`,
        )}
    </ul>
  </nav>`;
}

function ConnectionLost() {
  if (connection.value !== 'lost') return null;
  const of = lostAt.value ? `; this page shows the state of ${clock(lostAt.value)}` : '';
  return html`<div class="banner">
    <${Notice} tone="warn">
      <p><strong>Not connected</strong>${of}. Reconnecting…</p>
      <${Button} onClick=${live.retry}>Reconnect now</${Button}>
    </${Notice}>
  </div>`;
}

/** Shows which parts of the hub are not available. */
function UnavailableParts() {
  const errors = state.value?.hub.errors ?? [];
  if (errors.length === 0) return null;
  return html`<div class="banner stack">
    ${errors.map((error) => html`<${Notice} error=${error} tone="warn" key=${error.code} />`)}
  </div>`;
}

function CurrentPage() {
  const { page, args, query } = route.value;
  const id = [page, ...args].join('/');
  const first = useRef(true);
  const module = loaded(page, args.length > 0);
  useEffect(() => {
    document.title = title(page, args);
    if (!module) return;
    if (first.current) first.current = false;
    else focusHeading();
  }, [id, Boolean(module)]);
  if (!module) return html`<p class="muted loading" aria-busy="true">Loading…</p>`;
  if (module.error)
    // a browser does not retry a module that failed to load
    return html`<${Notice} error=${module.error}><${Button} onClick=${() => location.reload()}>Reload</${Button}></${Notice}>`;
  return html`<${module.Page} key=${id} args=${args} query=${query} />`;
}

function focusHeading() {
  scrollTo(0, 0);
  document.getElementById('page-title')?.focus({ preventScroll: true });
}

/** @param {string} page @param {string[]} args */
function title(page, args) {
  return [args.length > 0 ? visible(displayName(args[0])) : null, pageOf(page).title, 'yamcp-hub']
    .filter(Boolean)
    .join(' · ');
}

effect(() => {
  if (connection.value === 'live') prefetch();
  if (connection.value === 'lost') announce('Not connected to the hub. Reconnecting.');
});
