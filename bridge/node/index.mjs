/** The Node client of the bridge between the hub's processes. docs/protocol.md is the authority. */

export { BridgeClient, MAX_PENDING } from './client.mjs';
export { MAX_BYTES, PROTOCOL_VERSION } from './codec.mjs';
export { BridgeError } from './errors.mjs';
export { Subscriber, TOPICS } from './subscriber.mjs';
