/** Converts a command's arguments to text, one a line, and splits command lines. Pure. */

/**
 * Return the arguments one a line; one with line breaks, outer spaces or no characters is quoted as JSON.
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

/** Programs whose first argument that is not an option is a package name, which contains no spaces. */
const PACKAGE_RUNNERS = new Set(['bunx', 'npx', 'pnpx', 'pipx', 'uvx']);

/**
 * Return the arguments with each that holds several (`-y @scope/package`, or a package and its arguments) split; null
 * if
 * there is none. The adapter reports the same ones (`ARGUMENT_HAS_SPACES`).
 *
 * @param {string} command
 * @param {string[]} args
 * @returns {string[]|null}
 */
export function unpackedArgs(command, args) {
  const runs = PACKAGE_RUNNERS.has(command.trim().split('/').at(-1) ?? '');
  const holdsMore = (/** @type {string} */ arg) => /^--?[A-Za-z][\w-]*[ \t]+\S/.test(arg);
  const first = runs ? args.findIndex((arg) => holdsMore(arg) || !arg.startsWith('-')) : -1;
  const packed = (/** @type {string} */ arg, /** @type {number} */ at) =>
    holdsMore(arg) || (at === first && /\S\s+\S/.test(arg));
  return args.some(packed) ? args.flatMap((arg, at) => (packed(arg, at) ? words(arg) : [arg])) : null;
}

/**
 * Split a command line as a shell would; null if there is nothing to split.
 *
 * @param {string} line
 * @returns {{ command: string, args: string[] }|null}
 */
export function splitCommand(line) {
  const [command, ...args] = words(line);
  return args.length > 0 ? { command, args } : null;
}

/** @param {string} line @returns {string[]} */
export function words(line) {
  return [...line.trim().matchAll(/(?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'\\]+|["'\\])+/gs)].map(([word]) =>
    word.replace(/"((?:\\.|[^"\\])*)"|'([^']*)'|\\(.)/gs, (_, double, single, escaped) =>
      double !== undefined ? double.replace(/\\(["\\$`])/g, '$1') : (single ?? escaped),
    ),
  );
}
