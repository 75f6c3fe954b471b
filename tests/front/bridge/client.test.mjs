/** bridge/node against the Python server over real sockets: no request is lost or repeated, no socket leaks. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once, setMaxListeners } from 'node:events';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Router } from 'zeromq';
import { encode } from '../../../bridge/node/codec.mjs';
import { BridgeClient, BridgeError, MAX_BYTES, MAX_PENDING, Subscriber } from '../../../bridge/node/index.mjs';
import { ROOT } from '../support/hub.mjs';
import { Peers, snapshot } from '../support/peer.mjs';

/** @import {TestContext} from 'node:test' */

const OPTIONS = { timeout: 180_000 };
const LONG = { timeout: 50 }; // s

/**
 * An address, its servers and a client of it, gone after the test.
 * @param {TestContext} t
 * @param {import('../../../bridge/node/client.mjs').ClientOptions} [options]
 */
function arranged(t, options) {
  const peers = new Peers();
  const client = new BridgeClient(peers.address, options);
  t.after(async () => {
    await client.close();
    await peers.close();
  });
  return { peers, client };
}

/** @param {BridgeClient} client @param {number} revision */
const apply = (client, revision, timeout = 30) => client.request('apply', snapshot(revision), { timeout });

/** @param {number} count */
const numbers = (count) => Array.from({ length: count }, (_, n) => n);

/** What a promise was rejected with, a BridgeError. @param {Promise<unknown>} promise @returns {Promise<BridgeError>} */
async function refusal(promise) {
  const error = await promise.then(
    () => assert.fail('it was answered'),
    (reason) => reason,
  );
  assert.ok(error instanceof BridgeError, String(error));
  return error;
}

test('10,000 pipelined requests arrive in order, once each, and all are answered', OPTIONS, async (t) => {
  const { peers, client } = arranged(t);
  await peers.start();
  const answers = await Promise.all(numbers(10_000).map((n) => apply(client, n)));
  assert.deepEqual(
    answers.map(({ id }) => id.revision),
    numbers(10_000),
  );
  assert.deepEqual(peers.accepted(), numbers(10_000));
});

test('no request is lost when the server is killed and restarted, and the order is preserved', OPTIONS, async (t) => {
  const { peers, client } = arranged(t);
  const count = 3000;
  const asked = numbers(count).map((n) => apply(client, n, 50));
  for (const fraction of [0.25, 0.5]) {
    const peer = await peers.start();
    await asked[count * fraction];
    await peers.kill(peer);
  }
  await peers.start();
  const answers = await Promise.all(asked);
  assert.deepEqual(
    answers.map(({ id }) => id.revision),
    numbers(count),
  );
  const handled = peers.accepted();
  assert.deepEqual([...new Set(handled)], numbers(count));
  assert.ok(handled.length - count <= 2 * MAX_PENDING, `${handled.length} handled`);
});

test(
  'requests that must not be repeated fail when the server is killed; the client reconnects automatically',
  OPTIONS,
  async (t) => {
    /** @type {unknown[]} */
    const told = [];
    const { peers, client } = arranged(t, {
      onPeer: (session) => told.push(session),
      onConnection: (up) => told.push(up),
    });
    const peer = await peers.start();
    const first = await client.peer();
    const asked = refusal(client.request('restart', { key: 'x' }, LONG));
    await client.request('ping');
    await peers.kill(peer);
    const error = await asked;
    assert.equal(error.code, 'BRIDGE_UNAVAILABLE');
    assert.match(error.message, /the connection ended/);
    assert.deepEqual(error.data, { sent: true });
    assert.equal(client.connected, false);
    await peers.start();
    const second = await client.peer(first);
    assert.notEqual(second, first);
    assert.deepEqual(told, [true, first, false, true, second]);
  },
);

test('a request without a server waits, and its timeout error says that it was not sent', OPTIONS, async (t) => {
  const { peers, client } = arranged(t);
  const { code, data, message } = await refusal(client.request('restart', { key: 'x' }, { timeout: 0.2 }));
  assert.deepEqual([code, data], ['BRIDGE_UNAVAILABLE', { sent: false }]);
  assert.match(message, /could not be reached within 0.2 s/);
  const waiting = client.request('ping', {}, LONG);
  const peer = await peers.start();
  assert.equal((await waiting).pid, peer.pid);
});

test('a slow handler does not delay other requests', OPTIONS, async (t) => {
  const { peers, client } = arranged(t);
  await peers.start();
  const giveUp = new AbortController();
  setMaxListeners(100, giveUp.signal);
  let done = 0;
  const slow = numbers(100).map(() =>
    client.request('logs', { limit: 3000 }, { timeout: 30, signal: giveUp.signal }).finally(() => (done += 1)),
  );
  const ended = Promise.allSettled(slow);
  for (const n of numbers(200)) await apply(client, n);
  assert.equal(done, 0);
  giveUp.abort(new Error('no patience'));
  for (const { status, reason } of /** @type {any[]} */ (await ended)) {
    assert.deepEqual([status, reason.message], ['rejected', 'no patience']);
  }
  await assert.rejects(client.request('ping', {}, { signal: giveUp.signal }), /no patience/);
});

test('a server that hangs costs bounded memory, and gets requests again when it continues', OPTIONS, async (t) => {
  const { peers, client } = arranged(t);
  const peer = await peers.start();
  await client.peer();
  peer.kill('SIGSTOP');
  const before = process.memoryUsage().rss;
  const failures = await Promise.all(numbers(20_000).map((n) => refusal(apply(client, n, 0.3))));
  const grown = process.memoryUsage().rss - before;
  assert.ok(failures.every(({ code }) => code === 'BRIDGE_UNAVAILABLE'));
  assert.equal(failures.filter(({ data }) => data.sent).length, MAX_PENDING);
  assert.ok(grown < 200 * 2 ** 20, `${grown} bytes`);
  peer.kill('SIGCONT');
  assert.equal((await apply(client, 20_000)).id.revision, 20_000);
  assert.deepEqual(peers.accepted(), [...numbers(MAX_PENDING), 20_000]);
});

test('a server that is killed while it hangs gets no request twice that must not be repeated', OPTIONS, async (t) => {
  const { peers, client } = arranged(t);
  const peer = await peers.start();
  await client.peer();
  peer.kill('SIGSTOP');
  const restarts = numbers(300).map(() => refusal(client.request('restart', { key: 'x' }, LONG)));
  const applied = numbers(200).map((n) => apply(client, n));
  await peers.kill(peer);
  for (const { data } of await Promise.all(restarts)) assert.deepEqual(data, { sent: true });
  await peers.start();
  await Promise.all(applied);
  assert.deepEqual(peers.accepted(), numbers(200));
});

test('10,000 events arrive in order; after a kill the reader is told to refresh', OPTIONS, async (t) => {
  const { peers, client } = arranged(t);
  const events = new Subscriber(`${peers.address}.events`);
  t.after(() => events.close());
  const stream = events[Symbol.asyncIterator]();
  const next = async () => (await stream.next()).value ?? assert.fail('the loop ended');
  const sessions = new Set();
  for (const count of [10_000, 100]) {
    const peer = await peers.start();
    const joined = await next();
    assert.equal(joined.topic, 'joined');
    sessions.add(joined.subject);
    const asked = Promise.all(numbers(count).map((n) => client.request('tools', { workspace: String(n) }, LONG)));
    for (const n of numbers(count)) {
      assert.deepEqual(await next(), { topic: 'workspace', subject: String(n), data: {} });
    }
    await asked;
    await peers.kill(peer);
  }
  assert.equal(sessions.size, 2);
});

test('closing ends the loop of a subscriber, and pending requests of a client', OPTIONS, async (t) => {
  const { peers, client } = arranged(t);
  const events = new Subscriber(`${peers.address}.events`);
  await peers.start();
  const seen = [];
  for await (const { topic } of events) {
    seen.push(topic);
    events.close();
  }
  assert.deepEqual(seen, ['joined']);
  await client.peer();
  const asked = [client.request('restart', { key: 'x' }, LONG), client.peer('nobody'), client.peer(client.peerSession)];
  const [sent, met, never] = asked;
  assert.ok(await met);
  const failures = Promise.all([refusal(sent), refusal(never)]);
  await client.close();
  for (const { message } of await failures) assert.match(message, /the client was closed/);
  assert.match((await refusal(client.request('ping'))).message, /the client was closed/);
});

test('messages of almost 16 MiB pass, and a larger one is refused before it is sent', OPTIONS, async (t) => {
  const { peers, client } = arranged(t);
  await peers.start();
  const server = 'x'.repeat(MAX_BYTES - 200);
  assert.deepEqual((await client.request('logs', { limit: 1, server }, LONG)).records, []);
  const error = await refusal(client.request('logs', { limit: 1, server: 'x'.repeat(MAX_BYTES) }));
  assert.equal(error.code, 'BRIDGE_TOO_LARGE');
  assert.equal((await refusal(client.request('logs', /** @type {any} */ ({ limit: 1n })))).code, 'BRIDGE_BAD_MESSAGE');
  await client.request('ping');
});

test('server errors, unknown kinds and bad addresses have their codes', OPTIONS, async (t) => {
  const { peers, client } = arranged(t);
  await peers.start();
  const unserved = await refusal(client.request('desired'));
  assert.equal(unserved.code, 'BRIDGE_UNKNOWN_KIND');
  assert.deepEqual(unserved.data.serves, ['apply', 'logs', 'ping', 'restart', 'tools']);
  assert.equal(
    (await refusal(client.request('logs', /** @type {any} */ ({ limit: 'many' })))).code,
    'BRIDGE_BAD_MESSAGE',
  );
  assert.equal((await refusal(client.request(/** @type {any} */ ('dance')))).code, 'BRIDGE_UNKNOWN_KIND');
  for (const address of ['tcp://127.0.0.1:1', 'ipc://relative', `ipc:///${'x'.repeat(107)}`, '']) {
    for (const make of [() => new BridgeClient(address), () => new Subscriber(address)]) {
      assert.throws(make, (error) => error instanceof BridgeError && error.code === 'BRIDGE_ADDRESS');
    }
  }
});

test('responses that cannot be decoded fail their request, or are reported', OPTIONS, async (t) => {
  /** @type {any[]} */
  const warnings = [];
  const { peers, client } = arranged(t, { onWarning: (message, fields) => warnings.push({ message, ...fields }) });
  mkdirSync(dirname(peers.address.slice('ipc://'.length)), { mode: 0o700 });
  const router = new Router({ linger: 0 });
  t.after(() => router.close());
  await router.bind(peers.address);
  const answer = (/** @type {string} */ id, /** @type {object} */ changes) =>
    Buffer.from(JSON.stringify({ version: 1, id, session: 'rogue', kind: 'ping.ok', body: {}, ...changes }));
  const asked = [
    { changes: { version: 2 }, code: 'BRIDGE_VERSION' },
    { changes: { more: 1 }, code: 'BRIDGE_BAD_MESSAGE' },
    { changes: { kind: 'status.ok' }, code: 'BRIDGE_BAD_MESSAGE' },
    { changes: { kind: 'error', body: { code: 7 } }, code: 'BRIDGE_BAD_MESSAGE' },
  ];
  const [greeter, greeting] = await router.receive();
  await router.send([greeter, answer('not asked', {})]);
  await router.send([greeter, 'not JSON']);
  await router.send([greeter, Buffer.alloc(MAX_BYTES + 1, ' ')]);
  await router.send([greeter, answer(JSON.parse(String(greeting)).id, {})]);
  for (const { changes, code } of asked) {
    const failure = refusal(client.request('ping'));
    const [peer, request] = await router.receive();
    await router.send([peer, answer(JSON.parse(String(request)).id, changes)]);
    assert.equal((await failure).code, code);
  }
  assert.equal(client.peerSession, 'rogue');
  assert.deepEqual(
    warnings.map(({ code }) => code),
    ['BRIDGE_BAD_MESSAGE', 'BRIDGE_TOO_LARGE'],
  );
});

test('a request over the limit of 512 waits until another one ends, also by cancellation', OPTIONS, async (t) => {
  const { peers, client } = arranged(t, { maxPending: 2 });
  await peers.start();
  await client.peer();
  const slow = numbers(2).map(() => refusal(client.request('logs', { limit: 1500 }, { timeout: 0.1 })));
  const waiting = refusal(client.request('ping', {}, { timeout: 0.3 }));
  const patient = client.request('ping', {}, LONG);
  for (const { data } of await Promise.all(slow)) assert.deepEqual(data, { sent: true });
  assert.deepEqual((await waiting).data, { sent: false });
  assert.ok((await patient).pid);
});

test('a process that has closed its clients exits, with and without a server', OPTIONS, async (t) => {
  const { peers } = arranged(t);
  const program = [
    `import { BridgeClient, Subscriber } from ${JSON.stringify(join(ROOT, 'bridge/node/index.mjs'))};`,
    'const [address, there] = process.argv.slice(2);',
    'const client = new BridgeClient(address);',
    `const events = new Subscriber(address + '.events');`,
    'const reading = (async () => { for await (const event of events) if (!event) break; })();',
    `if (there) await client.request('ping'); else await client.request('ping', {}, { timeout: 0.1 }).catch(() => {});`,
    'const late = client.request("logs", { limit: 4000 }).catch((error) => error.code);',
    'await client.close();',
    'events.close();',
    'await reading;',
    'console.log(await late, process.getActiveResourcesInfo().filter((name) => name !== "PipeWrap").join());',
  ].join('\n');
  const run = async (/** @type {string[]} */ ...args) => {
    const child = spawn(process.execPath, ['--input-type=module', '-', ...args], { cwd: ROOT, timeout: 100_000 });
    const output = child.stdout.setEncoding('utf8').toArray();
    child.stderr.pipe(process.stderr);
    child.stdin.end(program);
    const [code, signal] = await once(child, 'close');
    return [code, signal, (await output).join('')];
  };
  assert.deepEqual(await run(peers.address), [0, null, 'BRIDGE_UNAVAILABLE \n']);
  await peers.start();
  assert.deepEqual(await run(peers.address, 'there'), [0, null, 'BRIDGE_UNAVAILABLE \n']);
});

test('a client that is stopped during its requests does not affect others', OPTIONS, async (t) => {
  const { peers, client } = arranged(t);
  await peers.start();
  const program = [
    `import { BridgeClient } from ${JSON.stringify(join(ROOT, 'bridge/node/index.mjs'))};`,
    'const client = new BridgeClient(process.argv[2]);',
    `await client.peer(); console.log('ready');`,
    'for (;;) await Promise.all(Array.from({ length: 500 }, () => client.request("ping")));',
  ].join('\n');
  const other = spawn(process.execPath, ['--input-type=module', '-', peers.address], { cwd: ROOT });
  t.after(() => other.kill('SIGKILL'));
  other.stdin.end(program);
  await once(other.stdout, 'data');
  other.kill('SIGSTOP');
  for (const n of numbers(500)) await apply(client, n);
  assert.deepEqual(peers.accepted(), numbers(500));
});

test('sessions that start and end many times leave no socket behind', OPTIONS, async (t) => {
  const { peers } = arranged(t);
  await peers.start();
  const handles = () => process.getActiveResourcesInfo().length;
  const before = handles();
  for (const n of numbers(100)) {
    const client = new BridgeClient(peers.address);
    const events = new Subscriber(`${peers.address}.events`);
    const first = events[Symbol.asyncIterator]().next();
    await apply(client, n);
    await first;
    await client.close();
    events.close();
  }
  await pause(0);
  assert.ok(handles() <= before + 2, `${handles()} handles after, ${before} before`);
});

test('encode and the server agree on every text', OPTIONS, async (t) => {
  const { peers, client } = arranged(t);
  await peers.start();
  const events = new Subscriber(`${peers.address}.events`);
  t.after(() => events.close());
  const stream = events[Symbol.asyncIterator]();
  await stream.next();
  for (const workspace of ['', 'café 日本 😀', '\\ud800', '"\n\u0000\u007f\u2028', '..', '\ufeff']) {
    assert.ok(encode({ id: '1', session: 's', kind: 'tools', body: { workspace } }));
    await client.request('tools', { workspace });
    assert.equal((await stream.next()).value?.subject, workspace);
  }
});
