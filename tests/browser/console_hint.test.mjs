/** The hint that a server offers more with one process for each client, and the button that switches to it. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openBrowser } from '../front/support/browser.mjs';
import { mock } from '../front/support/hub.mjs';
import { McpClient } from '../front/support/mcp.mjs';
import { runHub } from '../front/support/run.mjs';

/** @import {Run} from '../front/support/run.mjs' */
/** @import {Window} from '../front/support/browser.mjs' */

const OPTIONS = { timeout: 180_000 };
const BUTTON = { name: 'Run one process for each client', exact: true };
/** @type {Run} */
let run;
/** @type {Window} */
let browser;

before(async () => {
  const providers = { shy: mock('shy', '--shy'), keen: mock('keen', '--ask-anyway') };
  run = await runHub({ providers, workspaces: { dev: ['shy'], other: ['keen'] } });
  browser = await openBrowser();
});

after(async () => {
  try {
    await browser?.close();
  } finally {
    await run?.stop();
  }
});

test(
  'a hint about client features appears on the open page; its button switches to per_client, and new sessions get more',
  OPTIONS,
  async () => {
    const { page } = await browser.visit(run.url);
    await page.goto('/hub/#/servers/shy');
    await page.getByRole('heading', { level: 1, name: 'shy' }).waitFor();
    assert.equal(await page.getByRole('button', BUTTON).count(), 0);
    const client = await McpClient.connect(`${run.url}/mcp/dev/sse`, {}, { sampling: {} });
    assert.ok(!(await client.tools()).includes('shy_sampling'));
    await page.getByText('To clients with sampling the server offers more: tools sampling.').waitFor();

    await page.getByRole('button', BUTTON).click();
    await page
      .getByRole('status')
      .getByText('shy: runs one process for each client now')
      .waitFor({ state: 'attached' });
    await page.getByRole('button', BUTTON).waitFor({ state: 'detached' });
    assert.ok((await client.untilTools((tools) => tools.includes('shy_sampling'))).includes('shy_echo'));
    await client.close();
  },
);

test(
  'a refused request of a server to its client becomes a hint on its open page, with the same button',
  OPTIONS,
  async () => {
    const { page } = await browser.visit(run.url);
    await page.goto('/hub/#/servers/keen');
    await page.getByRole('heading', { level: 1, name: 'keen' }).waitFor();
    const client = await McpClient.connect(`${run.url}/mcp/other`);
    await assert.rejects(client.call('keen_elicit'), /shared by several clients/);
    await page.getByText('The server asked for elicitation/create').waitFor();
    await page.getByRole('button', BUTTON).click();
    await page.getByRole('button', BUTTON).waitFor({ state: 'detached' });
    await client.close();
  },
);
