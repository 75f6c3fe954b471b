/** Arguments of a command as text, one a line, and a command line taken apart (pure). */

/**
 * One a line; what a line cannot say as it is (breaks, blanks at its ends, nothing at all) stands in quotes, as JSON.
 *
 * @param {string[]} args
 */
export function showArgs(args) {
  return args.map((arg) => (plain(arg) ? arg : JSON.stringify(arg))).join('\n');
}

/**
 * @param {string} text
 * @returns {string[]}
 */
export function parseArgs(text) {
  return text
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '')
    .map((line) => unquoted(line.trim()));
}

/** @param {string} arg */
function plain(arg) {
  return arg !== '' && arg === arg.trim() && !/[\r\n]/.test(arg) && unquoted(arg) === arg;
}

/** @param {string} line */
function unquoted(line) {
  if (!/^".*"$/.test(line)) return line;
  try {
    return JSON.parse(line);
  } catch {
    return line;
  }
}

/**
 * A command line as a shell would take it apart at its blanks; null where there is nothing to take apart.
 *
 * @param {string} line
 * @returns {{ command: string, args: string[] }|null}
 */
export function splitCommand(line) {
  const words = [...line.trim().matchAll(/(?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'\\]+|["'\\])+/gs)].map(([word]) =>
    word.replace(/"((?:\\.|[^"\\])*)"|'([^']*)'|\\(.)/gs, (_, double, single, escaped) =>
      double !== undefined ? double.replace(/\\(["\\$`])/g, '$1') : (single ?? escaped),
    ),
  );
  return words.length > 1 ? { command: words[0], args: words.slice(1) } : null;
}
