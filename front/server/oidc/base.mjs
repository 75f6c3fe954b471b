// The address of the hub as browsers and the provider see it. Pure.

import { originOf } from '../http/client.mjs';

/**
 * Return the base of the hub's URLs, without trailing slash: HUB_PUBLIC_URL, or what the request was sent to.
 * @param {import('node:http').IncomingMessage} request
 * @param {Pick<import('../settings.mjs').Settings, 'publicUrl' | 'trustedProxies'>} settings
 */
export const baseOf = (request, { publicUrl, trustedProxies }) =>
  publicUrl?.replace(/\/+$/, '') ?? originOf(/** @type {any} */ (request), trustedProxies);
