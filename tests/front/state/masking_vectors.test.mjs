/** What pages mask of addresses and command lines is what the sidecar's logs mask (tests/unit/sidecar/observe/test_masking_vectors.py). */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isSecretName } from '../../../bridge/node/secret_names.mjs';
import { MASK, mask, unmask } from '../../../front/server/state/masking.mjs';

const VECTORS = JSON.parse(readFileSync(join(import.meta.dirname, '../../../bridge/vectors/masking.json'), 'utf8'));
const masked = (/** @type {string} */ text) => text.replaceAll('{}', MASK);

test('names tell of secrets', () => {
  for (const name of VECTORS.secretNames) assert.ok(isSecretName(name), name);
  for (const name of VECTORS.otherNames) assert.ok(!isSecretName(name), name);
});

test('addresses', () => {
  for (const [url, shown] of VECTORS.urls) {
    for (const entry of [{ url }, { args: [url] }]) {
      const made = mask(entry);
      assert.deepEqual(Object.values(made).flat(), [masked(shown)]);
      assert.deepEqual(unmask(made, entry), entry);
    }
  }
});

test('arguments', () => {
  for (const [args, shown] of VECTORS.args) {
    const made = mask({ args });
    assert.deepEqual(made.args, shown.map(masked));
    assert.deepEqual(unmask(made, { args }), { args });
    assert.deepEqual(mask({ providerParameters: { args } }).providerParameters, made);
  }
});

test('headers and variables', () => {
  for (const [name, value] of VECTORS.headers)
    for (const field of ['headers', 'env'])
      assert.deepEqual(mask({ [field]: { [name]: value } }), { [field]: { [name]: MASK } });
});

test('what logs alone mask is shown, but for the password', () => {
  for (const [url] of VECTORS.loggedLess) {
    assert.equal(/** @type {any} */ (mask({ url })).url, url.replace('pa55word', MASK));
  }
});

test('entries, with what is in their arguments in JSON', () => {
  for (const { entry, shown, secrets } of VECTORS.entries) {
    const made = mask(entry);
    assert.deepEqual(made, JSON.parse(masked(JSON.stringify(shown))));
    assert.deepEqual(unmask(made, entry), entry);
    for (const secret of secrets) assert.ok(!JSON.stringify(made).includes(secret), secret);
  }
});

test('an argument in JSON that is edited keeps its values; what is nested too deep to be read is shown whole', () => {
  const args = ['--config', '{"a":{"apiKey":"one111"},"token":"two222","note":"x"}'];
  const shown = /** @type {any} */ (mask({ args })).args;
  assert.equal(shown[1], `{"a":{"apiKey":"${MASK}"},"token":"${MASK}","note":"x"}`);
  const edited = [`{"token": "${MASK}", "a": {"apiKey": "${MASK}"}, "note": "y"}`];
  assert.deepEqual(unmask({ args: edited }, { args }), {
    args: ['{"token": "two222", "a": {"apiKey": "one111"}, "note": "y"}'],
  });
  const deep = '['.repeat(200_000);
  assert.deepEqual(mask({ args: [deep] }), { args: [deep] });
});

test('arguments that were moved and added keep their values; what has none stored is refused', () => {
  const args = ['--api-key', 'first1', '--token=second', '-e', 'API_KEY=third1', '--pin', 1234];
  const shown = /** @type {any} */ (mask({ args })).args;
  assert.deepEqual(shown, ['--api-key', MASK, `--token=${MASK}`, '-e', `API_KEY=${MASK}`, '--pin', MASK]);
  const moved = ['-v', '--pin', MASK, `--token=${MASK}`, '--api-key', MASK, '-e', 'API_KEY=new'];
  assert.deepEqual(unmask({ args: moved }, { args }), {
    args: ['-v', '--pin', 1234, '--token=second', '--api-key', 'first1', '-e', 'API_KEY=new'],
  });
  assert.throws(() => unmask({ args: ['--token', MASK] }, { args }), /args/);
  assert.throws(() => unmask({ args: [`--token=${MASK}`] }, { args: 'none' }), /args/);
});
