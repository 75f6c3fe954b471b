/** A user allows MCP clients access, in a real browser: login, question, the way back to the client, account, console. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { violations } from '../front/support/axe.mjs';
import { ask } from '../front/support/api.mjs';
import { openBrowser, PHONE } from '../front/support/browser.mjs';
import { mock } from '../front/support/hub.mjs';
import { runHub } from '../front/support/run.mjs';

const LIMIT = { timeout: 180_000 };
const TOKEN = 'the-token-of-a-hub-for-browsers-0123456789';
const VERIFIER = 'v'.repeat(43);
const CHALLENGE = createHash('sha256').update(VERIFIER).digest('base64url');
/** @type {import('../front/support/run.mjs').Run} */
let hub;
/** @type {import('../front/support/browser.mjs').Window} */
let browser;
/** The client, which waits for the user to come back. */
const client = createServer((_, response) =>
  response.end('<!doctype html><title>Back</title><link rel="icon" href="data:,">'),
);
let callback = '';

before(async () => {
  await once(client.listen(0, '127.0.0.1'), 'listening');
  callback = `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (client.address()).port}/callback`;
  hub = await runHub({ providers: { a: mock('a') }, workspaces: { alpha: ['a'] }, env: { HUB_TOKEN: TOKEN } });
  browser = await openBrowser();
}, LIMIT);
after(async () => {
  client.closeAllConnections();
  client.close();
  await browser?.close().finally(() => hub?.stop());
}, LIMIT);

/** Register a client, and return the path of its authorization request. @param {string} name @param {string} [uri] */
async function asks(name, uri = callback) {
  const body = { client_name: name, redirect_uris: [uri] };
  const { client_id: id } = (await ask(hub.url, 'POST', '/oauth/register', { body })).body;
  const proof = { code_challenge: CHALLENGE, code_challenge_method: 'S256', resource: `${hub.url}/mcp/alpha` };
  const query = { client_id: id, redirect_uri: uri, response_type: 'code', state: 's', ...proof };
  return { id, path: `/oauth/authorize?${new URLSearchParams(query)}` };
}

test('login, consent, back to the client; the account and the console show the grant and end it', LIMIT, async () => {
  const visit = await browser.visit(hub.url, { viewport: PHONE });
  visit.expect(/^elsewhere: http:\/\/127\.0\.0\.1:\d+\/callback/);
  const { page } = visit;
  const { id, path } = await asks('An <b>editor</b>');
  await page.goto(path);
  await page.getByLabel('Token').fill(TOKEN);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('heading', { name: 'Allow access?' }).waitFor();
  await page.getByText('“An <b>editor</b>”').waitFor();
  assert.ok(!page.url().includes('hub_page'), 'the secret has left the address');
  assert.deepEqual(await violations(page), []);
  await page.getByRole('button', { name: 'Allow' }).click();
  await page.waitForURL(`${callback}?**`);
  const answer = Object.fromEntries(new URL(page.url()).searchParams);
  assert.deepEqual([answer.state, answer.iss], ['s', hub.url]);
  const redeem = { grant_type: 'authorization_code', code: answer.code, client_id: id, redirect_uri: callback };
  const tokens = await ask(hub.url, 'POST', '/oauth/token', {
    raw: String(new URLSearchParams({ ...redeem, code_verifier: VERIFIER })),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  });
  assert.equal(tokens.status, 200);

  await page.goto('/account');
  await page.getByText(`${hub.url}/mcp/alpha/sse`).waitFor();
  assert.deepEqual(await violations(page), []);
  const end = page.getByRole('button', { name: 'End access of An <b>editor</b>' });
  await end.waitFor();

  await page.goto('/hub/#/grants');
  await page.getByRole('table', { name: 'Grants' }).getByText('An <b>editor</b>').waitFor();
  assert.deepEqual(await violations(page), []);

  await page.goto('/account');
  await end.click();
  await end.waitFor({ state: 'detached' });
  await page.goto('/hub/#/grants');
  await page.getByText('No grants').waitFor();
  await visit.end();
});

test('deny; and a browser that lacks the secret of its page logs in once more', LIMIT, async () => {
  const visit = await browser.visit(hub.url);
  visit.expect(/^elsewhere: http:\/\/127\.0\.0\.1:\d+\/callback/);
  const { page } = visit;
  await page.goto(`/account?token=${TOKEN}`);
  await page.getByRole('strong').getByText('admin').waitFor();
  await page.evaluate(() => localStorage.clear());
  const { path } = await asks('Another');
  await page.goto(path);
  await page.getByLabel('Token').fill(TOKEN);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('button', { name: 'Deny' }).click();
  await page.waitForURL(`${callback}?**`);
  assert.equal(new URL(page.url()).searchParams.get('error'), 'access_denied');
  await visit.end();
});
