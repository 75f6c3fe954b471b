// Requests to the provider: to HTTPS only, unless the provider itself is on this machine; no redirects; bounded answers.

import { FrontError } from '../errors.mjs';

/** Limit for the bytes of an answer. */
const MAX_ANSWER_BYTES = 1 << 20;
const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

/** Return whether a provider is on this machine, where requests need no HTTPS. @param {string} issuer */
export function isLocal(issuer) {
  const { protocol, hostname } = new URL(issuer);
  return protocol === 'http:' && LOOPBACK.has(hostname);
}

/**
 * Return a function like `fetch` for requests to a provider.
 * @param {string} issuer
 * @returns {(url: string, options: any) => Promise<Response>}
 */
export function fetchFor(issuer) {
  const local = isLocal(issuer);
  return async (url, options) => {
    const { protocol, hostname } = new URL(url);
    if (protocol !== 'https:' && !(local && LOOPBACK.has(hostname)))
      throw new FrontError('OIDC_PROVIDER_INVALID', "The provider's metadata has an address without https://.");
    const response = await fetch(url, { ...options, redirect: 'manual' });
    const body = await readBody(response);
    const { status, statusText, headers } = response;
    return new Response(status === 204 || status === 304 ? null : body, { status, statusText, headers });
  };
}

/** @param {Response} response */
async function readBody(response) {
  /** @type {Uint8Array[]} */
  const chunks = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES)
      throw new FrontError('OIDC_PROVIDER_INVALID', 'An answer of the provider is longer than 1 MiB.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
