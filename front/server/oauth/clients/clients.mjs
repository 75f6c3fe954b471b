// Finds the clients of the authorization server: registered ones, and those with a metadata document.

import { ClientDocuments, isDocumentUrl } from './client_document.mjs';
import { OAuthError } from '../oauth_error.mjs';

/** @typedef {import('./client_metadata.mjs').Client} Client */

/** The form of the id of a registered client. */
const REGISTERED = /^c[0-9a-f]{16}$/;

/** The clients that may ask for access. */
export class Clients {
  /**
   * @param {Pick<import('../../state/hub.mjs').HubClient, 'askAdapter'>} hub
   * @param {{loopback: boolean, documents?: ClientDocuments}} options  `loopback`: HUB_OAUTH_LOOPBACK_CLIENTS
   */
  constructor(hub, { loopback, documents = new ClientDocuments({ loopback }) }) {
    this.hub = hub;
    this.loopback = loopback;
    this.documents = documents;
  }

  /** Return whether a client id is the URL of a metadata document. @param {string} id */
  hasDocument(id) {
    return isDocumentUrl(id, { loopback: this.loopback });
  }

  /**
   * Return the client with that id.
   * @param {string} id
   * @returns {Promise<Client>}
   * @throws {OAuthError} invalid_client, temporarily_unavailable
   */
  async find(id) {
    if (this.hasDocument(id)) return this.documents.client(id);
    if (!REGISTERED.test(id)) throw unknown();
    try {
      const { name, redirect_uris: redirectUris, uri } = await this.hub.askAdapter('find_client', { id });
      return { id, name, redirectUris, uri };
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'NO_SUCH_CLIENT') throw unknown();
      throw error;
    }
  }
}

const unknown = () =>
  new OAuthError('invalid_client', 'The hub does not know this client_id, or its registration has expired.');
