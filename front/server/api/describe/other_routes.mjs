import { oneOf, optional } from '../fields.mjs';
import { route } from '../route.mjs';

/** Routes that other parts of the front serve; listed here for the API's documents only. @type {import('../routes.mjs').Route[]} */
export const OTHER_ROUTES = [
  route('openapi', 'GET', '/api/openapi.json', {
    summary: 'The description of the API, for programs.',
    answer: 'OpenAPI 3.1',
  }),
  route('apiPage', 'GET', '/hub/api', {
    summary: 'The same as an HTML page.',
    answer: 'HTML',
  }),
  route('health', 'GET', '/healthz', {
    summary:
      'The health of the hub: 200, or 503 with the reasons; with `probe`, only what counts for it (docs/states.md).',
    query: { probe: optional(oneOf('liveness', 'readiness', 'startup')) },
    answer: '{status, …}',
  }),
  route('login', 'POST', '/login', {
    summary: 'Protected hubs: log a browser in, by a form with `token` and `next`.',
    answer: 'a cookie, and a redirect to `next`',
    errors: ['TOKEN_INVALID', 'KEY_FORBIDDEN', 'TOO_MANY_ATTEMPTS'],
  }),
  route('logout', 'POST', '/logout', {
    summary: 'Protected hubs: end the login of a cookie.',
    answer: 'a redirect to `/login`',
  }),
  ...['status', 'metrics'].map((page) =>
    route(page, 'GET', `/${page}`, {
      summary: `Protected hubs: the sidecar's own ${page}, which unprotected ones have on HUB_SIDECAR_PORT.`,
      answer: page === 'status' ? 'Status' : "text in Prometheus' format",
      errors: ['SIDECAR_AWAY'],
    }),
  ),
  route('live', 'WS', '/api/hub/live', {
    summary: 'State, and from then on each change of it, by WebSocket.',
    answer: 'messages in JSON',
  }),
];
