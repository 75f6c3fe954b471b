/** Shows who is signed in, and by what; nothing until it is known. */

import { useEffect, useState } from 'preact/hooks';
import { html } from './ui/html.mjs';
import { visible } from './visible.mjs';

/** @typedef {{name: string, email: string, by: string}} Identity */

/** The line below the navigation of a protected hub. */
export function SignedIn() {
  const [identity, setIdentity] = useState(/** @type {Identity | null} */ (null));
  useEffect(() => {
    self().then(setIdentity);
  }, []);
  if (!identity) return null;
  const { name, email, by } = identity;
  return html`<p class="version" title=${email || undefined}>Signed in as ${visible(name)}, by ${visible(by)}</p>`;
}

/** @returns {Promise<Identity | null>} */
async function self() {
  try {
    const answer = await fetch('/api/account/self', { credentials: 'same-origin' });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null; // the hub is away; the page says so
  }
}
