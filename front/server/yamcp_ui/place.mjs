// The address of YAMCP-UI, which is always a Unix socket. It serves most requests regardless of Host and Origin, so
// that a TCP port would be open to pages of any site (DNS rebinding).

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
