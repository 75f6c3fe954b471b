// Part of `make generate`: writes the JSON Schemas of the API's answers, made of the types in
// front/server/api/describe/answers.d.mts, and the tables of docs/api.md. It needs the packages for development.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createGenerator } from 'ts-json-schema-generator';
import { HUB_ROUTES, OTHER_ROUTES, YAMCP_ROUTES } from '../server/api/routes.mjs';
import { rowOf } from './route_rows.mjs';

const ROOT = join(import.meta.dirname, '../..');
const FOLDER = join(ROOT, 'front/server/api/describe');
const DOCUMENT = join(ROOT, 'docs/api.md');
const TABLES = { hub: 'HubAnswers', yamcp: 'YamcpAnswers', other: 'OtherAnswers' };
const ROWS = /(?:^\| `(?:GET|POST|PUT|PATCH|DELETE|WS) .*\n)+/gm;

/** Return the text of each generated file, by its path. @returns {Record<string, string>} */
export function files() {
  return {
    [join(FOLDER, 'answer_schemas.json')]: answerSchemas(),
    [DOCUMENT]: withRows(readFileSync(DOCUMENT, 'utf8')),
  };
}

/** Return the JSON Schemas of the answers, by table and id of the route, and those that they refer to. */
export function answerSchemas() {
  const generator = createGenerator({
    path: join(FOLDER, 'answers.d.mts'),
    tsconfig: join(ROOT, 'tsconfig.json'),
    type: 'Answers',
    topRef: false,
    skipTypeCheck: true,
  });
  const { definitions = {} } = generator.createSchema('Answers');
  /** @type {Record<string, any>} */
  const schemas = { ...definitions };
  const answers = Object.fromEntries(
    Object.entries(TABLES).map(([table, type]) => {
      const { properties } = schemas[type];
      delete schemas[type];
      return [table, properties];
    }),
  );
  const text = JSON.stringify({ answers, schemas }, null, 2).replaceAll('#/definitions/', '#/components/schemas/');
  return `${text}\n`;
}

/**
 * Return docs/api.md with the rows of its three tables made anew.
 * @param {string} text
 * @throws {TypeError} it has another number of tables
 */
export function withRows(text) {
  const tables = [HUB_ROUTES, OTHER_ROUTES, YAMCP_ROUTES].map((routes) => `${routes.map(rowOf).join('\n')}\n`);
  const found = [...text.matchAll(ROWS)].length;
  if (found !== tables.length) throw new TypeError(`docs/api.md has ${found} tables of routes, not ${tables.length}`);
  return text.replace(ROWS, () => /** @type {string} */ (tables.shift()));
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const [path, text] of Object.entries(files())) writeFileSync(path, text);
}
