/** The routes of the catalogue: finding and showing entries, and the user's own ones. For admins. Pure. */

import { flag, name, number, object, optional, text } from '../fields.mjs';
import { route } from '../route.mjs';

const limit = number('whole number from 1 to 100', { min: 1, max: 100, whole: true });
const offset = number('whole number from 0 to 1,000,000', { min: 0, max: 1_000_000, whole: true });

/** @type {import('../routes.mjs').Route[]} */
export const CATALOG_ROUTES = [
  route('findEntries', 'GET', '/api/catalog', {
    summary: 'Entries of the catalogue that fit a text, best first, or all; and the sources that they are from.',
    query: {
      text: optional(text),
      source: optional(name),
      category: optional(name),
      without_keys: optional(flag),
      limit: optional(limit),
      offset: optional(offset),
    },
    answer: '{entries, total, sources}',
  }),
  route('showEntry', 'GET', '/api/catalog/entry', {
    summary: 'An entry: what exactly it would run, what it may reach, what was checked, and the settings it asks for.',
    query: { name, version: optional(name), source: optional(name) },
    answer: '{entry, summary, versions, command, reach, inputs, problem}',
    errors: ['NO_SUCH_ENTRY'],
  }),
  route('putEntry', 'PUT', '/api/catalog/entry', {
    summary: 'Add an entry of your own (a server.json), or replace the one of that name and version.',
    body: { entry: object },
    answer: '{}',
    errors: ['CATALOG_ENTRY_INVALID', 'CATALOG_ENTRY_UNSUPPORTED', 'CATALOG_FILE_BROKEN'],
  }),
  route('removeEntry', 'DELETE', '/api/catalog/entry', {
    summary: 'Remove an entry of your own in all versions; servers that were added from it stay.',
    query: { name },
    answer: '{}',
    errors: ['NO_SUCH_ENTRY', 'CATALOG_FILE_BROKEN'],
  }),
];
