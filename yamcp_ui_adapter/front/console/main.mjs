/** The console: begins with the State that the page came with, and follows the hub from there. */

import { render } from 'preact';
import { Shell } from './layout.mjs';
import { startRouter } from './router.mjs';
import { connect, take } from './store.mjs';
import { html } from './ui.mjs';

const inlined = JSON.parse(document.getElementById('hub-state')?.textContent || 'null');
if (inlined) take(inlined);
startRouter();
const app = /** @type {HTMLElement} */ (document.getElementById('app'));
render(html`<${Shell} />`, app);
performance.mark('hub:rendered');
connect();
