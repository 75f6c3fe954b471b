/** The sign-in at a remote server with `sign_in`, on the server's page: who is signed in, and buttons. */

import { useEffect, useState } from 'preact/hooks';
import { api } from '../../hub/store.mjs';
import { Button, html, Notice, Section, Time, toast } from '../../ui.mjs';
import { displayName } from '../../words.mjs';

/**
 * @typedef {import('../../types.mjs').Server} Server
 * @typedef {import('../../../../bridge/node/types.mjs').UpstreamSignIn} UpstreamSignIn
 */

/** @param {{ server: Server }} props */
export function SignIn({ server: { key, settings, state } }) {
  const [own, setOwn] = useState(/** @type {UpstreamSignIn | null} */ (null));
  const mode = settings.sign_in;
  const load = async () => {
    const { sign_ins: all } = await api.get('/api/account/sign-ins');
    setOwn(all.find((/** @type {UpstreamSignIn} */ each) => each.server === key) ?? null);
  };
  useEffect(() => {
    if (mode && mode !== 'none') load().catch(() => setOwn(null));
  }, [key, mode, state]);
  if (!mode || mode === 'none') return null;
  const signOut = async () => {
    await api.del('/api/account/sign-ins', { server: key });
    toast(`Signed out at ${displayName(key)}`);
    await load();
  };
  const whom =
    mode === 'shared'
      ? 'All users use the server with this sign-in.'
      : 'Each user signs in at /account, or by the link in the error of a call.';
  return html`<${Section} title="Sign-in at the server" note=${whom}>
    ${own?.reason && html`<${Notice} error=${own.reason} tone="warn" quiet />`}
    <div class="row">
      ${own?.signed_in && html`<span>Signed in at <code class="break">${own.issuer}</code> since <${Time} at=${own.since} plain />.</span>`}
      <${Button} href=${`/connect/${encodeURIComponent(key)}`}>${own?.signed_in ? 'Sign in again' : 'Sign in'}</${Button}>
      ${own?.signed_in && html`<${Button} onClick=${signOut}>Sign out</${Button}>`}
    </div>
  </${Section}>`;
}
