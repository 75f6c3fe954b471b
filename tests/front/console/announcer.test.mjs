/** Announcements of the console for screen readers. */

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { startAnnouncer } from '../../../front/console/hub/announcer.mjs';
import { announcement } from '../../../front/console/ui/toast.mjs';

test('simultaneous events are announced together: the last one of each item, the first few, and the number of the rest', (t) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.after(() => mock.timers.reset());
  /** @type {(event: any) => void} */
  let tell = () => {};
  const end = startAnnouncer({
    onEvent(listener) {
      tell = listener;
      return () => {};
    },
  });
  const emit = (/** @type {string} */ subject, /** @type {string} */ text) =>
    tell({ at: 1, kind: 'workspace', subject, text, tone: 'ok', loud: true });
  tell({ at: 1, kind: 'server', subject: 'quiet', text: 'ready', tone: 'ok' });
  emit('a', 'starting');
  emit('a', 'ready');
  for (const name of ['b', '', 'd', 'e']) emit(name, 'off');
  assert.equal(announcement.value, '');
  mock.timers.tick(1000);
  assert.equal(announcement.value, 'a: ready. b: off. (no name): off. And 2 more changes');
  emit('a', 'off');
  end();
  mock.timers.tick(1000);
  assert.equal(announcement.value, 'a: ready. b: off. (no name): off. And 2 more changes');
});
