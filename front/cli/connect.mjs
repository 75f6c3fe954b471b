/**
 * For `hubctl connect`: what a client needs to connect to a workspace. Reads a request as JSON from stdin, and writes
 * the answer to stdout.
 *
 * `{}` is answered with `{clients: [{id, title, format, at, places, note}]}`, the clients that have a file;
 * `{client, workspace, token?, text}` with `{text}`, the client's file with the workspace added;
 * `{client, slug, text}` with `{text}`, the file without it;
 * `{client, workspace, token: boolean}` for a client without a file, with `{program}`.
 * If the file cannot be changed, with `{error: {code, message, hint}}`.
 */

import { json } from 'node:stream/consumers';
import { FILE_CLIENTS } from '../console/data/clients.mjs';
import { PROGRAMS } from '../console/data/programs.mjs';
import { snippets } from '../console/data/snippets.mjs';
import { editJson } from './config_json.mjs';
import { editToml } from './config_toml.mjs';
import { Unusable } from './unusable.mjs';

/** @param {any} question */
async function answer({ client: id, workspace, token, text, slug }) {
  if (id === undefined) return { clients: FILE_CLIENTS };
  const client = FILE_CLIENTS.find((each) => each.id === id);
  if (!client) return { program: program(id, workspace, Boolean(token)) };
  const edit = client.format === 'toml' ? editToml : editJson;
  const entry = workspace && client.entry(workspace, token || undefined);
  return { text: await edit(text, client.at, workspace?.slug ?? slug, entry) };
}

/** @param {string} id @param {import('../console/data/clients.mjs').Endpoint} workspace @param {boolean} token */
function program(id, workspace, token) {
  const made = PROGRAMS[id]?.(workspace, token);
  return made ?? snippets(workspace, { token }).find((snippet) => snippet.id === id);
}

let output;
try {
  output = await answer(/** @type {any} */ (await json(process.stdin)));
} catch (error) {
  if (!(error instanceof Unusable)) throw error;
  output = { error: { code: 'CLIENT_FILE_UNUSABLE', message: error.message, hint: error.hint } };
}
process.stdout.write(JSON.stringify(output));
