/** Calls, prompts, resources and completions: what a client may ask of a workspace, asked through the sidecar. */

import { FrontError } from '../errors.mjs';

const TIMEOUT = 60; // s
const COMPLETION_TIMEOUT = 10; // s: somebody is typing
const MARGIN = 5; // s that the sidecar gets to tell of a timeout itself
const MOST_COMPLETIONS = 100; // MCP 2025-11-25, Completion: a response has no more

/**
 * The handlers.
 *
 * @param {import('../state/hub.mjs').Hub} hub
 * @returns {Record<string, import('./router.mjs').Handler>}
 */
export function asking(hub) {
  return {
    tools: ({ query }) => hub.ask('tools', /** @type {any} */ (query)),
    call: ({ body, res }) => timed(hub, res, 'call', body),
    prompts: async ({ query }) => ({ prompts: (await hub.ask('catalog', /** @type {any} */ (query))).prompts }),
    getPrompt: ({ body: { workspace, prompt, arguments: given = {}, timeout }, res }) =>
      timed(hub, res, 'ask', {
        workspace,
        method: 'prompts/get',
        params: { name: prompt, arguments: texts(given) },
        timeout,
      }),
    resources: async ({ query }) => {
      const { resources, templates } = await hub.ask('catalog', /** @type {any} */ (query));
      return { resources, templates };
    },
    readResource: ({ body: { workspace, uri, timeout }, res }) =>
      timed(hub, res, 'ask', { workspace, method: 'resources/read', params: { uri }, timeout }),
    complete: ({ body, res }) => complete(hub, res, body),
  };
}

/**
 * Ask, and measure how long it takes. Whoever leaves before the answer has the request cancelled.
 *
 * @param {import('../state/hub.mjs').Hub} hub
 * @param {import('express').Response} res
 * @param {'call' | 'ask'} kind
 * @param {any} body `timeout` in seconds
 * @returns {Promise<{result: any, seconds: number} | undefined>} nothing where nobody is there to be told
 */
async function timed(hub, res, kind, body) {
  const { timeout = TIMEOUT } = body;
  const gone = new AbortController();
  res.once('close', () => gone.abort());
  const began = performance.now();
  try {
    const { result } = await hub.ask(kind, { ...body, timeout }, { timeout: timeout + MARGIN, signal: gone.signal });
    return { result, seconds: (performance.now() - began) / 1000 };
  } catch (error) {
    if (gone.signal.aborted) return undefined;
    throw error;
  }
}

/**
 * Values for an argument of a prompt, or for a variable of a template.
 *
 * @type {(hub: import('../state/hub.mjs').Hub, res: import('express').Response, body: any) => Promise<object | undefined>}
 */
async function complete(hub, res, { workspace, prompt, template, argument, value, arguments: others = {} }) {
  if ((prompt === undefined) === (template === undefined))
    throw new FrontError('BODY_INVALID', 'The body: it has either "prompt" or "template".');
  const ref = prompt === undefined ? { type: 'ref/resource', uri: template } : { type: 'ref/prompt', name: prompt };
  const context = Object.keys(others).length > 0 ? { context: { arguments: texts(others) } } : {};
  const params = { ref, argument: { name: argument, value }, ...context };
  const asked = { workspace, method: 'completion/complete', params, timeout: COMPLETION_TIMEOUT };
  const answer = await timed(hub, res, 'ask', asked);
  const { values, total, hasMore } = answer?.result.completion ?? {};
  const found = (Array.isArray(values) ? values : []).filter((each) => typeof each === 'string');
  return answer && { values: found.slice(0, MOST_COMPLETIONS), total: total ?? null, has_more: hasMore === true };
}

/** Arguments as MCP has those of prompts: each a text. @param {Record<string, unknown>} given */
const texts = (given) => Object.fromEntries(Object.entries(given).map(([name, value]) => [name, String(value)]));
