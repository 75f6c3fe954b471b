// The page /account, for every principal that is signed in: what it may use, and what it has allowed MCP clients. The
// page itself contains no data: its script requests them, with the page's secret of the login.

import { readFileSync } from 'node:fs';
import { FrontError } from '../../errors.mjs';
import { sendPage } from '../answers.mjs';
import { pageOf } from './page.mjs';

const SCRIPT = readFileSync(new URL('../../../console/account.mjs', import.meta.url), 'utf8');
const BODY = `<h1>Your account</h1>
<noscript><p class="error">This page needs JavaScript.</p></noscript>
<p class="error" id="error" role="alert" hidden></p>
<p class="help" id="role" hidden>You have no role in this hub yet. Ask an administrator of the hub for one: it is given in
access.json, to your address or to one of your groups.</p>
<section aria-labelledby="workspaces-title">
<h2 id="workspaces-title">Workspaces that you may use</h2>
<p class="help">Enter a URL in an MCP client; it asks you to sign in.</p>
<ul class="plain" id="workspaces" aria-busy="true"></ul>
</section>
<section aria-labelledby="grants-title">
<h2 id="grants-title">Applications that you have allowed access</h2>
<ul class="plain" id="grants" aria-busy="true"></ul>
</section>
<section aria-labelledby="servers-title" id="servers-section" hidden>
<h2 id="servers-title">Servers at which you sign in</h2>
<ul class="plain" id="servers" aria-busy="true"></ul>
</section>
<div class="who"><span>Signed in as <strong id="name">…</strong><span id="by"></span></span>
<a id="console" href="/hub/" hidden>Console</a>
<form method="post" action="/logout"><button class="plain small">Log out</button></form></div>`;

/** Return the handler of the page. @returns {import('express').Handler} */
export function accountPage() {
  const page = pageOf({ title: 'Your account', body: BODY, script: SCRIPT, wide: true });
  return (request, response) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.set('Allow', 'GET, HEAD');
      throw new FrontError('METHOD_NOT_ALLOWED');
    }
    sendPage(response, 200, page);
  };
}
