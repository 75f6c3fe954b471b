// When named keys were used for pages and the API: the adapter keeps it, and is told at most once a minute.

/** Milliseconds from a use to when the adapter is told. */
const PERIOD = 60_000;

/** What was not told yet. What is there when the front ends is lost: a minute at most. */
export class KeyUses {
  /** Unix time in seconds, by the id of the key. @type {Map<string, number>} */
  #uses = new Map();
  /** @type {NodeJS.Timeout | null} */
  #timer = null;
  /** @type {((uses: Record<string, number>) => Promise<unknown>) | null} */
  #tell = null;

  /** @param {number} [period] */
  constructor(period = PERIOD) {
    this.period = period;
  }

  /** Tell by `tell` from now on. @param {(uses: Record<string, number>) => Promise<unknown>} tell */
  start(tell) {
    this.#tell = tell;
  }

  /** Someone came with the key. @param {string} id */
  note(id) {
    this.#uses.set(id, Date.now() / 1000);
    this.#timer ??= setTimeout(() => this.flush(), this.period).unref();
  }

  /** Tell now; what nobody took is told with the next use. */
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

  /** Forget the timer. */
  close() {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
