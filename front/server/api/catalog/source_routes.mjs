/** The routes of the catalogue's sources: the shipped entries, the user's own, and registries. For admins. Pure. */

import { name, optional, text } from '../fields.mjs';
import { route } from '../route.mjs';

const FILE_ERRORS = ['CATALOG_FILE_BROKEN'];

/** @type {import('../routes.mjs').Route[]} */
export const SOURCE_ROUTES = [
  route('catalogSources', 'GET', '/api/catalog/sources', {
    summary: 'The sources of the catalogue: how many entries each has, how old its copy is, and its last error.',
    answer: '{sources}',
  }),
  route('putSource', 'PUT', '/api/catalog/sources', {
    summary: 'Add a registry (API v0.1) by its URL, or change it, and begin to copy its entries.',
    query: { id: name },
    body: { url: name, title: optional(text) },
    answer: '{}',
    errors: ['CATALOG_SOURCE_INVALID', ...FILE_ERRORS],
  }),
  route('removeSource', 'DELETE', '/api/catalog/sources', {
    summary: 'Remove a registry and the copy of its entries; servers that were added from it stay.',
    query: { id: name },
    answer: '{}',
    errors: ['NO_SUCH_CATALOG_SOURCE', ...FILE_ERRORS],
  }),
  route('refreshSource', 'POST', '/api/catalog/sources/refresh', {
    summary: 'Begin to bring the copy of a registry up to date; `refreshing` of the source tells when that is done.',
    query: { id: name },
    answer: '{}',
    errors: ['NO_SUCH_CATALOG_SOURCE'],
  }),
];
