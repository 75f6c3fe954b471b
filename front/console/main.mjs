/**
 * Starts the console with the State in the page, and follows the hub from there.
 *
 * Modules that are loaded before the first render import single parts of ui/, not ui.mjs with all of them.
 */

import { render } from 'preact';
import { Shell } from './layout.mjs';
import { startRouter } from './router.mjs';
import { connect, live, take } from './hub/store.mjs';
import { html } from './ui/html.mjs';

const inlined = JSON.parse(document.getElementById('hub-state')?.textContent || 'null');
if (inlined) take(inlined);
startRouter();
const app = /** @type {HTMLElement} */ (document.getElementById('app'));
app.replaceChildren(); // what the hub rendered: it looks the same, but no click would have done anything
app.inert = false;
render(html`<${Shell} />`, app);
delete document.documentElement.dataset.elsewhere;
performance.mark('hub:rendered');
connect();
import('./hub/announcer.mjs').then(({ startAnnouncer }) => startAnnouncer(live), console.error);
addEventListener('online', live.retry);
document.addEventListener('visibilitychange', live.retry);
