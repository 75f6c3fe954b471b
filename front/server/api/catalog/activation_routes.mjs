/** The routes of activation: servers that are installed from the catalogue, and variables. For admins. Pure. */

import { flag, name, names, optional, settings, texts } from '../fields.mjs';
import { route } from '../route.mjs';

const key = { key: name };
const VARIABLE_ERRORS = ['VARIABLES_FILE_BROKEN'];

/** @type {import('../routes.mjs').Route[]} */
export const ACTIVATION_ROUTES = [
  route('activate', 'POST', '/api/catalog/activate', {
    summary:
      'Install an entry, add it to providers.json, and put it into workspaces. The answer comes when the settings are ' +
      'checked; a job does the rest (`activations`).',
    body: {
      name,
      version: optional(name),
      source: optional(name),
      key: optional(name),
      values: optional(settings),
      secrets: optional(texts),
      workspaces: optional(names),
    },
    answer: '{job, key}',
    errors: ['NO_SUCH_ENTRY', 'CATALOG_ENTRY_UNSUPPORTED', 'SETTINGS_INVALID', 'ALREADY_EXISTS', 'ACTIVATIONS_LIMIT'],
  }),
  route('activations', 'GET', '/api/catalog/jobs', {
    summary: 'Installations and updates since the start of the adapter, newest first, with their progress.',
    answer: '{jobs}',
  }),
  route('cancelActivation', 'DELETE', '/api/catalog/jobs', {
    summary: 'Cancel an installation or update; nothing of it is left.',
    query: { id: name },
    answer: '{}',
    errors: ['NO_SUCH_ACTIVATION'],
  }),
  route('installed', 'GET', '/api/installed', {
    summary: 'The servers that were installed from the catalogue, with version, command and digest.',
    answer: '{servers}',
  }),
  route('updateInstalled', 'POST', '/api/installed/update', {
    summary:
      'Install another version of a server (the newest, if none is given), with the same settings. `job` is null if it ' +
      'has this version; `reinstall` installs it once more.',
    query: key,
    body: { version: optional(name), reinstall: optional(flag) },
    answer: '{job, key, version}',
    errors: ['NOT_INSTALLED', 'NO_SUCH_ENTRY', 'CATALOG_ENTRY_UNSUPPORTED', 'SETTINGS_INVALID', 'ACTIVATIONS_LIMIT'],
  }),
  route('rollBackInstalled', 'POST', '/api/installed/roll-back', {
    summary: 'Return to the version of a server before its last update.',
    query: key,
    answer: '{snapshot}',
    errors: ['NOT_INSTALLED', 'NO_SUCH_SERVER'],
  }),
  route('removeInstalled', 'DELETE', '/api/installed', {
    summary: 'Remove a server with its entry, its place in workspaces and its folder; `variables`: what only it used.',
    query: key,
    answer: '{snapshot, variables}',
    errors: ['NOT_INSTALLED'],
  }),
  route('variables', 'GET', '/api/variables', {
    summary: 'The names of variables, where each is set, and which servers use it; never values.',
    answer: '{variables}',
    errors: VARIABLE_ERRORS,
  }),
  route('setVariables', 'PATCH', '/api/variables', {
    summary: 'Set variables in variables.json; servers that use them start again with the new values.',
    body: { values: texts },
    answer: '{}',
    errors: ['VARIABLE_INVALID', ...VARIABLE_ERRORS],
  }),
  route('removeVariable', 'DELETE', '/api/variables', {
    summary: 'Remove a variable from variables.json.',
    query: { name },
    answer: '{}',
    errors: ['NO_SUCH_VARIABLE', ...VARIABLE_ERRORS],
  }),
];
