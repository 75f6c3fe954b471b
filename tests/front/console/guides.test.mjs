/** The guides for clients: each has text to paste and its place; tokens are where they belong, and only there. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FILE_CLIENTS } from '../../../front/console/data/clients.mjs';
import { GROUPS, guide } from '../../../front/console/data/guides.mjs';
import { PROGRAMS } from '../../../front/console/data/programs.mjs';

const KEY = `yh_k1a2b3c4_${'x'.repeat(43)}`;
const BASE = 'https://hub.example/it\'s "here"/ü';
const WORKSPACE = { slug: 'my-work', sse_url: `${BASE}/mcp/my-work/sse`, http_url: `${BASE}/mcp/my-work` };
const IDS = GROUPS.flatMap(({ ids }) => ids);

/** @param {string} id @param {import('../../../front/console/data/guides.mjs').TokenOptions} [wanted] */
function of(id, wanted) {
  const found = guide(id, WORKSPACE, wanted);
  assert.ok(found, id);
  return found;
}

test('all clients have a guide, once each; an unknown client has none', () => {
  const known = [...FILE_CLIENTS.map(({ id }) => id), ...Object.keys(PROGRAMS), 'smolagents', 'python', 'typescript'];
  assert.deepEqual([...IDS].sort(), known.sort());
  assert.equal(guide('notepad', WORKSPACE), null);
  assert.equal(guide('constructor', WORKSPACE), null);
});

test('each guide has text to paste; clients with a file have its path and an hubctl command that writes it', () => {
  for (const id of IDS) {
    const { title, text, where, hubctl, writes, variable } = of(id);
    assert.ok(title && /hub\.example/.test(text), id);
    assert.equal(writes, where !== '', id);
    assert.equal(hubctl, ['python', 'typescript'].includes(id) ? '' : `hubctl connect ${id} my-work`);
    assert.equal(variable, '');
    for (const said of [text, JSON.stringify(of(id))]) assert.doesNotMatch(said, /YOUR_TOKEN|Authorization/, id);
  }
  assert.match(of('claude-desktop').where, /^~\/\.config\/Claude\/.*\(macOS: ~\/Library\/.*\)$/);
  assert.match(of('cursor').where, /, or \.cursor\/mcp\.json in a project$/);
});

test('the text to paste into a file equals what hubctl writes', () => {
  for (const { id, at, format, entry } of FILE_CLIENTS.filter((client) => client.format === 'json')) {
    for (const key of ['', KEY]) {
      const { text } = of(id, { token: Boolean(key), key });
      assert.deepEqual(JSON.parse(text)[at]['my-work'], entry(WORKSPACE, key || undefined), `${id} ${format}`);
    }
  }
  const codex = of('codex', { token: true, key: KEY }).text.split('\n');
  assert.equal(codex[0], '[mcp_servers.my-work]');
  assert.equal(JSON.parse(codex[1].replace('url = ', '')), WORKSPACE.http_url);
  assert.equal(codex[2], `http_headers = { Authorization = "Bearer ${KEY}" }`);
});

test('if the hub requires a token, each guide shows where it goes; a key is filled in, or set by a command', () => {
  for (const id of IDS) {
    const { text, note, variable } = of(id, { token: true });
    assert.match(text + note, /YOUR_TOKEN|YAMCP_HUB_TOKEN|asks for the token/, id);
    assert.equal(variable, '');
    const filled = of(id, { token: true, key: KEY });
    assert.doesNotMatch(JSON.stringify(filled), /YOUR_TOKEN/, id);
    assert.notEqual(filled.text.includes(KEY), filled.variable === `export YAMCP_HUB_TOKEN=${KEY}`, id);
    if (filled.variable) assert.match(filled.text, /YAMCP_HUB_TOKEN/);
  }
});

test('commands of clients quote special characters for the shell', () => {
  const { command } = of('claude-code', { token: true, key: KEY });
  const url = `'${BASE.replace("'", "'\\''")}/mcp/my-work'`;
  assert.equal(command, `claude mcp add --transport http my-work ${url} --header 'Authorization: Bearer ${KEY}'`);
  assert.match(of('gemini-cli').command, /^gemini mcp add --transport http my-work '/);
});

test('Cursor’s link contains its entry; there is none while the token is missing', () => {
  const entry = (/** @type {string} */ href) => {
    const query = new URL(href).searchParams;
    assert.equal(query.get('name'), 'my-work');
    return JSON.parse(Buffer.from(String(query.get('config')), 'base64').toString('utf8'));
  };
  const [plain, keyed] = [of('cursor').links, of('cursor', { token: true, key: KEY }).links];
  assert.match(plain[0].href, /^cursor:\/\/anysphere\.cursor-deeplink\/mcp\/install\?/);
  assert.deepEqual(entry(plain[0].href), { url: WORKSPACE.http_url });
  assert.deepEqual(entry(keyed[0].href).headers, { Authorization: `Bearer ${KEY}` });
  assert.deepEqual(of('cursor', { token: true }).links, []);
});

test('VS Code’s links contain its entry, and prompt for a missing token', () => {
  const entries = (/** @type {object} */ wanted) =>
    of('vscode', wanted).links.map(({ href }) => {
      const [scheme, query] = href.split('?');
      return [scheme, JSON.parse(decodeURIComponent(query))];
    });
  const server = { name: 'my-work', type: 'http', url: WORKSPACE.http_url };
  assert.deepEqual(entries({}), [
    ['vscode:mcp/install', server],
    ['vscode-insiders:mcp/install', server],
  ]);
  const [[, asks]] = entries({ token: true });
  assert.equal(asks.headers.Authorization, `Bearer \${input:${asks.inputs[0].id}}`);
  assert.equal(asks.inputs[0].password, true);
  const [[, keyed]] = entries({ token: true, key: KEY });
  assert.deepEqual(keyed, { ...server, headers: { Authorization: `Bearer ${KEY}` } });
});
