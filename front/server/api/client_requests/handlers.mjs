/**
 * Handlers for calls, prompts, resources and completions: what a client may request of a workspace, sent by the
 * sidecar.
 */

import { FrontError } from '../../errors.mjs';

/** @import {HubAnswers} from '../describe/answers.mjs' */

const CALL_TIMEOUT_SECONDS = 60; // s
const COMPLETION_TIMEOUT_SECONDS = 10; // short, because a user is typing
const TIMEOUT_MARGIN_SECONDS = 5; // s that the sidecar gets to tell of a timeout itself
const MAX_COMPLETIONS = 100; // MCP 2025-11-25, Completion: a response has no more

/**
 * Return the handlers.
 *
 * @param {import('../../state/hub.mjs').HubClient} hub
 * @returns {Pick<import('../router.mjs').HandlersOf<HubAnswers>,
 *   'tools' | 'searchTools' | 'call' | 'prompts' | 'getPrompt' | 'resources' | 'readResource' | 'complete'>}
 */
export function clientRequests(hub) {
  return {
    tools: ({ query }) => hub.askSidecar('tools', /** @type {any} */ (query)),
    searchTools: ({ query }) => hub.askSidecar('search_tools', /** @type {any} */ (query)),
    call: ({ body, res }) => timed(hub, res, 'call', body),
    prompts: async ({ query }) => ({ prompts: (await hub.askSidecar('catalog', /** @type {any} */ (query))).prompts }),
    getPrompt: ({ body: { workspace, prompt, arguments: given = {}, timeout }, res }) =>
      timed(hub, res, 'ask', {
        workspace,
        method: 'prompts/get',
        params: { name: prompt, arguments: texts(given) },
        timeout,
      }),
    resources: async ({ query }) => {
      const { resources, templates } = await hub.askSidecar('catalog', /** @type {any} */ (query));
      return { resources, templates };
    },
    readResource: ({ body: { workspace, uri, timeout }, res }) =>
      timed(hub, res, 'ask', { workspace, method: 'resources/read', params: { uri }, timeout }),
    complete: ({ body, res }) => complete(hub, res, body),
  };
}

/**
 * Send a request, and measure its duration. If the caller disconnects before the answer, the request is cancelled.
 *
 * @param {import('../../state/hub.mjs').HubClient} hub
 * @param {import('express').Response} res
 * @param {'call' | 'ask'} kind
 * @param {any} body `timeout` in seconds
 * @returns {Promise<{result: any, seconds: number} | undefined>} undefined if the caller has disconnected
 */
async function timed(hub, res, kind, body) {
  const { timeout = CALL_TIMEOUT_SECONDS } = body;
  const gone = new AbortController();
  res.once('close', () => gone.abort());
  const began = performance.now();
  try {
    const { result } = await hub.askSidecar(
      kind,
      { ...body, timeout },
      { timeout: timeout + TIMEOUT_MARGIN_SECONDS, signal: gone.signal },
    );
    return { result, seconds: (performance.now() - began) / 1000 };
  } catch (error) {
    if (gone.signal.aborted) return undefined;
    throw error;
  }
}

/**
 * Return values for an argument of a prompt, or for a variable of a resource template.
 *
 * @type {(hub: import('../../state/hub.mjs').HubClient, res: import('express').Response, body: any) => Promise<HubAnswers['complete'] | undefined>}
 */
async function complete(hub, res, { workspace, prompt, template, argument, value, arguments: others = {} }) {
  if ((prompt === undefined) === (template === undefined))
    throw new FrontError('BODY_INVALID', 'The body: it has either "prompt" or "template".');
  const ref = prompt === undefined ? { type: 'ref/resource', uri: template } : { type: 'ref/prompt', name: prompt };
  const context = Object.keys(others).length > 0 ? { context: { arguments: texts(others) } } : {};
  const params = { ref, argument: { name: argument, value }, ...context };
  const asked = { workspace, method: 'completion/complete', params, timeout: COMPLETION_TIMEOUT_SECONDS };
  const answer = await timed(hub, res, 'ask', asked);
  const { values, total, hasMore } = answer?.result.completion ?? {};
  const found = (Array.isArray(values) ? values : []).filter((each) => typeof each === 'string');
  return answer && { values: found.slice(0, MAX_COMPLETIONS), total: total ?? null, has_more: hasMore === true };
}

/** Convert arguments to text, which MCP requires for prompts. @param {Record<string, unknown>} given */
const texts = (given) => Object.fromEntries(Object.entries(given).map(([name, value]) => [name, String(value)]));
