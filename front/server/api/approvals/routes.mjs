/** The routes of proposals: what agents have asked for, and the decisions on it. For admins. Pure. */

import { name, optional, text, texts } from '../fields.mjs';
import { route } from '../route.mjs';

/** @type {import('../routes.mjs').Route[]} */
export const APPROVAL_ROUTES = [
  route('approvals', 'GET', '/api/approvals', {
    summary: 'What agents have proposed, newest first: exactly what each proposal would run, and its digest.',
    answer: '{proposals}',
    errors: ['APPROVALS_FILE_BROKEN'],
  }),
  route('approve', 'POST', '/api/approvals/approve', {
    summary: 'Carry out a proposal, if it still would run what `digest` says; `secrets`: values by name.',
    query: { id: name },
    body: { digest: text, secrets: optional(texts) },
    answer: 'the proposal',
    errors: ['NO_SUCH_PROPOSAL', 'PROPOSAL_DECIDED', 'PROPOSAL_CHANGED', 'SETTINGS_INVALID'],
  }),
  route('refuse', 'POST', '/api/approvals/refuse', {
    summary: 'Refuse a proposal.',
    query: { id: name },
    answer: 'the proposal',
    errors: ['NO_SUCH_PROPOSAL', 'PROPOSAL_DECIDED'],
  }),
];
