/** Which parts of an address and of a command line are secret (pure). The sidecar's logs mask the same: `sidecar/observe/redaction.py`. */

import { parseTree } from 'jsonc-parser';
import { isOpenWord, isSecretName, looksLikeToken } from '../../../bridge/node/secret_names.mjs';

/** What stands for a value that is not shown. */
export const MASK = '********';

/** A header as an argument, as `--header` of many programs wants it. */
const HEADER = /^([\w-]{1,64}: {0,8}(?:(?:bearer|basic|token) {1,8})?)([^/ ].*)$/is;

/** @typedef {{text: any, secret?: string}} Part a piece of a text; `secret` names what it is: `@`, `/`, a parameter, a flag */

/**
 * An address in parts.
 *
 * @param {string} url
 * @returns {Part[]}
 */
export function splitUrl(url) {
  const [from, to] = userinfo(url);
  const [path, ...queries] = url.slice(to).split(/(?=[?&#])/);
  return [
    { text: url.slice(0, from) },
    { text: url.slice(from, to), ...(to > from && { secret: '@' }) },
    ...splitPath(path),
    ...queries.flatMap(splitParameter),
  ];
}

/**
 * The arguments of a command, each in parts. Secret are what follows a flag with a telling name (`--api-key X`,
 * `--token=X`), a header with one (`X-Api-Key: X`), a field of JSON with one, and what is secret in an address.
 *
 * @param {unknown[]} args
 * @returns {Part[][]}
 */
export function splitArguments(args) {
  let before = '';
  return args.map((arg) => {
    const flag = before;
    before = flagOf(arg);
    return splitArgument(arg, flag);
  });
}

/** The flag whose value comes next, or nothing. @param {unknown} arg */
function flagOf(arg) {
  return typeof arg === 'string' && arg.startsWith('-') && !arg.includes('=') && isSecretName(arg) ? arg : '';
}

/** @type {(arg: unknown, flag: string) => Part[]} */
function splitArgument(arg, flag) {
  const text = typeof arg === 'number' ? String(arg) : arg;
  if (typeof text !== 'string') return [{ text: arg }];
  if (flag && !text.startsWith('-')) return [valueOf(arg, flag)];
  const whole = splitJson(text);
  if (whole) return whole;
  const [, header, told] = HEADER.exec(text) ?? [];
  if (header && isSecretName(header.slice(0, header.indexOf(':')))) return [{ text: header }, valueOf(told, header)];
  const [, name = '', value = text] = /^([^=]*=)(.*)$/s.exec(text) ?? [];
  if (name && !name.includes('://') && isSecretName(name.slice(0, -1))) return [{ text: name }, valueOf(value, name)];
  const json = name ? splitJson(value) : null;
  if (json) return [{ text: name }, ...json];
  if (!text.includes('://')) return [{ text: arg }];
  const inName = name.includes('://');
  return inName ? splitUrl(text) : [{ text: name }, ...splitUrl(value)];
}

/** A value that its name calls secret, unless it is an ordinary word or a path. @type {(value: any, name: string) => Part} */
function valueOf(value, name) {
  const text = String(value);
  return text === '' || isOpenWord(text) || isPath(text) ? { text: value } : { text: value, secret: name };
}

/** Whether it reads as a path, and not as a token that begins with a slash, as one in base64 may. @param {string} text */
function isPath(text) {
  return /^(?:~|\.?\.?\/)/.test(text) && !/[+=]/.test(text) && !text.split('/').some(looksLikeToken);
}

/**
 * An object or list in JSON. Secret are the texts at any depth under a name that tells so, and what is secret in addresses.
 *
 * @param {string} text
 * @returns {Part[] | null} null for what is no such JSON
 */
function splitJson(text) {
  if (!/^\s*[[{]/.test(text)) return null;
  try {
    /** @type {import('jsonc-parser').ParseError[]} */
    const errors = [];
    const tree = parseTree(text, errors, { disallowComments: true });
    return tree && errors.length === 0 ? piecesOf(text, textsOf(tree, '')) : null;
  } catch (error) {
    if (error instanceof RangeError) return null; // the parser is recursive: its stack has an end
    throw error;
  }
}

/** @typedef {{node: import('jsonc-parser').Node, name: string}} Text  a text in JSON; `name` is the telling one that it is under */

/** @type {(node: import('jsonc-parser').Node, name: string) => Text[]} */
function textsOf(node, name) {
  if (node.type === 'string') return [{ node, name }];
  if (node.type !== 'object') return (node.children ?? []).flatMap((item) => textsOf(item, name));
  return (node.children ?? []).flatMap(({ children: [key, value] = [] }) =>
    value ? textsOf(value, name || (isSecretName(key.value) ? key.value : '')) : [],
  );
}

/** @type {(text: string, texts: Text[]) => Part[]} */
function piecesOf(text, texts) {
  /** @type {Part[]} */
  const parts = [];
  let done = 0;
  for (const { node, name } of texts) {
    const [from, to] = [node.offset + 1, node.offset + node.length - 1];
    const inner = text.slice(from, to);
    parts.push({ text: text.slice(done, from) }, ...(name ? [valueOf(inner, `${name}:`)] : splitAddress(inner)));
    done = to;
  }
  return [...parts, { text: text.slice(done) }];
}

/** @type {(text: string) => Part[]} */
const splitAddress = (text) => (text.includes('://') ? splitUrl(text) : [{ text }]);

/** @type {(text: string) => Part[]} host and path */
function splitPath(text) {
  return text
    .split(/(?=\/)/)
    .flatMap((part) =>
      part.startsWith('/') && isToken(part.slice(1))
        ? [{ text: '/' }, { text: part.slice(1), secret: '/' }]
        : [{ text: part }],
    );
}

/** @type {(text: string) => Part[]} */
function splitParameter(text) {
  const [, name, value] = /^([?&#][^=]*=)(.*)$/s.exec(text) ?? [];
  if (!name || !value || !(isSecretName(decoded(name.slice(1, -1))) || isToken(value))) return [{ text }];
  return [{ text: name }, { text: value, secret: name.slice(1) }];
}

/** @param {string} text */
function isToken(text) {
  return text === MASK || looksLikeToken(text);
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * Where the secret part before an address's `@` begins and ends: the password, or all where there is no colon.
 *
 * Also of an address that no program would take: it is shown all the same.
 *
 * @type {(url: string) => [number, number]}
 */
function userinfo(url) {
  const start = /^\s*(?:[A-Za-z][\w+.-]*:)?[\\/]*/.exec(url)?.[0].length ?? 0;
  const authority = /^[^\\/?#]*/.exec(url.slice(start))?.[0] ?? '';
  const oddPort = /:(?!\d*$)/.test(authority.replace(/^\[[^\]]*\]/, ''));
  const at = (authority.includes('@') || !oddPort ? authority : url.slice(start)).lastIndexOf('@');
  if (at < 0) return [start, start];
  const colon = url.slice(start, start + at).indexOf(':');
  return [start + colon + 1, start + at];
}
