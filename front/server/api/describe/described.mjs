/** GET /api/openapi.json and /hub/api: the API described by itself. What makes these is loaded with the first request. */

import { FrontError } from '../../errors.mjs';
import { originOf } from '../../http/client.mjs';

const DOCUMENT = '/api/openapi.json';
const PAGE = '/hub/api';

/**
 * Return the handler of both paths; other paths are passed on. To be mounted before the handler of /hub/.
 *
 * @param {{settings: import('../../settings.mjs').Settings, version: () => string}} parts
 * @returns {import('express').Handler}
 */
export function described({ settings, version }) {
  return async (request, response, next) => {
    if (request.path !== DOCUMENT && request.path !== PAGE) return next();
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.set('Allow', 'GET, HEAD');
      throw new FrontError('METHOD_NOT_ALLOWED');
    }
    const { openapi } = await import('./openapi.mjs');
    const baseUrl = settings.publicUrl ?? originOf(request, settings.trustedProxies);
    const document = openapi({ version: version(), baseUrl, isProtected: settings.protected });
    response.set('Cache-Control', 'no-store');
    if (request.path === DOCUMENT) return response.json(document);
    const { apiPage, POLICY } = await import('../../pages/api_page.mjs');
    response.set('Content-Security-Policy', POLICY).type('html').send(apiPage(document));
  };
}
