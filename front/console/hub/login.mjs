/** Leads a page whose login has ended to the login page, and back afterwards (protected hubs). */

let leaving = false;
const STORAGE_KEY = 'hub-page'; // as in secret.mjs

/** Return the subprotocols for the hub's WebSocket, which include the page's secret if there is one. */
export function protocols() {
  try {
    const secret = globalThis.window?.localStorage.getItem(STORAGE_KEY);
    return secret ? ['yamcp-hub', `hub-page.${secret}`] : [];
  } catch {
    return []; // storage is forbidden
  }
}

/** Return whether the page is being left for the login page, so that nothing more should be loaded. */
export const isLeaving = () => leaving;

/** Go to the login page, once. */
export function toLogin() {
  if (leaving) return;
  leaving = true;
  const { pathname, search, hash } = location;
  location.assign(`/login?${new URLSearchParams({ next: pathname + search + hash, again: '1' })}`);
}

/** Check, after the live connection ended, whether the login has; if so, go to the login page. */
export async function checkLogin() {
  try {
    const { status } = await fetch('/api/hub/state', { method: 'HEAD', credentials: 'same-origin' });
    if (status === 401) toLogin();
  } catch {
    // the hub is away: reconnecting will check again
  }
}

/** Log this browser out, and go on to the login page, or to the log-out page of the provider at which the user signed in. */
export async function logOut() {
  leaving = true; // what is asked meanwhile, and refused, is not to lead back here
  const next = await endLogin();
  leaving = next !== null;
  if (next === null) return;
  try {
    localStorage.removeItem(STORAGE_KEY);
  } catch {} // storage is forbidden: nothing is in it
  location.assign(next);
}

/** End the login; return the URL to go to, null if the hub cannot be reached. */
async function endLogin() {
  try {
    const headers = { accept: 'application/json' };
    const answer = await fetch('/logout', { method: 'POST', credentials: 'same-origin', headers });
    const { next = '/login' } = answer.ok ? await answer.json() : {};
    return String(next);
  } catch {
    return null;
  }
}
