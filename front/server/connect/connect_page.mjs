// The pages of signing in at a remote server: the question before, and what came of it. Pure.

import { escaped } from '../http/html.mjs';
import { pageOf } from '../oauth/pages/page.mjs';

/**
 * Return the page that says where the browser is about to be sent, and why. Nothing happens without the click.
 * @param {import('../../../bridge/node/types.mjs').UpstreamSignInBegun & {who: string}} shown
 */
export function askPage({ server, url, issuer, mode, scopes, who }) {
  const whom =
    mode === 'shared'
      ? 'All users of this hub will use the server with your account there.'
      : 'Only you will use it with your account there.';
  const asked = scopes.length > 0 ? `<dt>It asks for</dt><dd>${escaped(scopes.join(' '))}</dd>` : '';
  const body = `<h1>Sign in at “${escaped(server)}”</h1>
<p>The hub needs an access token for this MCP server. ${whom}</p>
<dl>
<dt>You will be sent to</dt><dd><strong>${escaped(new URL(url).host)}</strong></dd>
<dt>Authorization server</dt><dd><code>${escaped(issuer)}</code></dd>
${asked}
</dl>
<p class="warn">Continue only if you want to use this server yourself. If somebody else sent you this link, close the page.</p>
<p><a class="button" rel="noreferrer" href="${escaped(url)}">Continue to ${escaped(new URL(url).host)}</a></p>
${who ? `<div class="who"><span>Logged in to the hub as <strong>${escaped(who)}</strong></span></div>` : ''}`;
  return pageOf({ title: `Sign in at ${server}`, body });
}

/**
 * Return the page after a sign-in.
 * @param {{server: string, mode: 'user' | 'shared', admin: boolean, known: boolean}} shown  `known`: there is a login
 */
export function donePage({ server, mode, admin, known }) {
  const links = [
    known && '<a href="/account">Your account</a>',
    admin && '<a href="/hub/">The hub’s console</a>',
  ].filter(Boolean);
  const body = `<h1>Signed in at “${escaped(server)}”</h1>
<p>${mode === 'shared' ? 'The hub uses the server for all its users now.' : 'The hub uses the server in your name now.'}
A call that waited for this continues. You can close this page.</p>
<p>${links.join(' · ')}</p>`;
  return pageOf({ title: 'Signed in', body });
}

/**
 * Return the page of an error.
 * @param {{message: string, hint: string, code: string}} error
 */
export function failurePage({ message, hint, code }) {
  const body = `<h1>Not signed in</h1>
<p class="error" role="alert">${escaped(message)}</p>
<p>${escaped(hint)} <code>${escaped(code)}</code></p>
<p><a href="/">The hub’s pages</a></p>`;
  return pageOf({ title: 'Not signed in', body });
}
