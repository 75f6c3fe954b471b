// Records when named keys were used for pages and the API, and reports it to the adapter at most once a minute.

/** Milliseconds from a use until it is reported. */
const REPORT_INTERVAL_MS = 60_000;

/** Uses that are not reported yet. When the front ends, at most a minute of them is lost. */
export class KeyUses {
  /** Unix time in seconds, by the id of the key. @type {Map<string, number>} */
  #uses = new Map();
  /** @type {NodeJS.Timeout | null} */
  #timer = null;
  /** @type {((uses: Record<string, number>) => Promise<unknown>) | null} */
  #tell = null;

  /** @param {number} [period] */
  constructor(period = REPORT_INTERVAL_MS) {
    this.period = period;
  }

  /** Start to report uses by calling `tell`. @param {(uses: Record<string, number>) => Promise<unknown>} tell */
  start(tell) {
    this.#tell = tell;
  }

  /** Record a use of a key. @param {string} id */
  note(id) {
    this.#uses.set(id, Date.now() / 1000);
    this.#timer ??= setTimeout(() => this.flush(), this.period).unref();
  }

  /** Report now; uses that cannot be reported stay for the next report. */
  async flush() {
    this.close();
    const uses = Object.fromEntries(this.#uses);
    if (!this.#tell || this.#uses.size === 0) return;
    this.#uses.clear();
    try {
      await this.#tell(uses);
    } catch {
      for (const [id, at] of Object.entries(uses)) if (!this.#uses.has(id)) this.#uses.set(id, at);
    }
  }

  /** Stop the timer. */
  close() {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
