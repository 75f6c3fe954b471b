// What the adapter's events tell beside changes of desired state: activations, and proposals that wait.

/**
 * @import {BridgeClient} from '../../../bridge/node/index.mjs'
 * @import {BridgeEvent} from '../../../bridge/node/types.mjs'
 * @import {Known} from './view.mjs'
 */

/** The topics of the adapter's events. */
export const ADAPTER_TOPICS = ['desired', 'activation', 'approvals'];

/**
 * Note what an event tells; return whether that is all: otherwise desired state has to be asked for.
 * @param {Known} known @param {BridgeEvent} event
 */
export function noted(known, { topic, data }) {
  if (topic === 'activation') known.activations += 1;
  else if (topic === 'approvals') known.proposals = data.waiting;
  else if (topic === 'joined') known.proposals = null; // earlier events are not repeated
  return topic === 'activation' || topic === 'approvals';
}

/**
 * Return how many proposals wait; 0 if the adapter cannot tell.
 * @param {BridgeClient} adapter
 */
export async function waitingProposals(adapter) {
  const found = await adapter.request('proposals').catch(() => ({ proposals: [] }));
  return found.proposals.filter(({ state }) => state === 'pending').length;
}
