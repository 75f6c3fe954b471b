// GET /api/openapi.json and /hub/api: the API described by itself. What makes these is loaded with the first request.

import { originOf } from '../http/client.mjs';

/**
 * Return the handler of both paths.
 * @param {{settings: import('../settings.mjs').Settings, version: () => string}} parts
 * @returns {import('express').Handler}
 */
export function described({ settings, version }) {
  return async (request, response, next) => {
    const isPage = request.path === '/hub/api';
    if (request.method !== 'GET' || !(isPage || request.path === '/api/openapi.json')) return next();
    const { openapi } = await import('./openapi.mjs');
    const baseUrl = settings.publicUrl ?? originOf(request, settings.trustedProxies);
    const document = openapi({ version: version(), baseUrl, isProtected: settings.protected });
    response.set('Cache-Control', 'no-store');
    if (!isPage) return response.json(document);
    const { apiPage, POLICY } = await import('../pages/api_page.mjs');
    response.set('Content-Security-Policy', POLICY).type('html').send(apiPage(document));
  };
}
