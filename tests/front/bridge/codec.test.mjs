/** bridge/node: encoding and decoding of envelopes, and the kinds, as on the Python side. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { decode, encode, MAX_BYTES, newSession } from '../../../bridge/node/codec.mjs';
import { BridgeError } from '../../../bridge/node/errors.mjs';
import { answerBody, KINDS, kindOf } from '../../../bridge/node/kinds.mjs';
import { PYTHON, ROOT } from '../support/hub.mjs';

const ENVELOPE = { version: 1, id: '1', session: 's', kind: 'ping', body: {} };

/** @param {string} name @returns {any[]} */
const vectors = (name) => JSON.parse(readFileSync(join(ROOT, 'bridge/vectors', `${name}.json`), 'utf8'));

/** The bytes of a vector: from `text` or `hex`, with spaces up to `pad_to` bytes. */
function raw(/** @type {any} */ vector) {
  const data = Buffer.from(vector.hex ?? vector.text, vector.hex ? 'hex' : 'utf8');
  return Buffer.concat([data, Buffer.alloc(Math.max(0, (vector.pad_to ?? 0) - data.length), ' ')]);
}

/** @param {string} code */
const refused = (code) => (/** @type {unknown} */ error) => error instanceof BridgeError && error.code === code;

for (const vector of vectors('envelopes')) {
  test(`reads and writes: ${vector.name}`, () => {
    const found = decode(raw(vector));
    assert.deepEqual(found, vector.envelope);
    assert.deepEqual(decode(encode(found)), found);
  });
}

for (const vector of vectors('invalid_envelopes')) {
  test(`refuses: ${vector.name}`, () => {
    assert.throws(
      () => decode(raw(vector)),
      (error) => {
        assert.ok(error instanceof BridgeError);
        assert.equal(error.code, vector.error);
        assert.equal(error.data.id, vector.id);
        return true;
      },
    );
  });
}

test('the members are written in the documented order', () => {
  assert.equal(
    encode({ body: {}, kind: 'ping', session: 's', id: '1' }).toString(),
    '{"version":1,"id":"1","session":"s","kind":"ping","body":{}}',
  );
});

test('values that JSON cannot represent are not sent', () => {
  /** @type {any} */
  const circle = {};
  circle.self = circle;
  for (const x of ['\ud800', 'a\\\ud800', '\udc00\ud83d', 'x\ud83d\ud83d\ude00', { '\udfff': 1 }, 2n ** 64n, circle]) {
    assert.throws(() => encode({ ...ENVELOPE, body: { x } }), refused('BRIDGE_BAD_MESSAGE'));
  }
});

test('text that looks like an escaped lone surrogate is sent unchanged', () => {
  for (const x of ['\\ud800', '😀', '\\\\udfff', '\\\\\\ud800 \\u', '\ud83d\ude00\\ud83d']) {
    assert.equal(decode(encode({ ...ENVELOPE, body: { x } })).body.x, x);
  }
});

test('a lone surrogate is refused when decoding, and a pair of escapes is decoded', () => {
  const message = (/** @type {string} */ x) => Buffer.from(JSON.stringify(ENVELOPE).replace('{}', `{"x":"${x}"}`));
  for (const x of ['\\ud800', '\\uDC00', '\\ud83d\\ud83d', '\\\\\\ud800']) {
    assert.throws(() => decode(message(x)), refused('BRIDGE_BAD_MESSAGE'));
  }
  assert.equal(decode(message('\\ud83d\\uDE00 \\\\ud800')).body.x, '😀 \\ud800');
});

test('NaN and infinities become null', () => {
  for (const x of [Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.deepEqual(decode(encode({ ...ENVELOPE, body: { x } })).body, { x: null });
  }
});

test('a message of exactly 16 MiB passes, and one more byte does not', () => {
  const room = MAX_BYTES - encode({ ...ENVELOPE, body: { x: '' } }).length;
  assert.equal(encode({ ...ENVELOPE, body: { x: 'x'.repeat(room) } }).length, MAX_BYTES);
  assert.throws(() => encode({ ...ENVELOPE, body: { x: 'x'.repeat(room + 1) } }), refused('BRIDGE_TOO_LARGE'));
  const data = encode(ENVELOPE);
  assert.deepEqual(decode(Buffer.concat([data, Buffer.alloc(MAX_BYTES - data.length, ' ')])), ENVELOPE);
});

test('an error message never contains a value, because it may be a secret', () => {
  for (const text of ['hunter2', '{"version":1,"id":["hunter2"],"session":"s","kind":"hunter 2"}', '{"x":hunter2}']) {
    assert.throws(
      () => decode(Buffer.from(text)),
      (error) => error instanceof BridgeError && !error.message.includes('hunter'),
    );
  }
});

test('a name of 128 characters outside the basic plane is not too long', () => {
  assert.equal(decode(encode({ ...ENVELOPE, id: '😀'.repeat(128) })).id.length, 256);
  assert.throws(() => decode(encode({ ...ENVELOPE, id: '😀'.repeat(129) })), refused('BRIDGE_BAD_MESSAGE'));
});

test('each session has a new id', () => {
  assert.equal(new Set(Array.from({ length: 1000 }, newSession)).size, 1000);
});

test('kinds, codes and hints equal those of the Python side', () => {
  const program = [
    'import json; from bridge.models import KINDS; from bridge import errors',
    'kinds = [[k.kind, list(k.sockets), k.repeatable] for k in KINDS.values()]',
    'codes = {c.code: c.hint for c in vars(errors).values() if getattr(c, "code", "").startswith("BRIDGE_")}',
    'print(json.dumps([kinds, codes]))',
  ].join('\n');
  const [kinds, codes] = JSON.parse(execFileSync(PYTHON, ['-c', program], { cwd: ROOT, encoding: 'utf8' }));
  assert.deepEqual(
    [...KINDS.values()].map((kind) => [kind.name, kind.sockets, kind.repeatable]),
    kinds,
  );
  for (const [code, hint] of Object.entries(codes)) {
    const ours = new BridgeError(code, '').hint;
    if (ours) assert.equal(ours, hint, code);
  }
  for (const code of ['BAD_MESSAGE', 'TOO_LARGE', 'ADDRESS', 'VERSION', 'UNKNOWN_KIND', 'UNAVAILABLE']) {
    assert.equal(new BridgeError(`BRIDGE_${code}`, '').hint, codes[`BRIDGE_${code}`]);
  }
});

test('a response is of its kind, an error, or invalid', () => {
  const ping = kindOf('ping');
  assert.deepEqual(answerBody(ping, { ...ENVELOPE, kind: 'ping.ok', body: { pid: 1 } }), { pid: 1 });
  const error = { code: 'NO_SUCH_SERVER', message: 'm', hint: 'h', data: { key: 'k' } };
  assert.throws(
    () => answerBody(ping, { ...ENVELOPE, kind: 'error', body: error }),
    (thrown) => thrown instanceof BridgeError && isDeepStrictEqual(thrown.body(), error),
  );
  for (const kind of ['status.ok', 'ping', 'error']) {
    assert.throws(() => answerBody(ping, { ...ENVELOPE, kind }), refused('BRIDGE_BAD_MESSAGE'));
  }
  assert.throws(() => kindOf('toString'), refused('BRIDGE_UNKNOWN_KIND'));
});
