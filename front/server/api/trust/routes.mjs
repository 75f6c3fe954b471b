/** The routes of trust: changes of what servers offer, and scans of images and packages. For admins. Pure. */

import { name, names, optional } from '../fields.mjs';
import { route } from '../route.mjs';

const DECISION = { server: name, tools: optional(names), digests: optional(names) };
const DECISION_ERRORS = ['SERVER_UNKNOWN', 'CHANGE_UNKNOWN', 'CHANGE_OUTDATED'];

/** @type {import('../routes.mjs').Route[]} */
export const TRUST_ROUTES = [
  route('toolChanges', 'GET', '/api/trust/changes', {
    summary:
      'What servers with `changes` warn or block offer differently from what was accepted, with the difference and ' +
      'hints of poisoned texts.',
    query: { server: optional(name), workspace: optional(name) },
    answer: '{changes, renewed, hints}',
    errors: ['SERVER_UNKNOWN', 'WORKSPACE_UNKNOWN'],
  }),
  route('acceptChanges', 'POST', '/api/trust/changes/accept', {
    summary:
      'Accept what a server offers now: the named tools and prompts (`instructions` for its instructions), or all. With ' +
      '`digests`, only if it is still what was shown.',
    body: DECISION,
    answer: '{accepted}',
    errors: DECISION_ERRORS,
  }),
  route('rejectChanges', 'POST', '/api/trust/changes/reject', {
    summary: 'Keep changed items from clients, and no longer report them; `digests` as of accepting.',
    body: DECISION,
    answer: '{rejected}',
    errors: DECISION_ERRORS,
  }),
  route('scans', 'GET', '/api/trust/scans', {
    summary: 'What is known of the vulnerabilities of the images and packages of servers, and since when.',
    answer: '{scans}',
  }),
  route('sbom', 'GET', '/api/trust/sbom', {
    summary: 'The SBOM of an image or package, as a file (CycloneDX JSON); `subject` as of the scans.',
    query: { subject: name },
    answer: 'the file',
    errors: ['SBOM_UNKNOWN'],
  }),
  route('rescan', 'POST', '/api/trust/scans/again', {
    summary: 'Scan an image or package again, or all (without `subject`).',
    body: { subject: optional(name) },
    answer: '{}',
    errors: ['SCAN_UNKNOWN'],
  }),
];
