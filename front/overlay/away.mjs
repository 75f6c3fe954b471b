/** The page that replaces YAMCP-UI's pages while it is away; loads the requested page when YAMCP-UI is back. */

import { checkLogin } from '/hub/assets/hub/login.mjs';
import { ReconnectingSocket } from '/hub/assets/hub/socket.mjs';

/** Milliseconds before the page is loaded again, because YAMCP-UI may accept connections before it is ready. */
const RELOAD_DELAY_MS = 500;
let coming = false;

new ReconnectingSocket(`${location.origin.replace(/^http/, 'ws')}/api/hub/live`, {
  opened() {},
  received(message) {
    const hub = message.state?.hub ?? message.hub;
    if (hub?.yamcp_ui !== 'ok' || coming) return;
    coming = true;
    setTimeout(() => location.reload(), RELOAD_DELAY_MS);
  },
  lost() {
    checkLogin();
  },
});
