/** Client ID Metadata Documents: what is fetched, from where, and how much; what a document may say. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { ClientDocuments, isDocumentUrl } from '../../../front/server/oauth/clients/client_document.mjs';
import { clientOf } from '../../../front/server/oauth/clients/client_metadata.mjs';
import { isPublic } from '../../../front/server/oauth/clients/public_address.mjs';

let requests = 0;
/** @type {import('node:http').RequestListener} */
let answer;
const server = createServer((request, response) => {
  requests += 1;
  answer(request, response);
});
let url = '';
before(async () => {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  url = `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (server.address()).port}/client.json`;
});
after(() => {
  server.closeAllConnections();
  server.close();
});

/** Answer with a document. @param {object} [changes] @param {Record<string, string>} [headers] */
function serve(changes = {}, headers = {}) {
  const document = { client_id: url, client_name: 'Editor', redirect_uris: ['http://127.0.0.1/cb'], ...changes };
  answer = (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(document));
  };
}

const local = () => new ClientDocuments({ loopback: true, timeout: 60_000 });

test('an id of this kind is an https URL with a path, in its canonical spelling', () => {
  for (const id of [
    'https://app.example/client.json',
    'https://app.example:8443/a/b?x=1',
    'https://vscode.dev/oauth/x',
  ])
    assert.ok(isDocumentUrl(id), id);
  for (const id of [
    ...['http://app.example/x', 'https://app.example', 'https://app.example/', 'https://app.example/x#y', 'ftp://a/b'],
    ...[
      'https://u:p@app.example/x',
      'https://app.example/a/../x',
      'https://APP.example/x',
      'https://app.example:443/x',
    ],
    ...['https://0x7f.1/x', 'https://app.example\\x', 'https://app.example/ x', `https://a.b/${'x'.repeat(2000)}`, ''],
    ...['http://127.0.0.1/x', 'http://localhost/x'],
  ])
    assert.ok(!isDocumentUrl(id), id);
  assert.ok(isDocumentUrl('http://localhost:3000/x', { loopback: true }));
  assert.ok(!isDocumentUrl('http://app.example/x', { loopback: true }));
});

test('special addresses of both families are not public', () => {
  for (const address of ['8.8.8.8', '93.184.216.34', '2606:2800:220:1::1', '2a00:1450::1'])
    assert.ok(isPublic(address), address);
  for (const address of [
    ...[
      '127.0.0.1',
      '0.0.0.0',
      '10.1.2.3',
      '172.16.0.1',
      '172.31.255.255',
      '192.168.1.1',
      '169.254.169.254',
      '100.64.0.1',
    ],
    ...['224.0.0.1', '255.255.255.255', '198.18.0.1', '::1', '::', 'fe80::1', 'fc00::1', 'fd00:ec2::254', 'ff02::1'],
    ...[
      '::ffff:127.0.0.1',
      '::ffff:8.8.8.8',
      '64:ff9b::7f00:1',
      '2002:7f00:1::',
      '2001:0:7f00:1::',
      '2001:db8::1',
      'x',
    ],
  ])
    assert.ok(!isPublic(address), address);
});

test('no document is fetched from an address that is not public, whatever the name resolves to', async () => {
  requests = 0;
  serve();
  const { port } = new URL(url);
  for (const addresses of [['127.0.0.1'], ['8.8.8.8', '127.0.0.1'], ['::ffff:127.0.0.1'], ['169.254.169.254'], []]) {
    const documents = new ClientDocuments({ resolve: async () => addresses, timeout: 500 });
    await assert.rejects(documents.client(`https://rebound.example:${port}/client.json`), { code: 'invalid_client' });
  }
  for (const id of [`https://127.0.0.1:${port}/c`, `https://[::1]:${port}/c`, `https://[::ffff:7f00:1]:${port}/c`])
    await assert.rejects(new ClientDocuments().client(id), { code: 'invalid_client' }, id);
  const mixed = new ClientDocuments({ loopback: true, resolve: async () => ['127.0.0.1', '10.0.0.1'] });
  await assert.rejects(mixed.client(url), /public/);
  assert.equal(requests, 0);
});

test('the name is resolved once, and its address is connected to', async () => {
  serve({ client_id: url.replace('127.0.0.1', 'client.example') });
  let resolved = 0;
  const documents = new ClientDocuments({
    loopback: true,
    resolve: async () => {
      resolved += 1;
      return ['127.0.0.1'];
    },
  });
  const client = await documents.client(url.replace('127.0.0.1', 'client.example'));
  assert.deepEqual([client.name, resolved], ['Editor', 1]);
});

test('a redirect, an error, a huge or slow body, and what is no JSON are refused', async () => {
  /** @type {[string, import('node:http').RequestListener][]} */
  const answers = [
    ['redirect', (_, response) => response.writeHead(302, { location: url }).end()],
    ['error', (_, response) => response.writeHead(500).end()],
    ['HTML', (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('{}')],
    ['broken', (_, response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{')],
    [
      'endless',
      (_, response) => {
        response.writeHead(200, { 'content-type': 'application/json' });
        const more = () => !response.destroyed && response.write('x'.repeat(16_384), () => setImmediate(more));
        more();
      },
    ],
    ['slow', (_, response) => response.writeHead(200, { 'content-type': 'application/json' }).write('{')],
    ['silent', () => {}],
  ];
  for (const [name, listener] of answers) {
    requests = 0;
    answer = listener;
    const documents = new ClientDocuments({ loopback: true, timeout: 150 });
    await assert.rejects(documents.client(url), { code: 'invalid_client' }, name);
    assert.equal(requests, 1, name);
  }
});

test('a document names itself, has no secret, and its redirect URIs are valid; other grant types do not matter', async () => {
  serve({ grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code'] });
  assert.deepEqual(await local().client(url), {
    id: url,
    name: 'Editor',
    redirectUris: ['http://127.0.0.1/cb'],
    uri: '',
  });
  for (const [changes, code] of /** @type {[object, string][]} */ ([
    [{ client_id: 'https://app.example/other.json' }, 'invalid_client'],
    [{ client_id: undefined }, 'invalid_client'],
    [{ client_secret: 'x' }, 'invalid_client'],
    [{ token_endpoint_auth_method: 'client_secret_basic' }, 'invalid_client'],
    [{ redirect_uris: ['javascript:alert(1)'] }, 'invalid_redirect_uri'],
    [{ redirect_uris: undefined }, 'invalid_redirect_uri'],
    [{ grant_types: ['client_credentials'] }, 'invalid_client_metadata'],
  ])) {
    serve(changes);
    await assert.rejects(local().client(url), { code }, JSON.stringify(changes));
  }
  for (const document of ['x', null, [], 7]) assert.throws(() => clientOf(document, url), { name: 'OAuthError' });
});

test('a document is kept for as long as its server says, within bounds; equal requests share one fetch', async () => {
  let now = 0;
  const documents = new ClientDocuments({ loopback: true, clock: () => now });
  serve({}, { 'cache-control': 'public, max-age=7200' });
  requests = 0;
  await Promise.all([documents.client(url), documents.client(url)]);
  now = 7199;
  await documents.client(url);
  assert.equal(requests, 1);
  now = 7200;
  serve({}, { 'cache-control': 'max-age=0, no-store' });
  await documents.client(url);
  now = 7259;
  await documents.client(url);
  assert.equal(requests, 2, 'a minute at least');
  now = 7260;
  await documents.client(url);
  assert.equal(requests, 3);
});
