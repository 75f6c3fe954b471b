// The pages on which a person enters secrets: the form, and what came of it. They need no script. Pure.

import { escaped } from '../http/html.mjs';
import { pageOf } from '../oauth/pages/page.mjs';

/**
 * Return the page with the form.
 * @param {import('../../../bridge/node/types.mjs').SecretQuestion &
 *   {ticket: string, field: string, who: string}} shown  `field`: prefix of the names of fields
 */
export function questionPage({ server, package: what, workspace, secrets, ticket, field, who }) {
  const fields = secrets.map(({ name, description }, index) => {
    const help = description ? `<p class="help" id="help-${index}">${escaped(description)}</p>` : '';
    const described = description ? ` aria-describedby="help-${index}"` : '';
    return `<label for="value-${index}">${escaped(name)}</label>${help}
<input type="password" id="value-${index}" name="${escaped(field + name)}" required autocomplete="off" maxlength="8192"${described} />`;
  });
  const body = `<h1>Secrets for “${escaped(server)}”</h1>
<p>An agent adds or configures this server and needs secrets for it, which the agent must not see.</p>
<dl>
${what ? `<dt>Package</dt><dd><code>${escaped(what)}</code></dd>` : ''}
<dt>Workspace</dt><dd>${escaped(workspace)}</dd>
</dl>
<form method="post" action="/secrets/${escaped(ticket)}">
${fields.join('\n')}
<p class="warn">Continue only if you have just asked an agent for this. The server gets these values.</p>
<button type="submit">Save and continue</button>
</form>
${who ? `<div class="who"><span>Logged in to the hub as <strong>${escaped(who)}</strong></span></div>` : ''}`;
  return pageOf({ title: `Secrets for ${server}`, body });
}

/** Return the page after the form. @param {{server: string}} shown */
export function donePage({ server }) {
  const body = `<h1>Saved</h1>
<p>The hub has the secrets for “${escaped(server)}” and continues. You can close this page and return to the agent.</p>`;
  return pageOf({ title: 'Saved', body });
}

/** Return the page of an error. @param {{message: string, hint: string, code: string}} error */
export function failurePage({ message, hint, code }) {
  const body = `<h1>Not saved</h1>
<p class="error" role="alert">${escaped(message)}</p>
<p>${escaped(hint)} <code>${escaped(code)}</code></p>
<p><a href="/">The hub’s pages</a></p>`;
  return pageOf({ title: 'Not saved', body });
}
