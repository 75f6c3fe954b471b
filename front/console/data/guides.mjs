/**
 * How each client is connected to a workspace: what to click, to run, or to paste and where. Pure.
 *
 * @typedef {import('./clients.mjs').Endpoint} Endpoint
 * @typedef {import('./clients.mjs').FileClient} FileClient
 * @typedef {object} Guide
 * @property {string} id
 * @property {string} title
 * @property {{label: string, href: string}[]} links that the client installs it by
 * @property {string} hubctl the command that writes its file, or prints what to do; empty where there is none
 * @property {boolean} writes whether that command writes a file
 * @property {string} command the client's own command that adds it; empty where it has none
 * @property {string} where the text is pasted to; empty where that is anywhere
 * @property {string} text what to paste, or to run
 * @property {string} variable a command that sets the variable from which the program takes the token
 * @property {string} note
 * @typedef {{token?: boolean, key?: string}} TokenOptions `token`: the hub wants one; `key`: the one to fill in
 */

import { FILE_CLIENTS, fileClient, word } from './clients.mjs';
import { PLACEHOLDER, PROGRAMS, VARIABLE } from './programs.mjs';
import { snippets } from './snippets.mjs';

/** The clients in the order in which they are shown. */
export const GROUPS = Object.freeze([
  { title: 'Apps and editors', ids: [...FILE_CLIENTS.map(({ id }) => id), 'open-webui'] },
  {
    title: 'Agents and programs',
    ids: ['smolagents', 'langchain', 'openai-agents', 'pydantic-ai', 'python', 'typescript'],
  },
  { title: 'Tools', ids: ['inspector', 'mcp-remote'] },
]);
/** Clients that `hubctl connect` does not support. */
const CONSOLE_ONLY = ['python', 'typescript'];
const REPLACE = `Replace ${PLACEHOLDER} with a token.`;

/**
 * Return the guide for a client.
 *
 * @param {string} id
 * @param {Endpoint} workspace
 * @param {TokenOptions} [wanted]
 * @returns {Guide | null} null: no client is called that
 */
export function guide(id, workspace, { token = false, key = '' } = {}) {
  const client = FILE_CLIENTS.find((each) => each.id === id);
  if (client) return fileGuide(client, workspace, token, key);
  const made = program(id, workspace, token);
  if (!made) return null;
  const { title, text } = made;
  const filled = key !== '' && text.includes(PLACEHOLDER);
  const note = filled ? program(id, workspace, false)?.note : made.note;
  const variable = key && !filled ? `export ${VARIABLE}=${word(key)}` : '';
  return {
    ...emptyGuide(id, workspace),
    title,
    text: filled ? text.replaceAll(PLACEHOLDER, () => key) : text,
    variable,
    note: note ?? '',
  };
}

/** @param {string} id @param {Endpoint} workspace @param {boolean} token */
function program(id, workspace, token) {
  if (Object.hasOwn(PROGRAMS, id)) return PROGRAMS[id](workspace, token);
  return snippets(workspace, { token }).find((snippet) => snippet.id === id && !snippet.file);
}

/** @param {string} id @param {Endpoint} workspace @returns {Guide} */
function emptyGuide(id, { slug }) {
  const hubctl = CONSOLE_ONLY.includes(id) ? '' : `hubctl connect ${id} ${slug}`;
  return { id, title: '', links: [], hubctl, writes: false, command: '', where: '', text: '', variable: '', note: '' };
}

/** @param {FileClient} client @param {Endpoint} workspace @param {boolean} token @param {string} key @returns {Guide} */
function fileGuide(client, workspace, token, key) {
  const snippet = key ? undefined : snippets(workspace, { token }).find(({ id }) => id === client.id);
  const given = key || (token ? PLACEHOLDER : undefined);
  const text = snippet?.text ?? fileText(client, workspace, given);
  return {
    ...emptyGuide(client.id, workspace),
    title: client.title,
    links: links(client, workspace, token, key),
    writes: true,
    command: client.command?.(workspace, given) ?? '',
    where: places(client),
    text,
    note: snippet?.note ?? [client.note, text.includes(PLACEHOLDER) && REPLACE].filter(Boolean).join(' '),
  };
}

/**
 * Return a client's file with this workspace only.
 * @param {FileClient} client @param {Endpoint} workspace @param {string} [token]
 */
function fileText({ format, at, entry }, workspace, token) {
  const made = entry(workspace, token);
  if (format === 'json') return `${JSON.stringify({ [at]: { [workspace.slug]: made } }, null, 2)}\n`;
  const lines = Object.entries(made).map(([name, value]) => `${name} = ${toml(value)}`);
  return `[${at}.${workspace.slug}]\n${lines.join('\n')}\n`;
}

/** Serialize text, or a table of texts, as TOML; JSON strings are valid TOML. @param {any} value @returns {string} */
function toml(value) {
  if (typeof value !== 'object') return JSON.stringify(value);
  return `{ ${Object.entries(value)
    .map(([name, each]) => `${name} = ${toml(each)}`)
    .join(', ')} }`;
}

/** Return the path of a client's file as text. @param {FileClient} client */
function places({ places: { user, darwin, project } }) {
  const own = `~/${user}${darwin ? ` (macOS: ~/${darwin})` : ''}`;
  return project ? `${own}, or ${project} in a project` : own;
}

/**
 * Return links by which a client installs a server. Cursor's contains the token, so there is none if a token is
 * required and not known. Formats: cursor.com/docs/mcp/install-links;
 * code.visualstudio.com/api/extension-guides/ai/mcp.
 *
 * @param {FileClient} client @param {Endpoint} workspace @param {boolean} token @param {string} key
 */
function links({ id, title, entry }, workspace, token, key) {
  const { slug } = workspace;
  if (id === 'cursor' && (!token || key)) {
    const config = encodeURIComponent(base64(JSON.stringify(entry(workspace, key || undefined))));
    return [
      {
        label: `Add to ${title}`,
        href: `cursor://anysphere.cursor-deeplink/mcp/install?name=${slug}&config=${config}`,
      },
    ];
  }
  if (id !== 'vscode') return [];
  const query = encodeURIComponent(JSON.stringify({ name: slug, ...vsCodeServer(workspace, token, key) }));
  return [
    { label: `Install in ${title}`, href: `vscode:mcp/install?${query}` },
    { label: 'Install in VS Code Insiders', href: `vscode-insiders:mcp/install?${query}` },
  ];
}

/**
 * Return VS Code's entry; without a key, VS Code asks the user for the token.
 * @param {Endpoint} workspace @param {boolean} token @param {string} key
 */
function vsCodeServer(workspace, token, key) {
  if (key) return fileClient('vscode').entry(workspace, key);
  const { text = '{}' } = snippets(workspace, { token }).find(({ id }) => id === 'vscode') ?? {};
  const { servers, ...inputs } = JSON.parse(text);
  return { ...servers[workspace.slug], ...inputs };
}

/** @param {string} text */
const base64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
