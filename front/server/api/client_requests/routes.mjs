/** The routes of what a client may request of a workspace: tools, prompts, resources and completions. Pure. */

import { name, number, object, optional, text, values } from '../fields.mjs';
import { route } from '../route.mjs';

const CALL_ERRORS = [
  'WORKSPACE_UNKNOWN',
  'WORKSPACE_OFF',
  'SERVER_ANSWERED_ERROR',
  'SERVER_UNAVAILABLE',
  'CALL_TIMEOUT',
];
const seconds = number('number of seconds, more than 0 and at most 3,600', { above: 0, max: 3600 });
const limit = number('whole number from 1 to 100', { min: 1, max: 100, whole: true });

/** @type {import('../routes.mjs').Route[]} */
export const CLIENT_ROUTES = [
  route('tools', 'GET', '/api/hub/tools', {
    summary: 'The tools of a workspace as its clients see them.',
    query: { workspace: name },
    answer: '{tools}',
    errors: ['WORKSPACE_UNKNOWN', 'WORKSPACE_OFF'],
  }),
  route('searchTools', 'GET', '/api/hub/tools/search', {
    summary:
      'The tools of a workspace that fit words best, the best first, as `hub_search_tools` finds them for agents.',
    query: { workspace: name, text, limit: optional(limit), server: optional(name) },
    answer: '{tools}',
    errors: ['WORKSPACE_UNKNOWN'],
  }),
  route('call', 'POST', '/api/hub/call', {
    summary: 'Call a tool as a client would.',
    body: { workspace: name, tool: name, arguments: optional(object), timeout: optional(seconds) },
    answer: '{result, seconds}',
    errors: ['TOOL_UNKNOWN', ...CALL_ERRORS],
  }),
  route('prompts', 'GET', '/api/hub/prompts', {
    summary: 'The prompts of a workspace as its clients see them, each with its server.',
    query: { workspace: name },
    answer: '{prompts}',
    errors: ['WORKSPACE_UNKNOWN'],
  }),
  route('getPrompt', 'POST', '/api/hub/prompts/get', {
    summary: 'The messages of a prompt, as a client would get them.',
    body: { workspace: name, prompt: name, arguments: optional(values), timeout: optional(seconds) },
    answer: '{result, seconds}',
    errors: ['PROMPT_UNKNOWN', ...CALL_ERRORS],
  }),
  route('resources', 'GET', '/api/hub/resources', {
    summary: 'The resources and resource templates of a workspace as its clients see them, each with its server.',
    query: { workspace: name },
    answer: '{resources, templates}',
    errors: ['WORKSPACE_UNKNOWN'],
  }),
  route('readResource', 'POST', '/api/hub/resources/read', {
    summary: 'Read a resource as a client would.',
    body: { workspace: name, uri: text, timeout: optional(seconds) },
    answer: '{result, seconds}',
    errors: ['RESOURCE_UNKNOWN', ...CALL_ERRORS],
  }),
  route('complete', 'POST', '/api/hub/complete', {
    summary:
      'Values for an argument of a prompt, or for a variable of a resource template (`template`: its `uriTemplate`).',
    body: {
      workspace: name,
      prompt: optional(name),
      template: optional(text),
      argument: name,
      value: text,
      arguments: optional(values),
    },
    answer: '{values, total, has_more}',
    errors: ['PROMPT_UNKNOWN', 'RESOURCE_UNKNOWN', ...CALL_ERRORS],
  }),
];
