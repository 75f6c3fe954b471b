/** Wrong tokens: how many an address may try, how long it waits, and that there is an end to what is remembered. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Attempts, networkOf } from '../../../front/server/access/attempts.mjs';

/** @param {{now: number}} time */
const attempts = (time) => new Attempts(() => time.now);

test('after ten wrong tokens in a minute an address waits until the first of them is a minute old', () => {
  const time = { now: 100 };
  const all = attempts(time);
  for (let count = 1; count <= 10; count += 1) {
    assert.equal(all.wait('a'), 0, `before number ${count}`);
    assert.equal(all.failed('a'), count === 10);
    time.now += 1;
  }
  assert.equal(all.wait('a'), 50);
  time.now = 159.5;
  assert.equal(all.wait('a'), 1);
  time.now = 160;
  assert.equal(all.wait('a'), 0);
  assert.equal(all.failed('a'), true, 'nine of the last minute are left');
});

test('who goes on while it has to wait does not wait the longer', () => {
  const time = { now: 0 };
  const all = attempts(time);
  for (let count = 0; count < 10; count += 1) all.failed('a');
  for (time.now = 1; time.now < 60; time.now += 1) assert.equal(all.failed('a'), false);
  time.now = 60;
  assert.equal(all.wait('a'), 0);
});

test('one address does not wait for what another did', () => {
  const all = attempts({ now: 0 });
  for (let count = 0; count < 10; count += 1) all.failed('192.0.2.1');
  assert.ok(all.wait('192.0.2.1') > 0);
  assert.equal(all.wait('192.0.2.2'), 0);
});

test('of IPv6 whoever has an address has its first 64 bits', () => {
  assert.equal(networkOf('2001:db8:1:2::7'), '2001:db8:1:2::/64');
  assert.equal(networkOf('2001:DB8:1:2:3:4:5:6'), '2001:db8:1:2::/64');
  assert.equal(networkOf('::1'), '0:0:0:0::/64');
  assert.equal(networkOf('fe80::1%eth0'), 'fe80:0:0:0::/64');
  assert.equal(networkOf('2001:db8::3:4:5:6:7'), '2001:db8:0:3::/64');
  assert.equal(networkOf('192.0.2.1'), '192.0.2.1');
  assert.equal(networkOf(''), '');
});

test('no more than some thousand addresses are remembered, those that were wrong last', () => {
  const all = attempts({ now: 0 });
  for (let count = 0; count < 10; count += 1) all.failed('first');
  for (let one = 0; one < 5000; one += 1) all.failed(`10.0.${one >> 8}.${one & 255}`);
  assert.equal(all.size, 4096);
  assert.equal(all.wait('first'), 0);
});

test('what is over a minute old is forgotten', () => {
  const time = { now: 0 };
  const all = attempts(time);
  all.failed('a');
  time.now = 61;
  assert.equal(all.wait('a'), 0);
  assert.equal(all.size, 0);
});
