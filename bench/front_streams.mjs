/**
 * Browsers on the hub's event stream: real pages, and WebSocket clients that do what a page does. Prints one JSON line
 * when all are connected; after a line on stdin, {"texts": {line: times}}, and when all that was told there has
 * arrived, one line with what each of them got.
 *
 *   node bench/front_streams.mjs URL CLIENTS PAGES
 */

import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';
import WebSocket from 'ws';
import { openBrowser } from '../tests/front/support/browser.mjs';
import { merge } from '../front/console/hub/merge.mjs';

/** @typedef {{records: Record<string, number>, gaps: number, changes: number, seq: number, state: string, late: number[]}} Got */

const [url, clients, pages] = process.argv.slice(2);
const PATIENCE = 30_000; // ms for what is still on its way
const print = (/** @type {unknown} */ value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const digest = (/** @type {unknown} */ value) => createHash('sha256').update(JSON.stringify(value)).digest('hex');

/** One connection, which counts what it is told. */
class Client {
  /** @type {any} */
  state = null;
  /** @type {Record<string, number>} */
  records = {};
  gaps = 0;
  changes = 0;
  /** Milliseconds from when a record was made until it was here. @type {number[]} */
  late = [];

  /** @param {string} address */
  async open(address) {
    this.socket = new WebSocket(`${address.replace(/^http/, 'ws')}/api/hub/live`);
    this.socket.on('message', (data) => this.#heard(JSON.parse(String(data))));
    await new Promise((resolve, reject) => this.socket?.once('open', resolve).once('error', reject));
    this.socket.send(JSON.stringify({ type: 'logs', on: true }));
  }

  /** @param {any} message */
  #heard(message) {
    if (message.type === 'state') this.state = message.state;
    else if (message.type === 'change') {
      this.changes += 1;
      if (message.seq !== this.state.seq + 1) this.gaps += 1;
      this.state = merge(this.state, message);
    } else if (message.type === 'log' && message.record.line !== undefined) {
      const { line, time } = message.record;
      this.records[line] = (this.records[line] ?? 0) + 1;
      this.late.push(Date.now() - Date.parse(time));
    }
  }

  /** @returns {Promise<Got>} */
  async got() {
    const { records, gaps, changes, state, late } = this;
    return { records, gaps, changes, seq: state.seq, state: digest(state), late };
  }

  close() {
    this.socket?.terminate();
  }
}

/** The console's activity page in a browser, asked for what its own store holds. */
class RealPage {
  /** @param {import('../tests/front/support/browser.mjs').Visit} visit */
  constructor(visit) {
    this.visit = visit;
  }

  /** @param {import('../tests/front/support/browser.mjs').Window} browser @param {string} address */
  static async open(browser, address) {
    const visit = await browser.visit(address);
    await visit.page.goto('/hub/#/activity');
    await visit.page.getByRole('region', { name: 'Lines, newest last' }).waitFor();
    await visit.page.evaluate(listen);
    return new RealPage(visit);
  }

  /** @returns {Promise<Got>} */
  async got() {
    const { state, ...counted } = await this.visit.page.evaluate(() => /** @type {any} */ (globalThis).counted());
    return { ...counted, seq: state.seq, state: digest(state) };
  }
}

/** Runs in the page: counts beside what the page does itself. */
async function listen() {
  const path = '/hub/assets/hub/store.mjs';
  const { live, state } = await import(path);
  const counted = {
    records: /** @type {Record<string, number>} */ ({}),
    gaps: 0,
    changes: 0,
    late: /** @type {number[]} */ ([]),
  };
  let seq = state.value.seq;
  state.subscribe((/** @type {any} */ value) => {
    if (value.seq === seq) return;
    counted.changes += 1;
    if (value.seq !== seq + 1) counted.gaps += 1;
    seq = value.seq;
  });
  live.onLog((/** @type {any} */ { line, time }) => {
    if (line === undefined) return;
    counted.records[line] = (counted.records[line] ?? 0) + 1;
    counted.late.push(Date.now() - Date.parse(time));
  });
  Object.assign(globalThis, { counted: () => ({ ...counted, state: state.value }) });
}

/** @param {Got} got @param {Record<string, number>} texts */
const complete = ({ records }, texts) => Object.entries(texts).every(([text, times]) => (records[text] ?? 0) >= times);

/** Ask all until each has everything and they agree, or the patience is at its end. */
async function whenComplete(/** @type {(Client|RealPage)[]} */ all, /** @type {Record<string, number>} */ texts) {
  const deadline = Date.now() + PATIENCE;
  for (;;) {
    const got = await Promise.all(all.map((each) => each.got()));
    const agree = new Set(got.map(({ state }) => state)).size === 1;
    if ((agree && got.every((each) => complete(each, texts))) || Date.now() > deadline) return got;
    await new Promise((next) => setTimeout(next, 100));
  }
}

const browser = await openBrowser();
const sockets = Array.from({ length: Number(clients) }, () => new Client());
try {
  /** @type {RealPage[]} */
  const real = [];
  for (let number = 0; number < Number(pages); number += 1) real.push(await RealPage.open(browser, url));
  for (const socket of sockets) await socket.open(url);
  print({ ready: sockets.length + real.length });
  for await (const line of createInterface({ input: process.stdin })) {
    const { texts } = JSON.parse(line);
    const got = await whenComplete([...sockets, ...real], texts);
    print(
      got.map(({ records, ...each }) => ({
        ...each,
        kinds: Object.keys(records).length,
        missing: missing(records, texts),
      })),
    );
    break;
  }
} finally {
  for (const socket of sockets) socket.close();
  await browser.close();
  process.stdin.destroy(); // the other end may stay open
}

/** @param {Record<string, number>} records @param {Record<string, number>} texts */
function missing(records, texts) {
  return Object.entries(texts).reduce((sum, [text, times]) => sum + Math.abs(times - (records[text] ?? 0)), 0);
}
