/** A client's file cannot be changed safely. */
export class Unusable extends Error {
  /** @param {string} message @param {string} hint  what to do */
  constructor(message, hint) {
    super(message);
    this.hint = hint;
  }
}

export const PASTE = 'Add the entry by hand: `hubctl connect CLIENT WORKSPACE --print` shows it.';
