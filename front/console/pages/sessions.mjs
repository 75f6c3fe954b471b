/** Shows the clients' sessions of one workspace or of all, and can end them. */

import { useEffect, useRef, useState } from 'preact/hooks';
import { lastRefusal, refusedCount, storeNote, useText } from '../hub/limits.mjs';
import { href, navigate } from '../router.mjs';
import { api, state } from '../hub/store.mjs';
import { Button, Confirm, Empty, Field, html, ItemLink, Notice, Page, Section, Table, Time, toast } from '../ui.mjs';
import { Subnav } from '../ui/subnav.mjs';
import { count, displayName } from '../words.mjs';

/**
 * @typedef {import('../../../bridge/node/types.mjs').Sessions} Sessions
 * @typedef {import('../../../bridge/node/types.mjs').SessionStatus} Session
 * @typedef {import('../../../bridge/node/types.mjs').Sessionless} Sessionless
 * @typedef {import('../../../bridge/node/types.mjs').LimitsState} LimitsState
 * @typedef {import('../../../bridge/node/types.mjs').PrincipalLimits} PrincipalLimits
 */

const FIRST_LIMIT = 100;
const MAX_SESSIONS = 1000;
const REFRESH_MS = 5000; // ms between looks at figures that no event tells of

const LEAD = 'Connected clients, the key that each uses, and the time since when.';

/** @param {{ query: Record<string, string> }} props  `workspace`: only its sessions */
export default function SessionsPage({ query: { workspace } }) {
  const links = [
    { href: href('activity'), title: 'Activity', current: false },
    { href: href('sessions'), title: 'Sessions', current: true },
  ];
  return html`<${Page} title="Sessions" lead=${LEAD} actions=${html`<${Picker} picked=${workspace} />`}>
    <${Subnav} label="Activity and sessions" links=${links} />
    <${SessionList} key=${workspace ?? ''} workspace=${workspace} />
    <${Limits} />
  </${Page}>`;
}

/** @param {{ picked: string|undefined }} props */
function Picker({ picked }) {
  const workspaces = state.value?.workspaces ?? [];
  const all = { value: '', label: 'All workspaces' };
  const values = workspaces.map(({ name }, index) => ({ value: String(index + 1), label: displayName(name) }));
  const at = workspaces.findIndex(({ name }) => name === picked) + 1; // names can be any text, the empty one too
  const go = (/** @type {string} */ value) =>
    navigate('sessions', [], Number(value) ? { workspace: workspaces[Number(value) - 1].name } : {});
  return html`<${Field} label="Workspace" kind="select" value=${at ? String(at) : ''} onInput=${go} options=${[all, ...values]} />`;
}

/** @param {{ workspace: string|undefined }} props */
function SessionList({ workspace }) {
  const [limit, setLimit] = useState(FIRST_LIMIT);
  const { found, error, load } = useSessions(workspace, limit);
  const [ending, setEnding] = useState(/** @type {Session|null} */ (null));
  if (error)
    return html`<${Notice} error=${error}><${Button} icon="restart" onClick=${load}>Try again</${Button}></${Notice}>`;
  if (!found) return html`<p class="muted" aria-busy="true">Loading…</p>`;
  const { sessions, sessionless, total } = found;
  return html`
    ${
      sessions.length > 0
        ? html`<${SessionTable} sessions=${sessions} everywhere=${workspace === undefined} onEnd=${setEnding} />`
        : html`<${Empty} icon="activity" title="No client has a session"><p>Clients that connect are listed here. Modern clients over Streamable HTTP have no session.</p></${Empty}>`
    }
    ${total > sessions.length && html`<p class="muted after">The newest ${count(sessions.length, 'session')} of ${total.toLocaleString('en')}. ${limit < MAX_SESSIONS && html`<${Button} onClick=${() => setLimit(MAX_SESSIONS)}>Show up to ${MAX_SESSIONS.toLocaleString('en')}</${Button}>`}</p>`}
    ${sessionless.length > 0 && html`<${WithoutSession} uses=${sessionless} />`}
    ${ending && html`<${EndDialog} session=${ending} onClose=${() => setEnding(null)} onEnded=${load} />`}
  `;
}

/**
 * Return the sessions, requested again when clients connect or disconnect, and every few seconds while the page is
 * visible.
 *
 * @param {string|undefined} workspace @param {number} limit
 */
function useSessions(workspace, limit) {
  const [answer, setAnswer] = useState(/** @type {{ found?: Sessions, error?: any }} */ ({}));
  const connected = (state.value?.workspaces ?? []).reduce((sum, { sessions }) => sum + sessions, 0);
  const latestRequest = useRef(0);
  const load = async () => {
    const number = ++latestRequest.current;
    const next = await api.get('/api/hub/sessions', { workspace, limit }).then(
      (found) => ({ found }),
      (error) => ({ error }),
    );
    if (number === latestRequest.current) setAnswer(next); // else it is older than what was asked for since
  };
  useEffect(() => {
    let stopped = false;
    const look = () => {
      if (!stopped && !document.hidden) load();
    };
    look();
    const timer = setInterval(look, REFRESH_MS);
    return () => {
      stopped = true;
      clearInterval(timer);
    };
  }, [workspace, limit, connected]);
  return { ...answer, load };
}

/** Return the name that a client reports. @param {Session} session */
const clientName = ({ client_name, client_version }) => `${client_name} ${client_version}`.trim() || 'Unnamed client';

/** Columns of both tables. @typedef {Session | Sessionless} Use */
const WORKSPACE = {
  id: 'workspace',
  title: 'Workspace',
  cell: (/** @type {Use} */ { workspace }) => html`<${ItemLink} page="workspaces" name=${workspace} />`,
};
const KEY = { id: 'key', title: 'Key', cell: (/** @type {Use} */ { principal }) => principal || '–' };
const LAST_REQUEST = {
  id: 'last',
  title: 'Last request',
  cell: (/** @type {Use} */ { last_request }) => html`<${Time} at=${last_request} />`,
};
const REQUESTS = {
  id: 'requests',
  title: 'Requests',
  align: /** @type {const} */ ('end'),
  cell: (/** @type {Use} */ { requests }) => requests.toLocaleString('en'),
};

/** @param {{ sessions: Session[], everywhere: boolean, onEnd: (session: Session) => void }} props */
function SessionTable({ sessions, everywhere, onEnd }) {
  const columns = [
    {
      id: 'client',
      title: 'Client',
      bare: true,
      cell: (/** @type {Session} */ session) => html`<strong class="break">${clientName(session)}</strong>
        <div class="muted small">${session.resumed && 'resumed after a restart of the hub, '}<code>${session.id}</code></div>`,
    },
    ...(everywhere ? [WORKSPACE] : []),
    {
      id: 'transport',
      title: 'Connection',
      cell: (/** @type {Session} */ session) => html`<${Connection} session=${session} />`,
    },
    KEY,
    { id: 'since', title: 'Since', cell: (/** @type {Session} */ { since }) => html`<${Time} at=${since} />` },
    LAST_REQUEST,
    REQUESTS,
    {
      id: 'actions',
      title: 'Actions',
      hide: true,
      cell: (/** @type {Session} */ session) =>
        html`<${Button} onClick=${() => onEnd(session)} label=${`End the session of ${clientName(session)}, ${session.id}`}>End</${Button}>`,
    },
  ];
  return html`<${Table} label="Sessions" columns=${columns} rows=${sessions} rowKey=${(/** @type {Session} */ { id }) => id} />`;
}

const TRANSPORTS = { sse: 'SSE', http: 'Streamable HTTP' };

/** @param {{ session: Session }} props */
function Connection({ session: { transport, era, protocol_version, capabilities } }) {
  const says = [TRANSPORTS[transport], era && `${era} era`, protocol_version].filter(Boolean).join(', ');
  return html`${says}
    ${capabilities.length > 0 && html`<div class="muted small break">${capabilities.join(', ')}</div>`}`;
}

/** @param {{ uses: Sessionless[] }} props */
function WithoutSession({ uses }) {
  const columns = [
    WORKSPACE,
    KEY,
    LAST_REQUEST,
    REQUESTS,
    {
      id: 'listening',
      title: 'Open streams',
      align: /** @type {const} */ ('end'),
      cell: (/** @type {Sessionless} */ { listening }) => listening.toLocaleString('en'),
    },
  ];
  const note =
    'Modern clients over Streamable HTTP (protocol 2026-07-28) identify themselves in each request, and have no session.';
  return html`<${Section} title="Without a session" note=${note}>
    <${Table} label="Requests without a session" columns=${columns} rows=${uses} rowKey=${(/** @type {Sessionless} */ use) => JSON.stringify([use.workspace, use.principal])} />
  </${Section}>`;
}

/** Show what keys and users have used of their limits; nothing where access.json has none. */
function Limits() {
  const [found, setFound] = useState(/** @type {LimitsState|null} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  useEffect(() => {
    const look = () => {
      if (!document.hidden) api.get('/api/hub/limits').then(setFound, setError);
    };
    look();
    const timer = setInterval(look, REFRESH_MS);
    return () => clearInterval(timer);
  }, []);
  if (!found) return error && html`<${Notice} error=${error} />`;
  if (found.store === 'off') return null;
  const columns = [
    {
      id: 'name',
      title: 'Key or user',
      cell: (/** @type {PrincipalLimits} */ { name }) => html`<strong class="break">${name}</strong>`,
    },
    {
      id: 'uses',
      title: 'Used',
      cell: (/** @type {PrincipalLimits} */ { uses }) =>
        uses.map((use) => html`<div class="break">${useText(use)}</div>`),
    },
    {
      id: 'refused',
      title: 'Refused',
      align: /** @type {const} */ ('end'),
      cell: (/** @type {PrincipalLimits} */ principal) => refusedCount(principal).toLocaleString('en'),
    },
    {
      id: 'last',
      title: 'Last refusal',
      cell: (/** @type {PrincipalLimits} */ principal) =>
        principal.last_refused
          ? html`<${Time} at=${principal.last_refused} /> <div class="muted small break">${lastRefusal(principal)}</div>`
          : '–',
    },
  ];
  return html`<${Section} title="Limits" note=${storeNote(found)}>
    <${Table} label="Limits of keys and users" columns=${columns} rows=${found.principals} rowKey=${(/** @type {PrincipalLimits} */ { id }) => id} />
    ${found.total > found.principals.length && html`<p class="muted after">${count(found.principals.length, 'principal')} of ${found.total.toLocaleString('en')}</p>`}
  </${Section}>`;
}

/** @param {{ session: Session, onClose: () => void, onEnded: () => Promise<void> }} props */
function EndDialog({ session, onClose, onEnded }) {
  const confirm = async () => {
    await api.del('/api/hub/sessions', { id: session.id });
    await onEnded();
    onClose();
    toast(`${clientName(session)}: session ended`);
  };
  return html`<${Confirm} title=${`End the session of ${clientName(session)}?`} action="End session" onConfirm=${confirm} onClose=${onClose}>
    <p>Its requests in progress fail with an error, and its streams are closed. ${session.transport === 'http' ? 'Its next request gets status 404; a client that follows the specification then starts a new session.' : 'Many clients reconnect automatically.'}</p>
    ${session.principal && html`<p>To keep the client out, revoke the key “${session.principal}”.</p>`}
  </${Confirm}>`;
}
