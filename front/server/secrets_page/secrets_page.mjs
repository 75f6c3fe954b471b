// GET /secrets/<ticket> asks for the values of secret settings, and POST takes them: so that they pass no agent. The
// adapter has made the ticket, knows for whom it is, and takes the values (docs/hub-tools.md).

import { describeError, FrontError } from '../errors.mjs';
import { readForm } from '../http/form.mjs';
import { isOwnPage } from '../http/origin.mjs';
import { sendPage } from '../oauth/answers.mjs';
import { donePage, failurePage, questionPage } from './pages.mjs';

/**
 * @typedef {import('express').Request} Request
 * @typedef {import('express').Response} Response
 * @typedef {{auth: import('../access/auth.mjs').Auth, hub: import('../state/hub.mjs').HubClient}} Parts
 */

const TICKET = /^\/secrets\/([\w-]{43})$/;
/** Prefix of the fields of the form, so that a secret may have any name. */
const FIELD = 'secret.';

/**
 * Return the handler of the paths.
 * @param {Parts} parts @returns {import('express').Handler}
 */
export function secretsPage(parts) {
  return async (request, response) => {
    try {
      const ticket = TICKET.exec(request.path)?.[1];
      if (ticket === undefined) throw new FrontError('NOT_FOUND', 'The address is not one that the hub has given out.');
      if (request.method === 'POST') await take(parts, request, response, ticket);
      else if (request.method === 'GET') await ask(parts, request, response, ticket);
      else throw methodNotAllowed(response);
    } catch (error) {
      const known = describeError(error);
      if (known.code === 'HUB_INTERNAL') throw error;
      sendPage(response, known.status, failurePage(known));
    }
  };
}

/** @param {Parts} parts @param {Request} request @param {Response} response @param {string} ticket */
async function ask({ auth, hub }, request, response, ticket) {
  const who = browserOf(auth, request);
  const question = await hub.askAdapter('secret_question', { ticket, ...who.opener });
  sendPage(response, 200, questionPage({ ...question, ticket, field: FIELD, who: who.name }));
}

/** @param {Parts} parts @param {Request} request @param {Response} response @param {string} ticket */
async function take({ auth, hub }, request, response, ticket) {
  if (!isOwnPage(request.headers, auth.guard.named, { required: true })) throw new FrontError('ORIGIN_REFUSED');
  const who = browserOf(auth, request);
  const form = await readForm(request, 'Send the form of this page.');
  const question = await hub.askAdapter('secret_question', { ticket, ...who.opener });
  const values = Object.fromEntries(question.secrets.map(({ name }) => [name, form.get(FIELD + name) ?? '']));
  await hub.askAdapter('redeem_secret_ticket', { ticket, ...who.opener, values });
  sendPage(response, 200, donePage(question));
}

/**
 * Return who is at the browser. A program with a token is refused: the values are a person's to enter.
 * @param {Parts['auth']} auth @param {Request} request
 */
function browserOf(auth, request) {
  if (!auth.principals) return { opener: { principal: '', admin: false }, name: '' };
  const who = auth.who(request);
  if (!who?.login) throw new FrontError('KEY_FORBIDDEN', 'Open this page in a browser, logged in to the hub.');
  const { id, name, admin } = who.principal;
  return { opener: { principal: id, admin }, name };
}

/** @param {Response} response */
function methodNotAllowed(response) {
  response.set('Allow', 'GET, POST');
  return new FrontError('METHOD_NOT_ALLOWED');
}
