/** Sockets between a process and a socket of the bridge, which record everything that the process receives. */

import { Dealer, Router, XPublisher, XSubscriber } from 'zeromq';

/** A socket for requests, and one for events, of which others know the addresses; both closed by `close`. */
export class Tap {
  /** What came from the server, message by message. @type {Buffer[]} */
  received = [];
  /** What went to the server. @type {Buffer[]} */
  sent = [];
  /** @type {Map<string, Dealer>} by client */
  #dealers = new Map();
  /** @type {import('zeromq').Socket[]} */
  #sockets = [];

  /**
   * Pass requests on to a server, and its answers back.
   * @param {string} here @param {string} there
   */
  async requests(here, there) {
    const router = new Router({ linger: 0 });
    this.#sockets.push(router);
    await router.bind(here);
    void this.#each(router, async ([client, ...frames]) => {
      this.sent.push(...frames);
      await this.#dealer(router, client, there).send(frames);
    });
  }

  /**
   * Pass subscriptions on to a publisher, and its events back.
   * @param {string} here @param {string} there
   */
  async events(here, there) {
    const [publisher, subscriber] = [new XPublisher({ linger: 0 }), new XSubscriber({ linger: 0 })];
    this.#sockets.push(publisher, subscriber);
    subscriber.connect(there);
    await publisher.bind(here);
    void this.#each(publisher, (frames) => subscriber.send(frames));
    void this.#each(subscriber, (frames) => {
      this.received.push(...frames);
      return publisher.send(frames);
    });
  }

  close() {
    for (const socket of [...this.#sockets, ...this.#dealers.values()]) socket.close();
  }

  /** @param {Router} router @param {Buffer} client @param {string} there */
  #dealer(router, client, there) {
    const name = client.toString('hex');
    const known = this.#dealers.get(name);
    if (known) return known;
    const dealer = new Dealer({ linger: 0 });
    this.#dealers.set(name, dealer);
    dealer.connect(there);
    void this.#each(dealer, (frames) => {
      this.received.push(...frames);
      return router.send([client, ...frames]);
    });
    return dealer;
  }

  /**
   * Until it is closed.
   * @param {Router | Dealer | XPublisher | XSubscriber} socket @param {(frames: Buffer[]) => Promise<void>} pass
   */
  async #each(socket, pass) {
    try {
      while (!socket.closed) await pass(await socket.receive());
    } catch (error) {
      if (!this.#sockets.every((each) => each.closed)) throw error;
    }
  }
}
