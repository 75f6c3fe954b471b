/** The settings of a front that is started by itself: as `hubctl run` would hand them, from the same HUB_* variables. */

import { execFileSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { settingsOf } from '../../../front/server/settings.mjs';

const ROOT = resolve(import.meta.dirname, '../../..');
const PYTHON = join(ROOT, '.venv/bin/python');

export const VARIABLE = 'YAMCP_HUB_FRONT_SETTINGS';

/**
 * The value of the variable. Starts a Python process: about half a second.
 * @param {Record<string, string | undefined>} env  HUB_* and what else is in the environment
 */
export function frontSettings(env) {
  return execFileSync(PYTHON, ['-m', 'bridge.front_settings'], { cwd: ROOT, env, encoding: 'utf8' }).trim();
}

/** @type {Map<string, any>} */
const known = new Map();

/** The settings that these variables make, and nothing else. @param {Record<string, string | undefined>} variables */
export function load(variables = {}) {
  const text = JSON.stringify(variables);
  const { PATH, HOME } = process.env;
  if (!known.has(text)) {
    const env = { PATH, HOME, HUB_SETTINGS_FILE: '/dev/null', ...variables };
    known.set(text, JSON.parse(frontSettings(env)));
  }
  return settingsOf(known.get(text));
}
