/**
 * The console: begins with the State that the page came with, and follows the hub from there.
 *
 * What is loaded before the first render imports the parts that it needs from ui/, not all of them from ui.mjs.
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
