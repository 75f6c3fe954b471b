/** Errors that several parts of the HTTP APIs report. Pure. */

import { BridgeError } from '../../../bridge/node/errors.mjs';
import { FrontError } from '../errors.mjs';

/**
 * Text in a body is not valid JSON.
 *
 * @param {string} message
 * @param {Record<string, unknown>} [data] `line` and `column`, where there are any
 */
export const textInvalid = (message, data) =>
  new FrontError('BODY_INVALID', message, { data, hint: 'Check its brackets, commas and quotes at that place.' });

/** providers.json has no such entry. The code is the adapter's, the text YAMCP-UI's. @param {string} key */
export const noSuchServer = (key) =>
  new BridgeError('NO_SUCH_SERVER', `Server ${key} not found`, {
    hint: 'GET /api/servers lists them; the namespace is not the key, and names are case-sensitive.',
  });

/** workspaces.json has no such entry. @param {string} name */
export const noSuchWorkspace = (name) =>
  new BridgeError('NO_SUCH_WORKSPACE', `Workspace ${name} not found`, {
    hint: 'GET /api/workspaces lists them; names are case-sensitive.',
  });

/**
 * One of YAMCP's files cannot be parsed.
 *
 * @param {string} file
 * @param {{code: string, message: string, hint: string, data?: Record<string, unknown>} | null} [error] the adapter's words for it
 */
export const fileBroken = (file, error) =>
  new BridgeError('CONFIG_FILE_BROKEN', error?.message ?? `${file}.json has no valid content now.`, {
    hint: error?.hint ?? 'Repair the JSON in an editor; until then the last good version is used.',
    data: error?.data,
  });
