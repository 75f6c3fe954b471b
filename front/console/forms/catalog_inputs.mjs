/** The settings of a catalogue entry as typed in a form, and as the API takes them. Pure. */

/** @typedef {import('../../../bridge/node/types.mjs').CatalogInput} Input */

/** A secret that is a variable of the hub already. */
const REFERENCE = /^\$\{[A-Za-z_][A-Za-z0-9_]*\}$/;
const NUMBER = /^-?\d+(?:\.\d+)?$/;

/** Return the inputs that a user may give, the required ones first. @param {readonly Input[]} inputs */
export function asked(inputs) {
  const open = inputs.filter(({ fixed }) => fixed === null);
  return [...open.filter(isNeeded), ...open.filter((input) => !isNeeded(input))];
}

/** Return whether the server needs a value that the entry does not have. @param {Input} input */
export const isNeeded = ({ required, default: standard, fixed }) => required && !standard && fixed === null;

/** Return what the field of an input shows at first. @param {Input} input */
export const initial = ({ secret, default: standard }) => (secret ? '' : (standard ?? ''));

/**
 * Return why a text cannot be the value of an input; empty if it can. The hub checks it again.
 * @param {Input} input @param {string} text
 */
export function faultOf(input, text) {
  if (text.trim() === '') return isNeeded(input) ? 'Enter a value.' : '';
  const wrong = linesOf(input, text).find((line) => input.format === 'number' && !NUMBER.test(line));
  return wrong === undefined ? '' : `${wrong} is not a number.`;
}

/**
 * Return values and secrets as `activate` takes them: what is left empty, or as the entry has it, is left out.
 * @param {readonly Input[]} inputs @param {Record<string, string>} texts what was typed, by name
 * @returns {{ values: Record<string, string | string[]>, secrets: Record<string, string> }}
 */
export function answersOf(inputs, texts) {
  const given = asked(inputs).filter(
    (input) => (texts[input.name] ?? '') !== '' && texts[input.name] !== initial(input),
  );
  const isStored = (/** @type {Input} */ input) => input.secret && !REFERENCE.test(texts[input.name]);
  return {
    values: Object.fromEntries(
      given
        .filter((input) => !isStored(input))
        .map((input) => [input.name, input.repeated ? linesOf(input, texts[input.name]) : texts[input.name]]),
    ),
    secrets: Object.fromEntries(given.filter(isStored).map(({ name }) => [name, texts[name]])),
  };
}

/** @param {Input} input @param {string} text */
function linesOf({ repeated }, text) {
  if (!repeated) return [text.trim()];
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
}
