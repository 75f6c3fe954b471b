/** The row of docs/api.md that a route has to have. */

import { isOptional } from '../server/api/fields.mjs';

/**
 * @param {import('../server/api/routes.mjs').Route} route
 * @returns {string}
 */
export function rowOf({ method, path, summary, query, body, anyBody, answer, errors = [] }) {
  const takes = [...parameters(query), ...(body ? [`\`${fieldsOf(body)}\``] : anyBody ? ['the object'] : [])];
  const refuses = errors.map((code) => `\`${code}\``);
  return `| \`${method} ${path}\` | ${summary} | ${takes.join(' ')} | ${coded(answer)} | ${refuses.join(' ')} |`;
}

/** @param {import('../server/api/fields.mjs').Fields} [query] */
function parameters(query = {}) {
  return Object.entries(query).map(([name, field]) => (isOptional(field) ? `\`[${name}=]\`` : `\`${name}=\``));
}

/** @param {import('../server/api/fields.mjs').Fields} body */
function fieldsOf(body) {
  const names = Object.entries(body).map(([name, field]) => (isOptional(field) ? `${name}?` : name));
  return `{${names.join(', ')}}`;
}

/** @param {string} answer */
function coded(answer) {
  return /^[{[]/.test(answer) ? answer.replace(/^([{[].*[}\]])/, '`$1`') : answer;
}
