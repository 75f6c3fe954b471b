// Where YAMCP-UI listens: on a port of loopback, or, where the hub is protected, on a Unix socket that no server may use.

/**
 * @typedef {object} Place
 * @property {{host: string, port: number} | {path: string}} connect  for node:net
 * @property {{host: string, port: number} | {socketPath: string}} request  for node:http
 * @property {string} host  the Host that it expects: it takes what PORT says for its port, be that a path
 */

/**
 * @param {Pick<import('./settings.mjs').Settings, 'protected' | 'yamcpUiSocket' | 'yamcpUiPort'>} settings
 * @returns {Place}
 */
export function placeOf({ protected: hidden, yamcpUiSocket: path, yamcpUiPort: port }) {
  const loopback = { host: '127.0.0.1', port };
  return hidden
    ? { connect: { path }, request: { socketPath: path }, host: `localhost:${path}` }
    : { connect: loopback, request: loopback, host: `localhost:${port}` };
}
