/** The authorization server from its first request to tokens, and what attackers send: a front with a fake adapter. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CHALLENGE, KEY, openFront, REDIRECT, sentTo, ticketOf, TOKEN, VERIFIER } from '../support/oauth.mjs';

/** @type {import('../support/oauth.mjs').Site} */
let site;
/** @type {Awaited<ReturnType<import('../support/oauth.mjs').Site['login']>>} */
let admin;
before(async () => {
  site = await openFront();
  admin = await site.login();
});
after(() => site?.close());

// --- metadata ------------------------------------------------------------------------------------------------------

test('metadata: the resource exactly as asked, also where there is none; the issuer is the URL that was used', async () => {
  for (const path of ['/mcp/alpha', '/mcp/alpha/sse', '/mcp/no-such-workspace', '/mcp/alpha/']) {
    const { status, body, headers } = await site.ask('GET', `/.well-known/oauth-protected-resource${path}`);
    assert.equal(status, 200, path);
    assert.equal(body.resource, `${site.url}${path}`);
    assert.deepEqual(body.authorization_servers, [site.url]);
    assert.deepEqual(body.scopes_supported, ['mcp']);
    assert.match(String(headers['cache-control']), /max-age/);
  }
  for (const path of ['', '/', '/mcp', '/mcp/', '/hub/', '/mcp/alpha/messages', '/mcp/alpha/sse/x'])
    assert.equal((await site.ask('GET', `/.well-known/oauth-protected-resource${path}`)).status, 404, path);
  for (const path of [
    '/.well-known/oauth-authorization-server',
    '/.well-known/oauth-authorization-server/mcp/alpha',
    '/.well-known/openid-configuration',
    '/.well-known/openid-configuration/mcp/alpha/sse',
  ]) {
    const { status, body } = await site.ask('GET', path);
    assert.equal(status, 200, path);
    assert.equal(body.issuer, site.url);
    assert.deepEqual(body.code_challenge_methods_supported, ['S256']);
    assert.deepEqual(body.token_endpoint_auth_methods_supported, ['none']);
    assert.equal(body.authorization_response_iss_parameter_supported, true);
    assert.equal(body.client_id_metadata_document_supported, true);
    assert.ok(!JSON.stringify(body).includes('offline_access'));
  }
  const named = await site.ask('GET', '/.well-known/oauth-authorization-server', { headers: { host: 'LOCALHOST:80' } });
  assert.equal(named.body.issuer, 'http://localhost');
  const secure = { headers: { host: 'localhost', 'x-forwarded-proto': 'https' } };
  assert.equal((await site.ask('GET', '/.well-known/openid-configuration', secure)).body.issuer, 'https://localhost');
  const foreign = await site.ask('GET', '/.well-known/openid-configuration', { headers: { host: 'evil.example' } });
  assert.equal(foreign.status, 403);
});

test('an access token and a JWT pass to endpoints alone, and are never counted as wrong tokens', async () => {
  for (const token of [`yha_${'x'.repeat(43)}`, 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.', 'yha_short']) {
    const headers = { authorization: `Bearer ${token}` };
    for (let count = 0; count < 12; count += 1) {
      const { status, body } = await site.ask('GET', '/api/hub/state', { headers });
      assert.deepEqual([status, body.code], [403, 'KEY_FORBIDDEN']);
    }
    const metadata = await site.ask('GET', '/.well-known/oauth-protected-resource/mcp/alpha', { headers });
    assert.equal(metadata.status, 200);
    assert.equal((await site.ask('GET', '/mcp/alpha', { headers: { ...headers, host: 'evil.example' } })).status, 403);
  }
  assert.equal((await site.ask('GET', '/hub/', { headers: { authorization: `Bearer ${TOKEN}` } })).status, 200);
});

// --- registration --------------------------------------------------------------------------------------------------

test('registration: a public client, whatever else it lists; nothing that it sends is a secret or a script', async () => {
  const from = { 'x-forwarded-for': '192.0.2.7' };
  const register = (/** @type {unknown} */ body) => site.ask('POST', '/oauth/register', { body, headers: from });
  const made = await register({
    client_name: ' Cursor\u202e\n evil ',
    redirect_uris: ['cursor://anysphere.cursor-retrieval/oauth/x/callback', REDIRECT, REDIRECT],
    grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code'],
    response_types: ['code', 'token'],
    token_endpoint_auth_method: 'client_secret_post',
    client_uri: 'javascript:alert(1)',
    scope: 'everything offline_access',
    jwks: {},
  });
  assert.equal(made.status, 201);
  assert.equal(made.headers['cache-control'], 'no-store');
  const { client_id: id, client_id_issued_at: _, ...rest } = made.body;
  assert.match(id, /^c[0-9a-f]{16}$/);
  assert.deepEqual(rest, {
    client_name: 'Cursor evil',
    redirect_uris: ['cursor://anysphere.cursor-retrieval/oauth/x/callback', REDIRECT],
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    scope: 'mcp',
  });
  for (const [body, error] of /** @type {[unknown, string][]} */ ([
    [{ redirect_uris: ['javascript:alert(1)'] }, 'invalid_redirect_uri'],
    [{ redirect_uris: [] }, 'invalid_redirect_uri'],
    [{}, 'invalid_redirect_uri'],
    [{ redirect_uris: Array.from({ length: 11 }, (__, at) => `https://a.b/${at}`) }, 'invalid_redirect_uri'],
    [[], 'invalid_client_metadata'],
    [{ redirect_uris: [REDIRECT], grant_types: ['client_credentials'] }, 'invalid_client_metadata'],
    [{ redirect_uris: [REDIRECT], response_types: ['token'] }, 'invalid_client_metadata'],
  ])) {
    const refused = await register(body);
    assert.deepEqual([refused.status, refused.body.error], [400, error], JSON.stringify(body));
    assert.ok(refused.body.error_description);
  }
  const raw = await site.ask('POST', '/oauth/register', { raw: '{"redirect_uris":', headers: from });
  assert.equal(raw.body.error, 'invalid_client_metadata');
  const large = await site.ask('POST', '/oauth/register', { body: { x: 'x'.repeat(20_000) }, headers: from });
  assert.equal(large.status, 413);
  const form = await site.post('/oauth/register', { redirect_uris: REDIRECT }, { 'x-forwarded-for': '192.0.2.8' });
  assert.equal(form.body.error, 'invalid_client_metadata');
});

test('a flood of registrations from one address is refused, and no other address suffers', async () => {
  const from = { 'x-forwarded-for': '192.0.2.9' };
  const body = { redirect_uris: [REDIRECT] };
  const statuses = [];
  for (let count = 0; count < 100; count += 1)
    statuses.push((await site.ask('POST', '/oauth/register', { body, headers: from })).status);
  assert.deepEqual([...new Set(statuses)], [201, 429]);
  assert.ok(statuses.indexOf(429) >= 20);
  assert.ok(statuses.filter((status) => status === 201).length < 50);
  const refused = await site.ask('POST', '/oauth/register', { body, headers: from });
  assert.ok(Number(refused.headers['retry-after']) >= 1);
  assert.equal(refused.body.error, 'slow_down');
  await site.client();
});

// --- the whole way -------------------------------------------------------------------------------------------------

test('a user logs in, allows access, and the client gets tokens for its code', async () => {
  const client = await site.client({ client_name: '<img src=x onerror=alert(1)> "\'&' });
  const query = site.request(client);
  const first = await site.ask('GET', '/oauth/authorize', { query, headers: { accept: 'text/html' } });
  assert.equal(first.status, 303);
  const next = new URL(String(first.headers.location), site.url).searchParams.get('next') ?? '';
  const browser = await site.login(KEY, next);
  assert.equal(browser.location.split('#')[0], next, 'the login leads back');
  const page = await site.authorize(query, browser);
  assert.equal(page.status, 200);
  for (const shown of ['127.0.0.1:7777', 'alpha', 'laptop']) assert.ok(page.body.includes(shown), shown);
  assert.ok(!page.body.includes('<img'), 'the name of a client is text');
  const { headers } = page;
  assert.match(String(headers['content-security-policy']), /default-src 'none'.*frame-ancestors 'none'/);
  assert.equal(headers['x-frame-options'], 'DENY');
  assert.equal(headers['cache-control'], 'no-store');
  const sent = sentTo(await site.answer(page.body, browser));
  assert.deepEqual([sent.state, sent.iss], ['st4te', site.url]);
  const issued = site.adapter.asked.findLast(({ kind }) => kind === 'issue_code')?.body;
  assert.deepEqual(issued, {
    client,
    client_name: '<img src=x onerror=alert(1)> "\'&',
    redirect_uri: REDIRECT,
    challenge: CHALLENGE,
    workspace: 'alpha',
    scopes: ['mcp'],
    principal: 'k1234567',
    resource: `${site.url}/mcp/alpha`,
  });
  const redeem = { grant_type: 'authorization_code', code: sent.code, client_id: client, redirect_uri: REDIRECT };
  const tokens = await site.post('/oauth/token', {
    ...redeem,
    code_verifier: VERIFIER,
    resource: `${site.url}/mcp/alpha`,
  });
  assert.equal(tokens.status, 200);
  assert.equal(tokens.headers['cache-control'], 'no-store');
  assert.deepEqual([tokens.body.token_type, tokens.body.expires_in, tokens.body.scope], ['Bearer', 3600, 'mcp']);
  assert.match(tokens.body.access_token, /^yha_/);
  const again = await site.post('/oauth/token', { ...redeem, code_verifier: VERIFIER });
  assert.deepEqual([again.status, again.body.error], [400, 'invalid_grant']);
  const refresh = { grant_type: 'refresh_token', refresh_token: tokens.body.refresh_token, client_id: client };
  assert.equal((await site.post('/oauth/token', refresh)).status, 200);
  const revoked = await site.post('/oauth/revoke', { token: tokens.body.refresh_token, client_id: client });
  assert.equal(revoked.status, 200);
  assert.equal((await site.post('/oauth/revoke', { token: 'never was one' })).status, 200);
});

test('a user who denies access, and a client that may not ask, are told so', async () => {
  const client = await site.client();
  const page = await site.authorize(site.request(client), admin);
  const denied = sentTo(await site.answer(page.body, admin, { decision: 'deny' }));
  assert.deepEqual([denied.error, denied.state, denied.iss], ['access_denied', 'st4te', site.url]);
  const silent = sentTo(await site.authorize(site.request(client, { prompt: 'none' }), admin));
  assert.equal(silent.error, 'consent_required');
  const nobody = await site.ask('GET', '/oauth/authorize', { query: site.request(client, { prompt: 'none' }) });
  assert.equal(sentTo(nobody).error, 'login_required');
  const again = await site.authorize(site.request(client, { prompt: 'login' }), admin);
  assert.match(String(again.headers.location), /^\/login\?.*again=1/);
  assert.ok(!decodeURIComponent(String(again.headers.location)).includes('prompt='), 'once');
});

test('without a resource, the user chooses among the own workspaces', async () => {
  const client = await site.client();
  const page = await site.authorize(site.request(client, { resource: '' }), admin);
  assert.match(page.body, /<option>alpha<\/option><option>Beta two<\/option>/);
  const wrong = await site.answer(page.body, admin, { workspace: 'gamma' });
  assert.equal(wrong.status, 400);
  const next = await site.authorize(site.request(client, { resource: '' }), admin);
  sentTo(await site.answer(next.body, admin, { workspace: 'Beta two' }));
  assert.equal(site.adapter.asked.at(-1)?.body.workspace, 'Beta two');
  const key = await site.login(KEY);
  const own = await site.authorize(site.request(client, { resource: '' }), key);
  assert.ok(!own.body.includes('<option>') && !own.body.includes('Beta'));
});

test('the resource is an endpoint of this hub that the user may use; all others look alike', async () => {
  const client = await site.client();
  const { port } = new URL(site.url);
  for (const resource of ['/mcp/alpha', '/mcp/alpha/', '/mcp/alpha/sse', '/mcp/first', '/mcp/beta-two']) {
    const page = await site.authorize(site.request(client, { resource: site.url + resource }), admin);
    assert.equal(page.status, 200, resource);
  }
  const shouted = await site.authorize(site.request(client, { resource: `HTTP://127.0.0.1:${port}/mcp/alpha` }), admin);
  assert.equal(shouted.status, 200);
  const key = await site.login(KEY);
  const answers = new Set();
  for (const resource of [
    ...['/mcp/beta-two', '/mcp/none', '/mcp', '/', '', '/mcp/alpha/messages', '/mcp/alpha?x', '/mcp/alpha#x'],
    ...['/mcp/alpha/../beta-two', '/mcp/%2561lpha', '/api/mcp/alpha'],
  ]
    .map((path) => site.url + path)
    .concat('https://evil.example/mcp/alpha', `http://localhost:${port}/mcp/alpha`, 'x')) {
    const { error, error_description: said } = sentTo(await site.authorize(site.request(client, { resource }), key));
    answers.add(`${error} ${said}`);
  }
  assert.deepEqual([...answers], ['invalid_target There is no such endpoint at this hub.']);
});

// --- attacks -------------------------------------------------------------------------------------------------------

test('nothing is sent to a redirect URI that is not registered, and an unknown client gets a page', async () => {
  const client = await site.client({ redirect_uris: ['https://app.example/cb'] });
  for (const uri of [
    'https://evil.example/cb',
    'https://app.example/cb/../../evil',
    'https://app.example@evil.example/cb',
    'https://app.example/cb#x',
    'javascript:alert(1)',
    'https://app.example/%63b',
  ]) {
    for (const browser of [admin, { headers: {} }]) {
      const { status, headers, body } = await site.authorize(site.request(client, { redirect_uri: uri }), browser);
      assert.deepEqual([status, headers.location], [400, undefined], uri);
      assert.match(body, /invalid_redirect_uri/);
    }
  }
  for (const id of ['c0000000000000000', 'nobody', '<script>', 'http://127.0.0.1:1/client.json', 'https://a.b/', '']) {
    const { status, headers, body } = await site.authorize(site.request(id), admin);
    assert.deepEqual([status, headers.location], [400, undefined], id);
    assert.ok(!body.includes('<script>'));
  }
  const twice = await site.ask('GET', `/oauth/authorize?client_id=${client}&client_id=x`, { headers: admin.headers });
  assert.equal(twice.status, 400);
});

test('a site learns of an error only after its user has logged in: the hub is no open redirector', async () => {
  const site_ = 'https://app.example/cb';
  const client = await site.client({ redirect_uris: [site_] });
  const query = site.request(client, { redirect_uri: site_, response_type: 'token' });
  const nobody = await site.ask('GET', '/oauth/authorize', { query });
  assert.match(String(nobody.headers.location), /^\/login\?/);
  const silent = site.request(client, { redirect_uri: site_, prompt: 'none' });
  const unseen = await site.ask('GET', '/oauth/authorize', { query: silent });
  assert.match(String(unseen.headers.location), /^\/login\?/);
  assert.equal(sentTo(await site.authorize(silent, admin), site_).error, 'consent_required');
  assert.equal(sentTo(await site.authorize(query, admin), site_).error, 'unsupported_response_type');
});

test('PKCE with S256 cannot be left out or weakened', async () => {
  const client = await site.client();
  for (const changes of /** @type {Record<string, string>[]} */ ([
    { code_challenge: '', code_challenge_method: '' },
    { code_challenge_method: 'plain' },
    { code_challenge_method: '' },
    { code_challenge: 'short' },
    { response_mode: 'fragment' },
    { request: 'x.y.z' },
  ])) {
    const sent = sentTo(await site.authorize(site.request(client, changes), admin));
    assert.deepEqual(
      [sent.error, sent.state, sent.iss],
      ['invalid_request', 'st4te', site.url],
      JSON.stringify(changes),
    );
  }
  const page = await site.authorize(site.request(client), admin);
  const { code } = sentTo(await site.answer(page.body, admin));
  const redeem = { grant_type: 'authorization_code', code, client_id: client, redirect_uri: REDIRECT };
  assert.equal((await site.post('/oauth/token', redeem)).body.error, 'invalid_request');
  const wrong = await site.post('/oauth/token', { ...redeem, code_verifier: 'w'.repeat(43) });
  assert.equal(wrong.body.error, 'invalid_grant');
});

test('a token request need not repeat the redirect URI (OAuth 2.1), but must not name another', async () => {
  const client = await site.client();
  for (const [redirect, status] of /** @type {[Record<string, string>, number][]} */ ([
    [{}, 200],
    [{ redirect_uri: '' }, 200],
    [{ redirect_uri: `${REDIRECT}x` }, 400],
  ])) {
    const page = await site.authorize(site.request(client), admin);
    const { code } = sentTo(await site.answer(page.body, admin));
    const redeem = { grant_type: 'authorization_code', code, client_id: client, code_verifier: VERIFIER, ...redirect };
    assert.equal((await site.post('/oauth/token', redeem)).status, status, JSON.stringify(redirect));
  }
});

test('consent: once, by the login that was asked, from the hub’s own page with its secret', async () => {
  const client = await site.client();
  const page = await site.authorize(site.request(client), admin);
  const before = site.adapter.asked.length;
  const { port } = new URL(site.url);
  for (const [changes, headers] of /** @type {[Record<string, string>, Record<string, string>][]} */ ([
    [{}, { origin: 'https://evil.example' }],
    [{}, { origin: 'null' }],
    [{}, { origin: `http://127.0.0.1:${Number(port) + 1}` }],
    [{}, { 'sec-fetch-site': 'cross-site' }],
    [{}, { origin: '', 'sec-fetch-site': 'same-site' }],
    [{ hub_page: '' }, {}],
    [{ hub_page: 'x'.repeat(43) }, {}],
  ])) {
    const refused = await site.answer(page.body, admin, changes, headers);
    assert.equal(refused.status, 403, JSON.stringify([changes, headers]));
    assert.equal(refused.headers.location, undefined);
  }
  const other = await site.login(TOKEN);
  assert.equal((await site.answer(page.body, other)).status, 400, 'another login of the same user');
  const stranger = await site.post('/oauth/consent', { ticket: ticketOf(page.body), decision: 'approve' });
  assert.equal(stranger.status, 401, 'nobody');
  const program = { authorization: `Bearer ${TOKEN}` };
  const byToken = await site.post('/oauth/consent', { ticket: ticketOf(page.body), decision: 'approve' }, program);
  assert.equal(byToken.status, 403, 'a token is no browser');
  assert.ok(!site.adapter.asked.slice(before).some(({ kind }) => kind === 'issue_code'));
  sentTo(await site.answer(page.body, admin));
  assert.equal((await site.answer(page.body, admin)).status, 400, 'a second time');
});

test('the link of a client cannot log anybody in, and a frame shows nobody’s consent page', async () => {
  const client = await site.client();
  const linked = await site.ask('GET', '/oauth/authorize', {
    query: { ...site.request(client), token: TOKEN },
    headers: { accept: 'text/html' },
  });
  assert.equal(linked.headers['set-cookie'], undefined);
  const framed = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' };
  const query = site.request(client);
  const inFrame = await site.ask('GET', '/oauth/authorize', { query, headers: { ...admin.headers, ...framed } });
  assert.match(String(inFrame.headers.location), /^\/login/);
  const followed = { ...framed, 'sec-fetch-dest': 'document' };
  const byLink = await site.ask('GET', '/oauth/authorize', { query, headers: { ...admin.headers, ...followed } });
  assert.equal(byLink.status, 200);
});

test('a code of another client or redirect URI is refused; malformed secrets never reach the adapter', async () => {
  const [one, two] = [await site.client(), await site.client()];
  const page = await site.authorize(site.request(one), admin);
  const { code } = sentTo(await site.answer(page.body, admin));
  const redeem = { grant_type: 'authorization_code', code, code_verifier: VERIFIER, redirect_uri: REDIRECT };
  assert.equal((await site.post('/oauth/token', { ...redeem, client_id: two })).body.error, 'invalid_grant');
  const before = site.adapter.asked.length;
  for (const [fields, error] of /** @type {[Record<string, string>, string][]} */ ([
    [{}, 'invalid_request'],
    [{ grant_type: 'password', client_id: one }, 'unsupported_grant_type'],
    [{ grant_type: 'client_credentials', client_id: one }, 'unsupported_grant_type'],
    [{ ...redeem, code: 'yhc_x', client_id: one }, 'invalid_grant'],
    [{ ...redeem, code: 'yhc_x' }, 'invalid_request'],
    [{ grant_type: 'refresh_token', client_id: one, refresh_token: 'x' }, 'invalid_grant'],
    [{ ...redeem, client_id: one, resource: 'https://evil.example/mcp/alpha' }, 'invalid_target'],
  ])) {
    const refused = await site.post('/oauth/token', fields, { 'x-forwarded-for': '192.0.2.30' });
    assert.deepEqual([refused.status, refused.body.error], [400, error], JSON.stringify(fields));
    assert.equal(refused.headers['cache-control'], 'no-store');
  }
  assert.equal(site.adapter.asked.length, before);
  const twice = await site.ask('POST', '/oauth/token', {
    raw: `grant_type=refresh_token&client_id=${one}&client_id=${two}`,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  });
  assert.equal(twice.body.error, 'invalid_request');
  assert.equal((await site.ask('POST', '/oauth/token', { body: redeem })).status, 415);
});

test('errors of tokens are limited by address, and while the adapter is away clients are told when to come back', async () => {
  const from = { 'x-forwarded-for': '192.0.2.40' };
  const bad = { grant_type: 'refresh_token', client_id: 'c0000000000000000', refresh_token: 'x' };
  let failures = 0;
  while ((await site.post('/oauth/token', bad, from)).status === 400) failures += 1;
  assert.ok(failures >= 120 && failures < 1000, `${failures}`);
  const fine = { ...bad, refresh_token: `yhr_${'x'.repeat(43)}` };
  assert.equal((await site.post('/oauth/token', fine, { 'x-forwarded-for': '192.0.2.41' })).status, 200);
  site.adapter.away = true;
  try {
    for (const answer of [
      await site.post('/oauth/token', fine),
      await site.ask('POST', '/oauth/register', { body: { redirect_uris: [REDIRECT] } }),
    ]) {
      assert.deepEqual([answer.status, answer.body.error], [503, 'temporarily_unavailable']);
      assert.ok(Number(answer.headers['retry-after']) > 0);
    }
  } finally {
    site.adapter.away = false;
  }
});

// --- who may ------------------------------------------------------------------------------------------------------

test('a key without admin logs in towards its own pages only', async () => {
  const key = await site.login(KEY, '/account');
  for (const path of ['/hub/', '/', '/api/hub/state', '/status']) {
    const { status } = await site.ask('GET', path, { headers: { cookie: key.headers.cookie } });
    assert.equal(status, 403, path);
  }
  for (const next of ['/hub/', '/', '/accounts', '/oauth/authorize/x/../../hub', '/api/hub/state']) {
    const refused = await site.post('/login', { token: KEY, next }, { origin: site.url });
    assert.deepEqual([refused.status, refused.headers['set-cookie']], [403, undefined], next);
  }
});

test('a link with a token logs in nobody but admins: else it could choose who signs in at a server, or consents', async () => {
  for (const path of ['/account', '/connect/github', '/account/', '/hub/']) {
    const linked = await site.ask('GET', path, { query: { token: KEY }, headers: { accept: 'text/html' } });
    assert.deepEqual([linked.status, linked.headers['set-cookie']], [302, undefined], path);
    assert.match(String(linked.headers.location), /refused=KEY_FORBIDDEN/, path);
  }
  const linked = await site.ask('GET', '/account', { query: { token: TOKEN }, headers: { accept: 'text/html' } });
  assert.ok(linked.headers['set-cookie']);
});

test('no client gets the page’s secret: a redirect to it does not inherit the fragment of the page', async () => {
  const client = await site.client();
  /** @type {Record<string, string>[]} */
  const faults = [{ prompt: 'none' }, { resource: `${site.url}/mcp/nothing` }, { code_challenge: '' }];
  for (const changes of faults) {
    const { headers } = await site.authorize(site.request(client, changes), admin);
    // Fetch standard, "HTTP-redirect fetch": a Location without a fragment gets that of the current URL, #hub_page=….
    assert.match(String(headers.location), /^http:\/\/127\.0\.0\.1:7777\/callback\?error=[^#]*#$/);
  }
});

test('a hub that has switched it off has nothing at these paths', async () => {
  const off = await openFront({ HUB_OAUTH: 'off' });
  try {
    for (const [method, path] of [
      ['GET', '/.well-known/oauth-protected-resource/mcp/alpha'],
      ['GET', '/.well-known/oauth-authorization-server'],
      ['POST', '/oauth/register'],
      ['GET', '/oauth/authorize'],
      ['POST', '/oauth/token'],
    ]) {
      const { status } = await off.ask(method, path, method === 'POST' ? { body: {} } : {});
      assert.equal(status, 404, path);
    }
    const { headers } = await off.ask('GET', '/mcp/alpha');
    assert.equal(headers['www-authenticate'], 'Bearer realm="yamcp-hub"');
  } finally {
    await off.close();
  }
});

test('the sidecar learns how its client addresses the hub, also where others issue the tokens', async () => {
  const other = await openFront({ HUB_OAUTH: 'off', HUB_JWT_ISSUER: 'https://issuer.example' });
  try {
    const asked = (/** @type {string} */ host) => {
      const headers = { host, 'x-hub-base': 'https://evil.example' };
      const request = /** @type {any} */ ({ headers, url: '/mcp/alpha', socket: { remoteAddress: '192.0.2.1' } });
      return other.front.auth.forSidecar(request).headers['x-hub-base'];
    };
    assert.equal(asked('localhost:8765'), 'http://localhost:8765');
    for (const odd of ['', 'localhost:99999', 'a b']) assert.equal(asked(odd), other.front.settings.baseUrl, odd);
  } finally {
    await other.close();
  }
});

test('behind a public URL with a path, all URLs are below it', async () => {
  const proxied = await openFront({ HUB_PUBLIC_URL: 'https://Hub.example:443/team/' });
  const base = 'https://hub.example/team';
  try {
    const refused = await proxied.ask('GET', '/mcp/alpha/sse');
    const metadata = `${base}/.well-known/oauth-protected-resource/mcp/alpha/sse`;
    assert.ok(String(refused.headers['www-authenticate']).includes(`resource_metadata="${metadata}"`));
    for (const path of ['/mcp/alpha', '/team/mcp/alpha']) {
      const { body } = await proxied.ask('GET', `/.well-known/oauth-protected-resource${path}`);
      assert.deepEqual([body.resource, body.authorization_servers], [`${base}/mcp/alpha`, [base]]);
    }
    const { body } = await proxied.ask('GET', '/.well-known/oauth-authorization-server/team');
    assert.deepEqual([body.issuer, body.token_endpoint], [base, `${base}/oauth/token`]);
    const browser = await proxied.login();
    const page = await proxied.authorize(
      proxied.request(await proxied.client(), { resource: `${base}/mcp/alpha` }),
      browser,
    );
    assert.equal(sentTo(await proxied.answer(page.body, browser)).iss, base);
  } finally {
    await proxied.close();
  }
});

/** The servers at which somebody can sign in. @param {Record<string, string>} headers */
async function signInsOf(headers) {
  const { body } = await site.ask('GET', '/api/account/sign-ins', { headers });
  return body.sign_ins.map((/** @type {any} */ { server }) => server);
}

test('the account: own workspaces and grants, for the page with its secret; others end nothing of it', async () => {
  const key = await site.login(KEY, '/account');
  const page = await site.ask('GET', '/account', { headers: key.headers });
  assert.equal(page.status, 200);
  assert.ok(!page.body.includes('laptop'), 'the page itself contains no data');
  assert.match(String(page.headers['content-security-policy']), /script-src 'sha256-.*frame-ancestors 'none'/);
  assert.equal((await site.ask('GET', '/api/account', { headers: key.headers })).body.code, 'PAGE_SECRET_REQUIRED');
  const headers = { ...key.headers, 'x-hub-page': key.secret, origin: site.url };
  const { status, body } = await site.ask('GET', '/api/account', { headers });
  assert.equal(status, 200);
  assert.deepEqual([body.id, body.name, body.admin], ['k1234567', 'laptop', false]);
  assert.deepEqual(
    body.workspaces.map((/** @type {any} */ { name }) => name),
    ['alpha'],
  );
  assert.deepEqual(
    body.grants.map((/** @type {any} */ { id }) => id),
    ['gk1234567'],
  );
  const signIns = await Promise.all([headers, { authorization: `Bearer ${TOKEN}` }].map((each) => signInsOf(each)));
  assert.deepEqual(signIns, [['mail'], ['mail', 'crm']], 'nothing of servers that one may not use');
  assert.equal((await site.ask('DELETE', '/api/account/grants/gadmin', { headers })).body.code, 'NO_SUCH_GRANT');
  assert.equal((await site.ask('DELETE', '/api/account/grants/gk1234567', { headers })).status, 200);
  assert.equal((await site.ask('GET', '/api/hub/grants', { headers })).status, 403);
  assert.equal((await site.ask('DELETE', '/api/hub/grants', { headers, query: { id: 'gadmin' } })).status, 403);
  const admin_ = { authorization: `Bearer ${TOKEN}` };
  assert.equal((await site.ask('GET', '/api/hub/grants', { headers: admin_ })).body.grants.length, 2);
  assert.equal((await site.ask('DELETE', '/api/hub/grants', { headers: admin_, query: { id: 'gadmin' } })).status, 200);
  const nobody = await site.ask('GET', '/account', { headers: { accept: 'text/html' } });
  assert.equal(nobody.headers.location, '/login?next=%2Faccount');
});
