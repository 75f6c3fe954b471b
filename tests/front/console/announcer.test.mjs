/** What the console says aloud. */

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { startAnnouncer } from '../../../front/console/hub/announcer.mjs';
import { said } from '../../../front/console/ui/toast.mjs';

test('what happens at once is said at once: the last of each, the first few, and how many more', (t) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.after(() => mock.timers.reset());
  /** @type {(happening: any) => void} */
  let tell = () => {};
  const end = startAnnouncer({
    onEvent(ear) {
      tell = ear;
      return () => {};
    },
  });
  const happening = (/** @type {string} */ subject, /** @type {string} */ text) =>
    tell({ at: 1, kind: 'workspace', subject, text, tone: 'ok', loud: true });
  tell({ at: 1, kind: 'server', subject: 'quiet', text: 'ready', tone: 'ok' });
  happening('a', 'starting');
  happening('a', 'ready');
  for (const name of ['b', '', 'd', 'e']) happening(name, 'off');
  assert.equal(said.value, '');
  mock.timers.tick(1000);
  assert.equal(said.value, 'a: ready. b: off. (no name): off. And 2 more changes');
  happening('a', 'off');
  end();
  mock.timers.tick(1000);
  assert.equal(said.value, 'a: ready. b: off. (no name): off. And 2 more changes');
});
