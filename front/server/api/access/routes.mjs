/** The routes of access.json: the file, and what a subject may use according to it. Pure. */

import { name, oneOf, optional, text } from '../fields.mjs';
import { route } from '../route.mjs';

/** @type {import('../routes.mjs').Route[]} */
export const ACCESS_ROUTES = [
  route('access', 'GET', '/api/access', {
    summary: 'The text of access.json (roles and permissions), its hash, and what is wrong with it.',
    answer: '{path, text, hash, issues, in_force}',
    errors: ['ACCESS_FILE_BROKEN'],
  }),
  route('checkAccess', 'POST', '/api/access/check', {
    summary: 'What would be wrong with a text as access.json.',
    body: { text },
    answer: '{issues}',
  }),
  route('putAccess', 'PUT', '/api/access', {
    summary: 'Replace the text of access.json; `hash`: that of the text that was read, empty for no file.',
    body: { text, hash: optional(name) },
    answer: '{snapshot, hash, issues}',
    errors: ['ACCESS_TEXT_INVALID', 'EDIT_CONFLICT', 'ACCESS_FILE_BROKEN'],
  }),
  route('deleteAccess', 'DELETE', '/api/access', {
    summary: 'Remove access.json; `hash` as for a replacement.',
    query: { hash: optional(name) },
    answer: '{snapshot, hash, issues}',
    errors: ['EDIT_CONFLICT', 'ACCESS_FILE_BROKEN'],
  }),
  route('explainAccess', 'GET', '/api/access/explain', {
    summary:
      'Whether a subject (`key:NAME`, `group:NAME`, …) may use a tool, resource or prompt, and which rule decides: in one workspace or in all, of one server or of all.',
    query: {
      subject: name,
      name: text,
      type: optional(oneOf('tool', 'resource', 'prompt')),
      workspace: optional(name),
      server: optional(name),
    },
    answer: '{subject, principal, role, decisions}',
    errors: ['SUBJECT_UNKNOWN', 'SERVER_UNKNOWN', 'WORKSPACE_UNKNOWN'],
  }),
  route('viewAccess', 'GET', '/api/access/view', {
    summary: 'What a subject sees in each workspace, what is hidden from it, and which rule decides on each item.',
    query: { subject: name },
    answer: '{subject, principal, role, workspaces}',
    errors: ['SUBJECT_UNKNOWN'],
  }),
];
