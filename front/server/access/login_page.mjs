// The login page: one document with inline style and no script, so that no other path has to be public. Pure.

import { createHash } from 'node:crypto';
import { documentOf, escaped } from '../http/html.mjs';

/** The style of the login page, and of other pages outside of the console. */
export const STYLE = `
:root { color-scheme: light dark; --bg: light-dark(#f7f5f1, #161513); --card: light-dark(#fffefc, #1f1e1b);
  --line: light-dark(#e2ddd3, #35322d); --edge: light-dark(#8b8478, #7f786c); --ink: light-dark(#1d1c1a, #f1eee8);
  --muted: light-dark(#5f5a50, #aea799); --focus: light-dark(#2f6fc0, #7fb6f0); --bad: light-dark(#a3271d, #ff9f93);
  --bad-soft: light-dark(#fce8e4, #401d19); }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 24px 16px; background: var(--bg);
  color: var(--ink); font: 16px / 1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
main { width: 100%; max-width: 440px; padding: 28px; background: var(--card); border: 1px solid var(--line); border-radius: 12px; }
h1 { margin: 0 0 16px; font-size: 24px; letter-spacing: -0.02em; }
h2 { margin: 24px 0 4px; font-size: 15px; }
p, ul { margin: 0 0 8px; } ul { padding-left: 20px; }
label { display: block; font-weight: 600; margin-bottom: 4px; }
input { width: 100%; min-height: 44px; padding: 8px 12px; font: inherit; color: inherit; background: var(--bg);
  border: 1px solid var(--edge); border-radius: 8px; }
input[aria-invalid] { border-color: var(--bad); }
button, .button { display: block; width: 100%; min-height: 44px; margin-top: 12px; padding: 10px 12px; font: inherit;
  font-weight: 600; text-align: center; text-decoration: none; color: var(--card); background: var(--ink); border: 0;
  border-radius: 8px; cursor: pointer; }
.or { margin: 20px 0; text-align: center; color: var(--muted); }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
code { font: 0.9em ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
.error { padding: 8px 12px; margin-bottom: 16px; color: var(--bad); background: var(--bad-soft); border-radius: 8px; }
.help { color: var(--muted); font-size: 14px; }
`;
const hash = createHash('sha256').update(STYLE).digest('base64');

/** The Content-Security-Policy of the page. */
export const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${hash}'`,
  'img-src data:',
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

/**
 * @typedef {{code: string, message: string, hint: string}} Shown
 * @typedef {{name: string, select: boolean, trouble: Shown | null}} ShownProvider  where users sign in; `select`: the
 *   user is to choose an account; `trouble`: why nobody can sign in there now
 */

/**
 * Return the login page.
 * @param {{next: string, error: Shown | null, provider?: ShownProvider | null}} shown  `next`: where it leads to
 */
export function loginPage({ next, error, provider = null }) {
  const ofToken = error !== null && !error.code.startsWith('OIDC_');
  const invalid = ofToken ? ' aria-invalid="true" aria-describedby="error where"' : ' aria-describedby="where"';
  const focus = provider ? '' : ' autofocus';
  return pageWith(
    'Log in',
    `${error ? alert(error) : ''}
${provider ? signInAt(provider, next, error) : ''}
<form method="post" action="/login">
<input type="hidden" name="next" value="${escaped(next)}" />
<label for="token">Token</label>
<input id="token" name="token" type="password" required maxlength="512" autocomplete="current-password" autocapitalize="none" spellcheck="false"${focus}${invalid} />
<button type="submit">Log in</button>
</form>
<div class="help" id="where">
<h2>Where is the token?</h2>
<ul>
<li>On the machine that runs the hub: <code>hubctl token</code></li>
<li>In a container: <code>docker exec CONTAINER hubctl token</code>, or the link in <code>docker logs CONTAINER</code></li>
<li>Where it was set: in <code>HUB_TOKEN</code>, or the file that <code>HUB_TOKEN_FILE</code> names</li>
</ul>
</div>`,
  );
}

/**
 * Return the page of a user who has logged out of the hub; it leads on to the provider, where the user's session ends.
 * @param {{name: string, url: string}} provider  `url`: of the log-out there
 */
export function loggedOutPage({ name, url }) {
  return pageWith(
    'Logged out',
    `<p>You are logged out of this hub.</p>
<p><a class="button" href="${escaped(url)}">Log out at ${escaped(name)}, too</a></p>
<p class="help">The browser goes there by itself.</p>`,
    `<meta http-equiv="refresh" content="0; url=${escaped(url)}" />`,
  );
}

/** @param {Shown} error */
const alert = ({ code, message, hint }) =>
  `<p class="error" id="error" role="alert">${escaped(message)} ${escaped(hint)} <code>${escaped(code)}</code></p>`;

/** @param {ShownProvider} provider @param {string} next @param {Shown | null} error */
function signInAt({ name, select, trouble }, next, error) {
  const query = new URLSearchParams({ ...(next !== '/' && { next }), ...(select && { select: '1' }) });
  const href = `/login/oidc${query.size ? `?${query}` : ''}`;
  const notice = trouble && trouble.code !== error?.code ? alert(trouble) : '';
  return `${notice}<p><a class="button" href="${escaped(href)}">Sign in with ${escaped(name)}</a></p>
<p class="or">or with the token of the hub or a key</p>`;
}

/** @param {string} title @param {string} content @param {string} [head]  HTML */
const pageWith = (title, content, head) =>
  documentOf({ title, style: STYLE, head, body: `<main>\n<h1>yamcp-hub</h1>\n${content}\n</main>` });
