/** The hub with YAMCP-UI behind it, and its pages as a person uses them. Runs over the stand-in, or over what
 * TEST_YAMCP_UI_DIR names: `make test-yamcp-ui HUB_YAMCP_UI_DIR=<dir>`. */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openBrowser } from './browser.mjs';
import { ROOT } from './hub.mjs';
import { runHub } from './run.mjs';

/** @import {Locator, Page} from 'playwright-core' @import {Visit, Window} from './browser.mjs' @import {Run} from './run.mjs' */

export const STANDIN = join(ROOT, 'tests/standin');
export const YAMCP_UI = process.env.TEST_YAMCP_UI_DIR || STANDIN;

/** A hub, a browser, and both closed again. */
export class Stage {
  /** @param {Run} run @param {Window} browser @param {string} state */
  constructor(run, browser, state) {
    this.run = run;
    this.browser = browser;
    this.state = state;
  }

  /** @param {Parameters<typeof runHub>[0]} options */
  static async open(options = {}) {
    const state = mkdtempSync(join(tmpdir(), 'ui')); // YAMCP's logs
    mkdirSync(join(state, 'yamcp-nodejs'));
    const run = await runHub({
      ...options,
      env: { HUB_YAMCP_UI_DIR: YAMCP_UI, XDG_STATE_HOME: state, ...options.env },
    });
    try {
      await run.until(({ hub }) => hub.yamcp_ui === 'ok');
      return new Stage(run, await openBrowser(), state);
    } catch (error) {
      await run.stop();
      throw error;
    }
  }

  async close() {
    try {
      await this.browser.close();
    } finally {
      await this.run.stop();
      rmSync(this.state, { recursive: true, force: true });
    }
  }

  /** A new visitor, on one of the pages. @param {string} path @param {import('./browser.mjs').Look} [look] */
  async visit(path, look) {
    const visit = await this.browser.visit(this.run.url, look);
    await visit.page.goto(path);
    return new Guest(visit);
  }
}

/** A person on YAMCP-UI's pages. */
export class Guest {
  /** @param {Visit} visit */
  constructor(visit) {
    this.visit = visit;
    /** @type {Page} */
    this.page = visit.page;
    this.dialog = this.page.getByRole('dialog');
  }

  /** The row of a table whose first cell is that name. @param {string} name @returns {Locator} */
  row(name) {
    return this.page
      .locator('tbody tr')
      .filter({ has: this.page.locator('td:first-child', { hasText: exactly(name) }) });
  }

  /** The switch of a workspace, in that position and at rest. @param {string} name @param {boolean} [checked] */
  toggle(name, checked) {
    const named = this.page.getByRole('switch', { name: `Workspace ${name} on/off`, exact: true, checked });
    return checked === undefined ? named : named.and(this.page.locator('[aria-busy=false]'));
  }

  /** Click one of a row's buttons, which have pictures only. @param {string} name @param {'view' | 'edit' | 'delete'} what */
  async act(name, what) {
    const buttons = this.row(name).locator('td:last-child button');
    const last = (await buttons.count()) - 1;
    await buttons.nth({ view: 0, edit: last - 1, delete: last }[what]).click();
    await this.dialog.waitFor();
  }

  /** Click a button of the dialog, which then closes. @param {string} name */
  async finish(name) {
    await this.dialog.getByRole('button', { name, exact: true }).click();
    await this.dialog.waitFor({ state: 'detached' });
  }

  /** @param {string} name @param {string[]} servers */
  async createWorkspace(name, servers) {
    await this.page.getByRole('button', { name: 'Create Workspace' }).first().click();
    await this.dialog.locator('#name').fill(name);
    for (const key of servers) await this.dialog.getByText(key, { exact: true }).first().click();
    await this.finish('Create Workspace');
  }

  /** @param {string} name @param {string} command @param {string} args @param {string} env */
  async addServer(name, command, args, env = '') {
    await this.page.getByRole('button', { name: 'Add Server' }).first().click();
    await this.dialog.locator('#name').fill(name);
    await this.dialog.locator('#command').fill(command);
    await this.dialog.locator('#args').fill(args);
    await this.dialog.locator('#env').fill(env);
    await this.finish('Add Server');
  }

  /** Go to another page by the menu. @param {string} title */
  async menu(title) {
    await this.page.getByRole('link', { name: title, exact: true }).click();
    await this.page.getByRole('heading', { level: 1, name: title, exact: true }).waitFor();
  }

  /** Leave; nothing may have gone wrong. */
  async end() {
    await this.visit.end();
  }
}

/** @param {string} text */
const exactly = (text) => new RegExp(`^${text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')}$`);
