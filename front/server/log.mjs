// JSON logs on stderr, one line for each event, in the format of bridge/logs.py. Callers must not pass secrets.

const LEVELS = { debug: 10, info: 20, warning: 30, error: 40 };

/** @typedef {keyof typeof LEVELS} Level */

/** The log of this process. */
export class Log {
  /**
   * @param {string} level the least one that is written
   * @param {(line: string) => void} [write]
   */
  constructor(level, write = (line) => process.stderr.write(line)) {
    this.least = LEVELS[/** @type {Level} */ (level)] ?? LEVELS.info;
    this.write = write;
  }

  /**
   * @param {Level} level
   * @param {string} message
   * @param {Record<string, unknown>} [fields]
   */
  say(level, message, fields = {}) {
    if (LEVELS[level] < this.least) return;
    const time = new Date().toISOString().replace('Z', '+00:00');
    this.write(`${JSON.stringify({ time, level, process: 'front', logger: 'front', message, ...fields })}\n`);
  }

  /** @param {string} message @param {Record<string, unknown>} [fields] */
  debug(message, fields) {
    this.say('debug', message, fields);
  }

  /** @param {string} message @param {Record<string, unknown>} [fields] */
  info(message, fields) {
    this.say('info', message, fields);
  }

  /** @param {string} message @param {Record<string, unknown>} [fields] */
  warning(message, fields) {
    this.say('warning', message, fields);
  }

  /**
   * Log an unexpected error with its stack, which is shown nowhere else.
   * @param {string} message @param {unknown} error @param {Record<string, unknown>} [fields]
   */
  fault(message, error, fields = {}) {
    const exception = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.say('error', message, { code: 'HUB_INTERNAL', ...fields, exception });
  }
}
