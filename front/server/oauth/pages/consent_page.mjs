// The page that asks a user whether a client may use a workspace, and the page of an error that the user has to be told.
// All that comes from the client is untrusted, and shown as text. Pure.

import { escaped } from '../../http/html.mjs';
import { pageOf } from './page.mjs';
import { isLocal, redirectHost } from '../clients/redirect_uris.mjs';

/**
 * @typedef {object} Question
 * @property {import('../clients/client_metadata.mjs').Client} client
 * @property {string} redirectUri
 * @property {readonly string[]} workspaces  names; more than one: the user chooses
 * @property {string} who  name of the principal that is signed in
 * @property {string} ticket  one-time value that the form sends back
 * @property {string} again  path of the same question after another login
 */

/** Puts the page's secret of the login into the form; without it, the user logs in once more. */
const SCRIPT = `
{
  const stored = (() => { try { return localStorage.getItem('hub-page'); } catch { return null; } })();
  const form = document.forms.consent;
  form.elements.hub_page.value = stored ?? '';
  for (const button of form.querySelectorAll('button')) button.disabled = false;
  if (!stored) location.replace(document.getElementById('switch').href);
}
`;

/** Return the page. @param {Question} question @returns {{html: string, policy: string}} */
export function consentPage({ client, redirectUri, workspaces, who, ticket, again }) {
  const name = client.name || 'An application without a name';
  const body = `<h1>Allow access?</h1>
<p><strong>“${escaped(name)}”</strong> asks to use this hub in your name.</p>
<form method="post" action="/oauth/consent" name="consent">
<input type="hidden" name="ticket" value="${escaped(ticket)}" />
<input type="hidden" name="hub_page" value="" />
<dl>
<dt>Workspace</dt><dd>${workspaceField(workspaces)}</dd>
<dt>What it may do</dt><dd>List, read and call everything that you may use in this workspace, until you end its access.</dd>
<dt>You will be sent to</dt><dd><strong>${escaped(redirectHost(redirectUri))}</strong>${isLocal(redirectUri) ? ' (a program on your own computer)' : ''}</dd>
<dt>It identifies itself as</dt><dd>${identity(client)}</dd>
</dl>
<p class="warn">The hub cannot verify the name. Allow access only if you have just started to connect this application yourself.</p>
<noscript><p class="error">This page needs JavaScript.</p></noscript>
<button type="submit" name="decision" value="approve" disabled>Allow</button>
<button type="submit" name="decision" value="deny" class="plain" disabled>Deny</button>
</form>
<div class="who"><span>Signed in as <strong>${escaped(who)}</strong></span><a id="switch" href="${escaped(again)}">Sign in as somebody else</a></div>`;
  return pageOf({ title: 'Allow access?', body, script: SCRIPT, formAction: formActionOf(redirectUri) });
}

/** @param {readonly string[]} workspaces */
function workspaceField(workspaces) {
  if (workspaces.length === 1) return `<strong>${escaped(workspaces[0])}</strong>`;
  const options = workspaces.map((name) => `<option>${escaped(name)}</option>`).join('');
  return `<select name="workspace" aria-label="Workspace">${options}</select>`;
}

/** @param {import('../clients/client_metadata.mjs').Client} client */
function identity({ id, uri }) {
  if (/^https?:/.test(id)) return `<code>${escaped(id)}</code>`;
  return uri ? `${escaped(new URL(uri).host)} (not verified)` : 'an application that registered itself';
}

/**
 * Return the sources of `form-action`, which browsers apply to the redirect after the form, too, and to those that
 * follow it: to an application, its scheme.
 * @param {string} redirectUri
 */
function formActionOf(redirectUri) {
  const { protocol } = new URL(redirectUri);
  return /^https?:$/.test(protocol) ? 'https: http:' : protocol;
}

/**
 * Return the page of an error that is not sent to a client, because it may not be the one that it claims to be.
 * @param {{title: string, message: string, hint: string, code: string}} error
 */
export function errorPage({ title, message, hint, code }) {
  const body = `<h1>${escaped(title)}</h1>
<p class="error" role="alert">${escaped(message)} <code>${escaped(code)}</code></p>
<p class="help">${escaped(hint)}</p>`;
  return pageOf({ title, body });
}
