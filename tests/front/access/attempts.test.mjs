/** Wrong tokens: the limit for each address, the wait, and bounded memory. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Attempts, networkOf } from '../../../front/server/access/attempts.mjs';

/** @param {{now: number}} time */
const attempts = (time) => new Attempts(() => time.now);

test('after ten wrong tokens within a minute an address waits until the first is a minute old', () => {
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

test('attempts during the wait do not extend it', () => {
  const time = { now: 0 };
  const all = attempts(time);
  for (let count = 0; count < 10; count += 1) all.failed('a');
  for (time.now = 1; time.now < 60; time.now += 1) assert.equal(all.failed('a'), false);
  time.now = 60;
  assert.equal(all.wait('a'), 0);
});

test('wrong tokens of one address do not affect another', () => {
  const all = attempts({ now: 0 });
  for (let count = 0; count < 10; count += 1) all.failed('192.0.2.1');
  assert.ok(all.wait('192.0.2.1') > 0);
  assert.equal(all.wait('192.0.2.2'), 0);
});

test('IPv6 addresses are counted by their /64 network', () => {
  assert.equal(networkOf('2001:db8:1:2::7'), '2001:db8:1:2::/64');
  assert.equal(networkOf('2001:DB8:1:2:3:4:5:6'), '2001:db8:1:2::/64');
  assert.equal(networkOf('::1'), '0:0:0:0::/64');
  assert.equal(networkOf('fe80::1%eth0'), 'fe80:0:0:0::/64');
  assert.equal(networkOf('2001:db8::3:4:5:6:7'), '2001:db8:0:3::/64');
  assert.equal(networkOf('192.0.2.1'), '192.0.2.1');
  assert.equal(networkOf(''), '');
});

test('the number of remembered addresses is bounded; the oldest are forgotten first', () => {
  const all = attempts({ now: 0 });
  for (let count = 0; count < 10; count += 1) all.failed('first');
  for (let one = 0; one < 5000; one += 1) all.failed(`10.0.${one >> 8}.${one & 255}`);
  assert.equal(all.size, 4096);
  assert.equal(all.wait('first'), 0);
});

test('wrong tokens that are older than a minute are forgotten', () => {
  const time = { now: 0 };
  const all = attempts(time);
  all.failed('a');
  time.now = 61;
  assert.equal(all.wait('a'), 0);
  assert.equal(all.size, 0);
});
