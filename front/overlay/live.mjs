/** Follows the hub's State over its WebSocket. */

import { seenFrom } from '/hub/assets/hub/address.mjs';
import { checkLogin } from '/hub/assets/hub/login.mjs';
import { merge } from '/hub/assets/hub/merge.mjs';
import { ReconnectingSocket } from '/hub/assets/hub/socket.mjs';

/** @import {State, WorkspaceState} from '../server/state/state.mjs' */

/** The last known State; calls `tell` when it changes. */
export class Live {
  /** @type {State | null} */
  state = null;
  /** Whether the connection is lost, so that the State may be outdated. */
  lost = false;

  /** @param {() => void} tell */
  constructor(tell) {
    this.tell = tell;
    this.socket = new ReconnectingSocket(`${location.origin.replace(/^http/, 'ws')}/api/hub/live`, {
      opened: () => {},
      received: (message) => this.#received(message),
      lost: () => {
        this.lost = true;
        if (this.state?.hub.protected ?? true) checkLogin();
        tell();
      },
    });
    window.addEventListener('online', () => this.socket.retry());
  }

  /** @param {string} name */
  workspace(name) {
    return this.state?.workspaces.find((item) => item.name === name);
  }

  /** @param {string} key */
  server(key) {
    return this.state?.servers.find((item) => item.key === key);
  }

  /** Apply the hub's answer to a change. @param {WorkspaceState} workspace */
  take(workspace) {
    if (!this.state) return;
    const workspaces = this.state.workspaces.map((item) => (item.name === workspace.name ? workspace : item));
    this.state = seenFrom({ ...this.state, workspaces }, location.origin);
    this.tell();
  }

  /** @param {any} message */
  #received(message) {
    if (message.type === 'state') this.state = message.state;
    else if (message.type === 'change') this.state = merge(this.state, message) ?? this.#missed();
    else if (message.type === 'tick' && message.seq !== this.state?.seq) this.#missed();
    else return;
    if (this.state) this.state = seenFrom(this.state, location.origin);
    this.lost = false;
    this.tell();
  }

  #missed() {
    this.socket.send({ type: 'status' });
    return this.state;
  }
}
