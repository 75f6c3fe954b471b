/** A hub as people run it, whose users sign in at a real provider: with its adapter and journal, across restarts. */

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort, mock } from '../support/hub.mjs';
import { CLIENT, RealProvider } from '../support/oidc_provider.mjs';
import { runHub } from '../support/run.mjs';
import { Visitor } from '../support/visitor.mjs';

const LIMIT = { timeout: 180_000 };
const LOOK = 50; // ms
const TOKEN = 'the-token-of-a-hub-with-users-0123456789';
/** @type {RealProvider} */
let provider;
/** @type {import('../support/run.mjs').Run} */
let hub;

before(async () => {
  const [port, own] = [await freePort(), await freePort()];
  provider = new RealProvider(port, `http://127.0.0.1:${own}`);
  await provider.start();
  hub = await runHub({
    providers: { a: mock('a') },
    workspaces: { alpha: ['a'] },
    env: {
      HUB_PORT: String(own),
      HUB_TOKEN: TOKEN,
      HUB_OIDC_ISSUER: provider.issuer,
      HUB_OIDC_CLIENT_ID: CLIENT.id,
      HUB_OIDC_CLIENT_SECRET: CLIENT.secret,
    },
  });
  const roles = [{ subject: 'group:dev', role: 'admin' }];
  writeFileSync(join(hub.env.HUB_DATA_DIR, 'access.json'), JSON.stringify({ version: 1, roles }));
}, LIMIT);
after(async () => {
  try {
    await hub?.stop();
  } finally {
    await provider?.stop();
  }
}, LIMIT);

/** @param {number} pid */
function environmentOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8');
  } catch {
    return ''; // it has ended
  }
}

/** @param {Visitor} visitor @param {string} secret */
async function status(visitor, secret) {
  const headers = { accept: 'application/json', 'x-hub-page': secret, 'sec-fetch-site': 'same-origin' };
  return (await visitor.ask('GET', `${hub.url}/api/hub/state`, { headers })).status;
}

test('a login lasts over restarts of front and adapter, until the provider ends it', LIMIT, async () => {
  const visitor = new Visitor();
  const { url } = await visitor.open(`${hub.url}/login/oidc?next=/hub/`, (at) => at.includes('hub_page='));
  const [, secret] = /hub_page=([\w-]+)$/.exec(url) ?? ['', ''];
  while ((await status(visitor, secret)) !== 200) await pause(LOOK); // until access.json is applied
  await Promise.all([hub.restart('front'), hub.restart('adapter')]);
  await hub.until((state) => state.hub.adapter === 'ok');
  assert.equal(await status(visitor, secret), 200);
  await provider.endSession(visitor);
  while ((await status(visitor, secret)) !== 401) await pause(LOOK);
  assert.ok(!hub.logs().includes(CLIENT.secret) && !hub.logs().includes(secret));
  const environments = hub.processes().map((line) => environmentOf(Number.parseInt(line, 10)));
  assert.ok(environments.length > 4, 'all processes of the hub');
  assert.equal(environments.filter((text) => text.includes(CLIENT.secret)).length, 0, 'a process has the secret');
});
