// Heartbeats of a program on Node: the supervisor ends it if its event loop stops writing them (bridge/heartbeat.py).
// Loaded with `node --import`, before the front and before YAMCP-UI.

import { writeSync } from 'node:fs';

const VARIABLE = 'YAMCP_HUB_HEARTBEAT_FD';
const INTERVAL_MS = 2_000;

/** Write heartbeats until the supervisor has ended. @param {number} descriptor */
function start(descriptor) {
  const timer = setInterval(beat, INTERVAL_MS).unref();
  beat();

  function beat() {
    try {
      writeSync(descriptor, '.');
    } catch (error) {
      const { code } = /** @type {NodeJS.ErrnoException} */ (error);
      if (code !== 'EAGAIN') clearInterval(timer); // EAGAIN: full, the supervisor has been stopped for hours
    }
  }
}

const value = process.env[VARIABLE];
delete process.env[VARIABLE]; // it is not for programs that this one starts
if (value) start(Number(value));
