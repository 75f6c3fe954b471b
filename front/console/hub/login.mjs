/** A page of a protected hub whose login has ended: to the login page, and back to where it was. */

let leaving = false;
const KEY = 'hub-page'; // as in secret.mjs

/** Subprotocols for the hub's WebSocket: with the page's half of a login among them, if there is one. */
export function protocols() {
  try {
    const secret = globalThis.window?.localStorage.getItem(KEY);
    return secret ? ['yamcp-hub', `hub-page.${secret}`] : [];
  } catch {
    return []; // storage is forbidden
  }
}

/** Whether the page is being left for the login page: nothing more is to be loaded, for it would be refused. */
export const isLeaving = () => leaving;

/** Go to the login page, once. */
export function toLogin() {
  if (leaving) return;
  leaving = true;
  const { pathname, search, hash } = location;
  location.assign(`/login?${new URLSearchParams({ next: pathname + search + hash, again: '1' })}`);
}

/** Find out why the live connection ended, which does not say: if the login has, go and log in. */
export async function checkLogin() {
  try {
    const { status } = await fetch('/api/hub/state', { method: 'HEAD', credentials: 'same-origin' });
    if (status === 401) toLogin();
  } catch {
    // the hub is away: the connection is tried again, and with it this
  }
}

/** End the login of this browser. */
export async function logOut() {
  leaving = true; // what is asked meanwhile, and refused, is not to lead back here
  await fetch('/logout', { method: 'POST', credentials: 'same-origin', redirect: 'manual' }).catch(() => {
    leaving = false;
  });
  if (!leaving) return;
  try {
    localStorage.removeItem(KEY);
  } catch {} // storage is forbidden: nothing is in it
  location.assign('/login');
}
