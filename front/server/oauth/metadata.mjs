// Metadata documents by which clients find out how to sign in. Pure. RFC 9728, RFC 8414; MCP 2026-07-28, Authorization.

import { RESOURCE_METADATA } from './urls.mjs';

/**
 * @typedef {Pick<import('../settings.mjs').Settings, 'jwtIssuer' | 'jwtScopes'>} External  the external authorization
 *   server whose tokens the endpoints accept (HUB_JWT_ISSUER), and the scopes that these need
 */

/** The one scope: to use the endpoint. */
export const SCOPE = 'mcp';

/** Return the scopes that a token for an endpoint needs. @param {External} external */
export const scopesOf = ({ jwtIssuer, jwtScopes }) => (jwtIssuer ? jwtScopes : [SCOPE]);

/**
 * Return the metadata of the endpoint at a path. It is the same whether or not there is such an endpoint.
 * @param {string} base @param {string} path  of the metadata request, without the query
 * @param {External} external
 */
export function resourceMetadata(base, path, external) {
  return {
    resource: `${base}${path.slice(RESOURCE_METADATA.length)}`,
    authorization_servers: [external.jwtIssuer ?? base],
    scopes_supported: scopesOf(external),
    bearer_methods_supported: ['header'],
    resource_name: 'yamcp-hub',
  };
}

/** Return the metadata of the authorization server (RFC 8414). @param {string} base  its issuer */
export function serverMetadata(base) {
  return {
    issuer: base,
    authorization_endpoint: `${base}/oauth/authorize`,
    token_endpoint: `${base}/oauth/token`,
    registration_endpoint: `${base}/oauth/register`,
    revocation_endpoint: `${base}/oauth/revoke`,
    scopes_supported: [SCOPE],
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_methods_supported: ['none'],
    revocation_endpoint_auth_methods_supported: ['none'],
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
    client_id_metadata_document_supported: true,
  };
}
