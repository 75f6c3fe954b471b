/** The page that stands for YAMCP-UI's while that is away: loads what was asked for as soon as it is back. */

import { checkLogin } from '/hub/assets/hub/login.mjs';
import { MendingSocket } from '/hub/assets/hub/socket.mjs';

/** Milliseconds before the page is loaded again; it may have answered and still not be able to. */
const CALM = 500;
let coming = false;

new MendingSocket(`${location.origin.replace(/^http/, 'ws')}/api/hub/live`, {
  opened() {},
  heard(message) {
    const hub = message.state?.hub ?? message.hub;
    if (hub?.yamcp_ui !== 'ok' || coming) return;
    coming = true;
    setTimeout(() => location.reload(), CALM);
  },
  lost() {
    checkLogin();
  },
});
