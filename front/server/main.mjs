// `node main.mjs`: runs the front as a process. Exit status 2, with one line on stderr: it cannot start.

import { Front } from './app.mjs';
import { FrontError } from './errors.mjs';
import { Log } from './log.mjs';
import { load } from './settings.mjs';

/** Milliseconds for an orderly shutdown, after the requests in progress. */
const EXIT_TIMEOUT_MS = 1_800;

async function main() {
  const settings = load();
  const log = new Log(settings.logLevel);
  process.stderr.on('error', () => {}); // nobody reads the log any more: go on
  for (const name of /** @type {const} */ (['uncaughtException', 'unhandledRejection'])) {
    process.on(name, (/** @type {unknown} */ error) => {
      log.fault('the front ends on an error that nothing expected', error);
      process.exit(1);
    });
  }
  const front = new Front(settings, log);
  const stopSignal = new Promise((resolve) => {
    for (const signal of /** @type {const} */ (['SIGTERM', 'SIGINT'])) process.once(signal, resolve);
  });
  if (settings.tls) process.on('SIGHUP', () => front.reload());
  await front.start();
  await stopSignal;
  log.info('front stopping');
  setTimeout(() => process.exit(0), settings.stopTimeout * 1_000 + EXIT_TIMEOUT_MS).unref();
  await front.stop();
}

try {
  await main();
  process.exit(0);
} catch (error) {
  if (!(error instanceof FrontError)) throw error;
  process.stderr.write(`${error.code}: ${error.message} ${error.hint}\n`);
  process.exit(2);
}
