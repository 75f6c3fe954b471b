// A classic script, at the end of the page /account (front/server/oauth/account_page.mjs): requests what the page shows.
{
  const place = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));

  /** Make an element with text and children. @param {string} tag @param {...(string | Node)} content */
  const element = (tag, ...content) => {
    const made = document.createElement(tag);
    made.append(...content);
    return made;
  };

  /** @param {string} method @param {string} path */
  const ask = async (method, path) => {
    const answer = await fetch(path, { method });
    if (answer.status === 401) location.replace('/login?next=%2Faccount&again=1');
    const body = await answer.json();
    if (!answer.ok) throw new Error(`${body.error} ${body.hint}`);
    return body;
  };

  /** @param {unknown} error */
  const showError = (error) => {
    place('error').textContent = error instanceof Error ? error.message : String(error);
    place('error').hidden = false;
  };

  /** @param {number | null} at  Unix time */
  const when = (at) => (at === null ? 'never' : new Date(at * 1000).toLocaleString());

  /** @param {string} id  of a list @param {HTMLElement[]} items @param {string} none */
  const fill = (id, items, none) => {
    place(id).removeAttribute('aria-busy');
    place(id).replaceChildren(...(items.length > 0 ? items : [element('li', none)]));
  };

  /** @param {{name: string, http_url: string, sse_url: string}} workspace */
  const workspaceItem = ({ name, http_url: http, sse_url: sse }) => {
    const urls = [http, sse].map((url) => element('div', element('code', url)));
    return element('li', element('strong', name), ...urls);
  };

  /** @param {any} grant  `Grant` of bridge/node/types.d.mts */
  const grantItem = (grant) => {
    const name = grant.client_name || grant.client;
    const button = element('button', 'End access');
    button.className = 'plain small';
    button.setAttribute('aria-label', `End access of ${name}`);
    button.onclick = () => ask('DELETE', `/api/account/grants/${grant.id}`).then(show).catch(showError);
    const row = element('div', element('strong', name), button);
    row.className = 'row';
    const facts = `Workspace ${grant.workspace} · sent to ${grant.redirect_host} · allowed ${when(grant.at)} · last used ${when(grant.last_used)}`;
    const help = element('div', facts);
    help.className = 'help';
    return element('li', row, help);
  };

  /** @param {any} signIn  `UpstreamSignIn` of bridge/node/types.d.mts */
  const serverItem = (signIn) => {
    const { server, signed_in: signedIn, issuer, since, reason } = signIn;
    const link = document.createElement('a');
    link.href = `/connect/${encodeURIComponent(server)}`;
    link.textContent = signedIn ? 'Sign in again' : 'Sign in';
    const row = element('div', element('strong', server), link);
    if (signedIn) {
      const button = element('button', 'Sign out');
      button.className = 'plain small';
      button.setAttribute('aria-label', `Sign out at ${server}`);
      const path = `/api/account/sign-ins?${new URLSearchParams({ server })}`;
      button.onclick = () => ask('DELETE', path).then(show).catch(showError);
      row.append(button);
    }
    row.className = 'row';
    const facts = signedIn ? `Signed in ${when(since)} at ${issuer}` : (reason?.message ?? 'Not signed in.');
    const help = element('div', facts);
    help.className = 'help';
    return element('li', row, help);
  };

  const show = async () => {
    const { id, name, email, role, by, admin, workspaces, grants } = await ask('GET', '/api/account');
    place('name').textContent = email && email !== name ? `${name} (${email})` : name;
    place('by').textContent = `, by ${by}`;
    place('role').hidden = role !== null || !/^u/.test(id);
    place('console').hidden = !admin && role !== 'owner';
    fill('workspaces', workspaces.map(workspaceItem), 'None. An administrator of the hub can give you access.');
    fill('grants', grants.map(grantItem), 'None.');
    const { sign_ins: signIns } = await ask('GET', '/api/account/sign-ins');
    const own = signIns.filter((/** @type {any} */ each) => each.mode === 'user' || admin);
    place('servers-section').hidden = own.length === 0;
    fill('servers', own.map(serverItem), 'None.');
  };

  show().catch(showError);
}
