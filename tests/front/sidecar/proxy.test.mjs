/** Forwarding of /mcp to the upstream: no buffering, and nobody waits for a peer that left or died. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { after, afterEach, test } from 'node:test';
import { Log } from '../../../front/server/log.mjs';
import { McpProxy } from '../../../front/server/sidecar/proxy.mjs';
import { load } from '../support/settings.mjs';
import { freePort } from '../support/hub.mjs';

/** @import {IncomingMessage, Server, ServerResponse} from 'node:http' */

const LIMIT = { timeout: 180_000 };
const MIB = 1024 * 1024;
/** What a test may see of the way: bytes that pile up in sockets and buffers between the two ends, at most. */
const IN_BETWEEN = 16 * MIB;

/** @type {(() => Promise<unknown>)[]} */
let closing = [];
const agent = new Agent({ keepAlive: true });
after(() => agent.destroy());
afterEach(async () => {
  for (const close of closing.reverse()) await close();
  closing = [];
});

/** @param {Server} server @param {number} port */
async function listen(server, port) {
  await new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve(undefined)));
  closing.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
}

/**
 * A relay in front of something that answers so; its port, and what it logged.
 * @param {((request: IncomingMessage, response: ServerResponse) => void) | null} behind  none: nobody listens there
 */
async function relayed(behind) {
  const [port, behindPort] = [await freePort(), await freePort()];
  const settings = load({ HUB_PORT: String(port), HUB_SIDECAR_PORT: String(behindPort), HUB_DATA_DIR: '/tmp/x' });
  /** @type {string[]} */
  const lines = [];
  const relay = new McpProxy(settings, new Log('info', (line) => lines.push(line)), { connectTimeout: 300 });
  closing.push(async () => relay.close());
  const upstream = createServer(behind ?? (() => {}));
  if (behind) await listen(upstream, behindPort);
  await listen(
    createServer((asked, answer) => relay.handle(asked, answer)),
    port,
  );
  return { port, upstream, lines, relay, behindPort };
}

/**
 * @param {number} port @param {import('node:http').RequestOptions} [options] @param {string} [body]
 * @returns {Promise<IncomingMessage>}
 */
function ask(port, options = {}, body) {
  return new Promise((resolve, reject) => {
    const asking = request({ port, host: '127.0.0.1', agent, path: '/mcp/demo?a=%2F', ...options }, resolve);
    asking.on('error', reject);
    asking.end(body);
  });
}

test('request and response pass unchanged: method, path, query, headers, status, body', LIMIT, async () => {
  const { port } = await relayed(async (asked, answer) => {
    const body = await text(asked);
    answer.writeHead(202, 'Taken', { 'mcp-session-id': 'one', 'x-two': ['a', 'b'] });
    answer.end(JSON.stringify([asked.method, asked.url, asked.headers['x-mine'], asked.headers.host, body]));
  });
  const answer = await ask(
    port,
    { method: 'POST', headers: { 'x-mine': 'yes', host: 'hub.example' } },
    '{"jsonrpc":"2.0"}',
  );
  assert.deepEqual([answer.statusCode, answer.statusMessage], [202, 'Taken']);
  assert.deepEqual([answer.headers['mcp-session-id'], answer.headers['x-two']], ['one', 'a, b']);
  assert.deepEqual(JSON.parse(await text(answer)), [
    'POST',
    '/mcp/demo?a=%2F',
    'yes',
    'hub.example',
    '{"jsonrpc":"2.0"}',
  ]);
});

test('headers of a stream arrive before its first byte, and each chunk when it is written', LIMIT, async () => {
  /** @type {ServerResponse[]} */
  const streams = [];
  const { port } = await relayed((_, answer) => {
    streams.push(answer.writeHead(200, { 'content-type': 'text/event-stream' }));
    answer.flushHeaders();
  });
  const answer = await ask(port);
  assert.equal(answer.headers['content-type'], 'text/event-stream');
  for (const piece of [': ping\n\n', 'data: 1\n\n']) {
    streams[0].write(piece);
    assert.equal(String((await once(answer, 'data'))[0]), piece);
  }
  streams[0].end();
  await once(answer, 'end');
});

test(
  'a client that leaves a stream aborts the upstream request at once, also after its own request was read',
  LIMIT,
  async () => {
    /** @type {Promise<unknown>[]} */
    const left = [];
    const { port } = await relayed(async (asked, answer) => {
      left.push(once(answer, 'close'));
      await text(asked);
      answer.writeHead(200, { 'content-type': 'text/event-stream' });
      answer.flushHeaders();
    });
    const answer = await ask(port, { method: 'POST' }, '{}');
    answer.destroy();
    await left[0];
  },
);

test('a client that leaves before the response aborts the upstream request', LIMIT, async () => {
  const { port, upstream, lines } = await relayed(() => {});
  const arrived = once(upstream, 'request');
  const asking = request({ port, host: '127.0.0.1', method: 'POST', path: '/mcp/demo' });
  asking.on('error', () => {});
  asking.end('{}');
  const [, answer] = await arrived;
  const closed = once(answer, 'close');
  asking.destroy();
  await closed;
  assert.deepEqual(lines, [], 'that somebody leaves is nothing to tell of');
});

test('a client that leaves while it sends aborts the upstream request', LIMIT, async () => {
  const { port, upstream } = await relayed((asked) => asked.resume());
  const arrived = once(upstream, 'request');
  const asking = request({ port, host: '127.0.0.1', method: 'POST', path: '/mcp/demo' });
  asking.on('error', () => {});
  asking.write('{"jsonrpc":');
  const [asked] = await arrived;
  asked.on('error', () => {});
  const closed = new Promise((resolve) => asked.once('close', resolve));
  asking.destroy();
  await closed;
});

test('without a listening upstream a client waits, then gets a JSON-RPC error with the reason', LIMIT, async () => {
  const { port, lines } = await relayed(null);
  const began = performance.now();
  const answer = await ask(port, { method: 'POST' }, '{"jsonrpc":"2.0","id":1,"method":"ping"}');
  assert.ok(performance.now() - began >= 300);
  assert.equal(answer.statusCode, 503);
  assert.deepEqual([answer.headers['content-type'], answer.headers['retry-after']], ['application/json', '5']);
  const { jsonrpc, id, error } = JSON.parse(await text(answer));
  assert.deepEqual([jsonrpc, id, error.code, error.data.code], ['2.0', null, -32010, 'SIDECAR_AWAY']);
  assert.ok(error.data.hint && error.message.includes(error.data.hint));
  assert.equal(JSON.parse(lines[0]).code, 'SIDECAR_AWAY');
});

test('a request during a restart of the upstream is served completely by the new process', LIMIT, async () => {
  const { port, behindPort } = await relayed(null);
  const sent = 'x'.repeat(MIB);
  const answered = ask(port, { method: 'POST' }, sent);
  setTimeout(async () => {
    const late = createServer(async (asked, answer) => answer.end(String((await text(asked)) === sent)));
    await listen(late, behindPort);
  }, 100);
  assert.equal(await text(await answered), 'true');
});

test('an upstream that dies before it responds causes the same error', LIMIT, async () => {
  const { port } = await relayed((asked) => asked.socket.destroy());
  const answer = await ask(port, { method: 'POST' }, '{}');
  assert.equal(answer.statusCode, 502);
  assert.equal(JSON.parse(await text(answer)).error.data.code, 'SIDECAR_AWAY');
});

test('an upstream that dies during its response leaves no client waiting', LIMIT, async () => {
  const { port } = await relayed((asked, answer) => {
    answer.writeHead(200, { 'content-type': 'text/event-stream' });
    answer.write('data: 1\n\n', () => asked.socket.destroy());
  });
  const answer = await ask(port);
  await assert.rejects(text(answer), { code: 'ECONNRESET' });
});

test('upstream connections are kept alive, whatever the client says about its own', LIMIT, async () => {
  const sockets = new Set();
  const { port } = await relayed((asked, answer) => {
    sockets.add(asked.socket);
    answer.end(JSON.stringify(asked.headers));
  });
  for (let call = 0; call < 20; call += 1) {
    const headers = call % 2 ? { connection: 'close, x-hop', 'x-hop': '1', te: 'trailers' } : {};
    const answer = await ask(port, { headers, agent: call % 2 ? undefined : agent });
    assert.equal(answer.headers.connection, call % 2 ? 'close' : 'keep-alive');
    const seen = JSON.parse(await text(answer));
    assert.deepEqual([seen['x-hop'], seen.te, seen.connection], [undefined, undefined, 'keep-alive']);
  }
  assert.equal(sockets.size, 1);
});

test('an upstream connection that was closed while idle is not used again', LIMIT, async () => {
  const { port, upstream, relay } = await relayed((_, answer) => answer.end('ok'));
  assert.equal(await text(await ask(port)), 'ok');
  const [socket] = Object.values(relay.agent.freeSockets).flatMap((sockets) => sockets ?? []);
  const gone = once(socket, 'close');
  upstream.closeIdleConnections();
  await gone;
  assert.equal(await text(await ask(port)), 'ok');
});

test('Connection: close of the upstream is not passed on to the client', LIMIT, async () => {
  const { port } = await relayed((_, answer) =>
    answer.writeHead(200, { connection: 'close', 'keep-alive': 'timeout=1' }).end('ok'),
  );
  const answer = await ask(port);
  assert.equal(answer.headers.connection, 'keep-alive');
  assert.notEqual(answer.headers['keep-alive'], 'timeout=1');
  assert.equal(await text(answer), 'ok');
});

test('backpressure: a slow client slows down the upstream, and nothing is buffered without limit', LIMIT, async () => {
  const piece = Buffer.alloc(MIB);
  let written = 0;
  const { port } = await relayed((_, answer) => {
    const more = () => {
      while (written < 256 * MIB) {
        written += piece.length;
        if (!answer.write(piece)) break;
      }
    };
    answer.on('drain', more);
    more();
  });
  const answer = await ask(port);
  answer.pause();
  await settled(() => written);
  assert.ok(written < IN_BETWEEN, `${written} bytes were taken of a stream that nobody reads`);
  const before = written;
  answer.resume();
  await settled(
    () => written,
    (now) => now > before + IN_BETWEEN,
  );
  answer.destroy();
});

test('backpressure: a slow upstream slows down the client, and nothing is buffered without limit', LIMIT, async () => {
  const { port, upstream } = await relayed((asked) => asked.pause());
  const arrived = once(upstream, 'request');
  const asking = request({ port, host: '127.0.0.1', method: 'POST', path: '/mcp/demo' });
  asking.on('error', () => {});
  const piece = Buffer.alloc(MIB);
  let written = 0;
  const more = () => {
    while (written < 256 * MIB) {
      written += piece.length;
      if (!asking.write(piece)) break;
    }
  };
  asking.on('drain', more);
  more();
  await arrived;
  await settled(() => written);
  assert.ok(written < IN_BETWEEN, `${written} bytes were taken for one who does not read`);
  asking.destroy();
});

/**
 * Wait until a figure has not changed for a while, or is as wanted.
 * @param {() => number} figure @param {(now: number) => boolean} [wanted]
 */
async function settled(figure, wanted = () => false) {
  let last = -1;
  for (let same = 0; same < 8;) {
    await new Promise((resolve) => setTimeout(resolve, 30));
    const now = figure();
    if (wanted(now)) return;
    same = now === last && now > 0 ? same + 1 : 0;
    last = now;
  }
}

test('a response before the end of the request reaches the client', LIMIT, async () => {
  const { port } = await relayed((_, answer) => answer.writeHead(413, { connection: 'close' }).end('too large'));
  const asking = request({ port, host: '127.0.0.1', method: 'POST', path: '/mcp/demo' });
  asking.on('error', () => {});
  asking.write('{');
  const [answer] = await once(asking, 'response');
  assert.equal(answer.statusCode, 413);
  assert.equal(await text(answer), 'too large');
  asking.destroy();
});

test('an HTTP/1.0 client gets its response without chunks, and the connection closes', LIMIT, async () => {
  const { port } = await relayed((_, answer) => {
    answer.write('one ');
    answer.end('two');
  });
  const socket = connect(port, '127.0.0.1');
  socket.write('GET /mcp/demo HTTP/1.0\r\nHost: localhost\r\n\r\n');
  const said = await text(socket);
  assert.ok(said.endsWith('\r\n\r\none two'), said);
  assert.doesNotMatch(said, /transfer-encoding/i);
});

test('the front answers Expect: 100-continue', LIMIT, async () => {
  const { port } = await relayed(async (asked, answer) => answer.end(`${asked.headers.expect} ${await text(asked)}`));
  const asking = request({
    port,
    host: '127.0.0.1',
    method: 'POST',
    headers: { expect: '100-continue' },
    path: '/mcp/x',
  });
  asking.flushHeaders();
  await once(asking, 'continue');
  asking.end('body');
  const [answer] = await once(asking, 'response');
  assert.equal(await text(answer), 'undefined body');
});

test('100 concurrent requests get their own responses', LIMIT, async () => {
  const { port } = await relayed(async (asked, answer) => {
    const body = await text(asked);
    setImmediate(() => answer.end(body));
  });
  const numbers = Array.from({ length: 100 }, (_, index) => String(index));
  const answers = await Promise.all(numbers.map(async (number) => text(await ask(port, { method: 'POST' }, number))));
  assert.deepEqual(answers, numbers);
});

test(
  'a front that stops answers what is in progress, and refuses new requests before they are sent',
  LIMIT,
  async () => {
    /** @type {ServerResponse[]} */
    const held = [];
    const { port, relay } = await relayed((_, answer) => void held.push(answer));
    const first = ask(port);
    while (held.length < 1) await pause(2);
    const stopped = relay.finish(0, 100_000);
    await pause(1); // `finish` refuses from the next turn of the event loop on
    const refused = await ask(port, { path: '/mcp/new' });
    assert.equal(refused.statusCode, 503);
    assert.ok(refused.headers['retry-after']);
    assert.match(await text(refused), /"HUB_STOPPING".*"retryable":true/s);
    held[0].end('done');
    const answer = await first;
    assert.equal(answer.headers.connection, 'close');
    assert.equal(await text(answer), 'done');
    await stopped;
  },
);

test(
  'a front that stops forwards to a sidecar that hands over, and waits no longer than its limit',
  LIMIT,
  async () => {
    const { port, relay } = await relayed((asked, answer) => void (asked.url === '/mcp/x' && answer.end('yes')));
    void ask(port).catch(() => {});
    const stopped = relay.finish(200, 300);
    assert.equal(await text(await ask(port, { path: '/mcp/x' })), 'yes');
    await stopped;
  },
);

test('who waits for the sidecar hears when it listens, or when the time is over', LIMIT, async () => {
  const { relay, behindPort } = await relayed(null);
  await relay.untilListening(0);
  const waiting = relay.untilListening(100_000);
  await listen(createServer(), behindPort);
  await waiting;
});
