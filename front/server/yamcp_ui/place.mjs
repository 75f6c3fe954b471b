// Where YAMCP-UI listens: on a Unix socket, always. It serves most requests whatever their Host and Origin, so that a port of
// it would be open to the pages of any site (DNS rebinding).

/**
 * @typedef {object} Place
 * @property {{path: string}} connect  for node:net
 * @property {{socketPath: string}} request  for node:http
 * @property {string} host  the Host that it expects: it takes what PORT says for its port, be that a path
 */

/**
 * @param {Pick<import('../settings.mjs').Settings, 'yamcpUiSocket'>} settings
 * @returns {Place}
 */
export const placeOf = ({ yamcpUiSocket: path }) => ({
  connect: { path },
  request: { socketPath: path },
  host: `localhost:${path}`,
});
