/** What pages are shown holds no secret, and what they send back loses none. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { maskText } from '../../../front/server/api/config_text.mjs';
import {
  MASK,
  mask,
  maskConfig,
  maskUrl,
  unmask,
  unmaskConfig,
  unmaskServer,
} from '../../../front/server/state/masking.mjs';
import { changedServer } from '../../../front/server/api/yamcp_forms.mjs';

const SECRET = 'hunter2-SECRET';
const ref = (/** @type {string} */ name) => ['$', `{${name}}`].join('');
const nested = {
  namespace: 'web',
  type: 'sse',
  providerParameters: {
    url: `https://me:${SECRET}@example.org/sse?api_key=${SECRET}&page=2#x`,
    headers: { Authorization: `Bearer ${SECRET}`, 'X-Ref': ref('WEB_TOKEN') },
  },
};
const stdio = {
  namespace: 'files',
  type: 'stdio',
  providerParameters: { command: 'npx', args: ['-y', 'x'], env: { TOKEN: SECRET, EMPTY: '', N: 42, NONE: null } },
};

/** Pseudo-random numbers below 1, the same ones each time. @param {number} seed */
function randomOf(seed) {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

/**
 * Any JSON, of the odd kinds that the files are found with.
 *
 * @param {() => number} random
 * @returns {any}
 */
function anyValue(random, depth = 3) {
  const pick = (/** @type {any[]} */ items) => items[Math.floor(random() * items.length)];
  const text = () =>
    pick([
      '',
      'x',
      SECRET,
      MASK,
      ref('VAR'),
      ref('VAR:-x'),
      'https://a:b@c/d?token=e&token=f&g',
      'a:b@c',
      '--api-key',
      '--token=abc',
      '--url=postgres://u:p@h/?key=x',
      'é',
      '__proto__',
    ]);
  const some = (/** @type {() => any} */ make) => Array.from({ length: Math.floor(random() * 4) }, make);
  const name = () =>
    pick([
      'env',
      'args',
      'headers',
      'url',
      'providerParameters',
      'mcpServers',
      'command',
      'auth_token',
      'a',
      '',
      '1',
      '__proto__',
    ]);
  const scalars = [text, text, text, () => 42, () => true, () => null];
  const many = [
    () => some(() => anyValue(random, depth - 1)),
    () => Object.fromEntries(some(() => [name(), anyValue(random, depth - 1)])),
  ];
  return pick(depth > 0 ? [...scalars, ...many, ...many] : scalars)();
}

test('whatever an entry is, putting back what was masked gives the entry', () => {
  const random = randomOf(7);
  for (let round = 0; round < 20_000; round += 1) {
    const entry = anyValue(random, 4);
    assert.deepEqual(unmask(mask(entry), entry), entry);
  }
});

test('whatever a file is, putting back what was masked gives the file, and masking twice changes nothing', () => {
  const random = randomOf(11);
  for (let round = 0; round < 10_000; round += 1) {
    const content = Object.fromEntries(['a', 'b', 'mcpServers', '__proto__'].map((key) => [key, anyValue(random, 4)]));
    const masked = maskConfig(content);
    assert.deepEqual(unmaskConfig(masked, content), content);
    assert.deepEqual(maskConfig(masked), masked);
  }
});

test('no value of env, of headers or before the @ of a url is left, in any of the forms', () => {
  const flat = {
    command: 'x',
    env: { A: SECRET },
    headers: { B: [SECRET, { c: SECRET }] },
    url: `http://${SECRET}@h/`,
  };
  const odd = { providerParameters: { env: SECRET, headers: [SECRET] }, apiKey: SECRET, auth: { token: [SECRET] } };
  const content = { nested, stdio, flat, odd, text: `http://u:${SECRET}@h`, mcpServers: { inner: flat } };
  const masked = JSON.stringify(maskConfig(content));
  assert.ok(!masked.includes(SECRET), masked);
  assert.ok(masked.includes(`"X-Ref":"${ref('WEB_TOKEN')}"`), 'a reference is no secret');
});

test('a url shows all but what is secret in it', () => {
  for (const [url, shown] of [
    ['https://me:s@example.org/a', `https://me:${MASK}@example.org/a`],
    ['https://s@example.org', `https://${MASK}@example.org`],
    ['https://me:p@ss@example.org', `https://me:${MASK}@example.org`],
    ['https://me:pa/ss@example.org', `https://me:${MASK}@example.org`],
    ['https://me:p#1?@example.org', `https://me:${MASK}@example.org`],
    [' https://me:s@h', ` https://me:${MASK}@h`],
    ['me:s@h', `me:${MASK}@h`],
    [`https://${ref('USER')}:${ref('PASS')}@h`, `https://${ref('USER')}:${ref('PASS')}@h`],
    ['https://h:8080/@scope/x', 'https://h:8080/@scope/x'],
    ['http://[::1]:80/a@b', 'http://[::1]:80/a@b'],
    ['https://h/?tavilyApiKey=s&page=1&access_token=t', `https://h/?tavilyApiKey=${MASK}&page=1&access_token=${MASK}`],
    ['https://h/#token=s', `https://h/#token=${MASK}`],
    ['https://h/s/Ab3dEf6hIj9lMn2pQr5t/mcp?a=1', `https://h/s/${MASK}/mcp?a=1`],
    [
      'https://a1b2c3d4e5f6a7b8c9d0.example.org/servers-of-our-team/v2',
      'https://a1b2c3d4e5f6a7b8c9d0.example.org/servers-of-our-team/v2',
    ],
    ['', ''],
  ]) {
    assert.equal(maskUrl(url), shown);
    assert.deepEqual(unmask({ url: shown }, { url }), { url });
  }
});

test('a masked value for which nothing is stored is refused, by its place and without a value', () => {
  /** @type {[any, any, RegExp][]} */
  const cases = [
    [mask(stdio), undefined, /of env › TOKEN is/],
    [{ env: { NEW: MASK } }, stdio, /env › NEW/],
    [{ providerParameters: { env: { NONE: MASK } } }, stdio, /NONE/],
    [{ headers: { constructor: MASK } }, nested, /headers › constructor/],
    [{ url: `https://a:${MASK}@h` }, { url: 'https://h' }, /url/],
    [{ url: `https://h?api_key=${MASK}` }, { url: `https://a:${SECRET}@h?token=${SECRET}` }, /url/],
  ];
  for (const [entry, stored, place] of cases) {
    assert.throws(
      () => unmask(entry, stored),
      (/** @type {any} */ error) =>
        error.code === 'MASKED_VALUE' && place.test(error.message) && !error.message.includes(SECRET),
    );
  }
});

test('what was changed beside a masked value stays changed', () => {
  /** @type {any} */
  const edited = structuredClone(mask(stdio));
  edited.providerParameters.env.N = 'new';
  edited.providerParameters.env.MORE = 'more';
  assert.deepEqual(unmask(edited, stdio).providerParameters.env, {
    TOKEN: SECRET,
    EMPTY: '',
    N: 'new',
    NONE: null,
    MORE: 'more',
  });
});

test("the body of YAMCP-UI's form gets its values back from an entry of any form", () => {
  const body = { name: 'files', type: 'stdio', command: 'npx', args: [], env: { TOKEN: MASK } };
  assert.equal(unmaskServer(body, stdio).env.TOKEN, SECRET);
  assert.equal(unmaskServer(body, { command: 'npx', env: { TOKEN: SECRET } }).env.TOKEN, SECRET);
  const { entry } = changedServer('files', { ...body, name: 'renamed' }, stdio);
  assert.equal(unmask(entry, stdio).providerParameters.env.TOKEN, SECRET);
});

test('a server of a file that is inside mcpServers gets its values back where it is then', () => {
  const stored = { mcpServers: { files: stdio } };
  assert.deepEqual(unmaskConfig(maskConfig(stored), stored), stored);
  assert.deepEqual(unmaskConfig({ files: mask(stdio) }, stored), { files: stdio });
  assert.deepEqual(unmaskConfig({ mcpServers: { files: mask(stdio) } }, { files: stdio }), {
    mcpServers: { files: stdio },
  });
});

test('text is masked in place: order, layout and numbers stay as they are in the file', () => {
  const text = `{\n\t"2": { "env": {"A" : "${SECRET}", "B":1.50, "R": "\${X}"} , "n": 1e3},\n "1": {"x": 12345678901234567890, "env": {}}\n}\n`;
  const wanted = text.replace(`"${SECRET}"`, `"${MASK}"`).replace('1.50', `"${MASK}"`);
  assert.equal(maskText(text), wanted);
});

test('of a name that is twice in the text no secret is left', () => {
  const text = `{"a": {"env": {"A": "${SECRET}", "B": "${SECRET}"}, "env": {"A": "x"}}, "a": {"env": ["${SECRET}"]}}`;
  assert.ok(!maskText(text).includes(SECRET));
  assert.doesNotThrow(() => JSON.parse(maskText(text)));
});
