// Part of `make generate`: prints the JSON Schemas of the API's answers, made of the types in
// front/server/api/answers.d.mts. It needs the packages for development.

import { createGenerator } from 'ts-json-schema-generator';

const TYPES = ['HubAnswers', 'YamcpAnswers', 'OtherAnswers'];
const REF = '#/definitions/';

/** @type {Record<string, any>} */
const schemas = {};
/** @type {Record<string, any>} */
const answers = {};
for (const type of TYPES) {
  const generator = createGenerator({
    path: 'front/server/api/answers.d.mts',
    tsconfig: 'tsconfig.json',
    type,
    topRef: false,
    skipTypeCheck: true,
  });
  const { definitions = {}, properties = {} } = generator.createSchema(type);
  Object.assign(schemas, definitions);
  answers[type] = properties;
}
const text = JSON.stringify({ answers, schemas }, null, 2).replaceAll(REF, '#/components/schemas/');
process.stdout.write(`${text}\n`);
