// The front's settings, which `hubctl run` passes (bridge/front_settings.py); this process parses no HUB_* variable.

import { BlockList, isIP } from 'node:net';
import { FrontError } from './errors.mjs';

/**
 * @import {FrontSettings} from '../../bridge/node/types.mjs'
 * @typedef {Readonly<Omit<FrontSettings, 'trustedProxies'> & { trustedProxies: BlockList }>} Settings
 */

/** The environment variable with the settings as one JSON value. */
const VARIABLE = 'YAMCP_HUB_FRONT_SETTINGS';

/**
 * Return the settings in force.
 * @param {Record<string, string | undefined>} [env]
 * @returns {Settings}
 * @throws {FrontError} SETTING_INVALID: there are none, or not in full
 */
export function load(env = process.env) {
  const text = env[VARIABLE];
  if (!text) throw invalid('is not set');
  let given;
  try {
    given = JSON.parse(text);
  } catch {
    throw invalid('is no JSON');
  }
  return settingsOf(given);
}

/**
 * @param {FrontSettings} given
 * @returns {Settings}
 * @throws {FrontError} SETTING_INVALID: something is not there, as an older `hubctl run` would leave it
 */
export function settingsOf(given) {
  if (typeof given?.addresses !== 'object' || !Array.isArray(given.trustedProxies)) throw invalid('is not whole');
  return Object.freeze({ ...given, trustedProxies: networks(given.trustedProxies) });
}

/** @param {readonly string[]} list  each with the length of its prefix */
function networks(list) {
  const found = new BlockList();
  for (const item of list) {
    const [base, bits] = item.split('/');
    found.addSubnet(base, Number(bits), isIP(base) === 6 ? 'ipv6' : 'ipv4');
  }
  return found;
}

/** @param {string} what */
function invalid(what) {
  const message = `${VARIABLE}: the front's settings, which \`hubctl run\` hands it, cannot be used: the value ${what}.`;
  return new FrontError('SETTING_INVALID', message);
}
