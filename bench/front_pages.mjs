/**
 * Times of the console in a real browser; prints one JSON list of milliseconds, or of objects of them.
 *
 *   node bench/front_pages.mjs toggle URL ROUNDS WORKSPACE   each click: until switch and endpoint are as wanted
 *   node bench/front_pages.mjs render URL ROUNDS             each fresh visit: until the console is rendered, and painted
 */

import { openBrowser } from '../tests/front/support/browser.mjs';

const [what, url, rounds, workspace = ''] = process.argv.slice(2);
const browser = await openBrowser();
try {
  const measure = { toggle, render }[what];
  if (!measure) throw new Error(`there is no measurement ${what}`);
  process.stdout.write(`${JSON.stringify(await measure(Number(rounds)))}\n`);
} finally {
  await browser.close();
}

/** Clicks by turns off and on. @param {number} count */
async function toggle(count) {
  const visit = await browser.visit(url);
  visit.expect(/answer: 404/, /console error: Failed to load resource.*404/); // the endpoint of a workspace that is off
  const { page } = visit;
  await page.goto('/hub/');
  const at = page.getByRole('switch', { name: workspace, exact: true });
  await at.waitFor();
  await page.locator('#app:not([inert])').waitFor(); // the program is there
  const taken = [];
  for (let click = 0; click < count; click += 1) {
    const on = click % 2 === 1;
    const done = page.evaluate(whenDone, { name: workspace, on });
    await page.evaluate('0'); // the watch is in place before the click
    await at.click();
    taken.push({ on, ...(await done) });
  }
  await visit.end();
  return taken;
}

/**
 * Runs in the page: from the next click, the milliseconds until the switch shows `on` as done, and until the endpoint
 * answers accordingly.
 *
 * @param {{name: string, on: boolean}} wanted
 */
async function whenDone({ name, on }) {
  const button = /** @type {Element} */ (document.querySelector(`[role="switch"][aria-label="${CSS.escape(name)}"]`));
  const clicked = new Promise((/** @type {(at: number) => void} */ done) => {
    addEventListener('click', (event) => done(event.timeStamp), { capture: true, once: true });
  });
  const shown = () => button.getAttribute('aria-checked') === String(on) && !button.hasAttribute('aria-busy');
  const began = await clicked;
  const switched = new Promise((/** @type {(at: number) => void} */ done) => {
    new MutationObserver((_, observer) => {
      if (!shown()) return;
      observer.disconnect();
      done(performance.now());
    }).observe(button, { attributes: true });
  });
  const page = await switched;
  for (;;) {
    const stop = new AbortController();
    const accept = 'text/event-stream';
    const { status } = await fetch(`/mcp/${name}/sse`, { signal: stop.signal, headers: { accept } });
    stop.abort();
    if ((status === 200) === on) break;
    await new Promise((next) => setTimeout(next, 5));
  }
  return { page: page - began, endpoint: performance.now() - began };
}

/** Each visit is of a browser profile that never was here. @param {number} count */
async function render(count) {
  const taken = [];
  for (let number = 0; number <= count; number += 1) {
    const visit = await browser.visit(url);
    await visit.page.goto('/hub/');
    const times = await visit.page.evaluate(whenRendered);
    if (number > 0) taken.push(times); // the first one is the browser's
    await visit.end();
  }
  return taken;
}

/** Runs in the page: milliseconds from the start of the navigation, and whether it came with what there is to show. */
async function whenRendered() {
  const entry = (/** @type {string} */ type, /** @type {string} */ name) =>
    new Promise((/** @type {(at: number) => void} */ done) => {
      new PerformanceObserver((list) => {
        const found = list.getEntries().find((each) => each.name === name);
        if (found) done(found.startTime);
      }).observe({ type, buffered: true });
    });
  const painted = await entry('paint', 'first-contentful-paint');
  const rendered = await entry('mark', 'hub:rendered');
  const sent = new DOMParser().parseFromString(await (await fetch(location.pathname)).text(), 'text/html');
  const switches = sent.querySelectorAll('main [role="switch"]').length;
  return { rendered, painted, switches };
}
