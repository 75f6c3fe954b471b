// The front's settings: HUB_* of its environment, which `hubctl run` fills; defaults are those of bridge/settings.py.

import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { FrontError } from './errors.mjs';
import { address, protectionOf, reachedAt } from './protection.mjs';

/**
 * Sizes in bytes, times in seconds, URLs without a slash at the end.
 * @typedef {Readonly<{
 *   host: string, port: number, sidecarPort: number, publicUrl: string | null, allowedHosts: readonly string[],
 *   dataDir: string, runtimeDir: string, yamcpDir: string, yamcpUiDir: string | null,
 *   maxBodyBytes: number, logLevel: string, pingInterval: number, baseUrl: string, sidecarUrl: string,
 *   addresses: Readonly<{desired: string, actual: string, events: string, desiredEvents: string}>,
 * }> & import('./protection.mjs').Protection} Settings
 * @typedef {Record<string, string | undefined>} Environment
 */

/**
 * The settings in force.
 * @param {Environment} [env]
 * @returns {Settings}
 * @throws {FrontError} SETTING_INVALID: one cannot be used; the message names it
 */
export function load(env = process.env) {
  const host = address(text(env, 'HUB_HOST', '127.0.0.1'));
  const port = number(env, 'HUB_PORT', 8765, 1, 65535);
  const sidecarPort = number(env, 'HUB_SIDECAR_PORT', 8766, 1, 65535);
  const publicUrl = url(text(env, 'HUB_PUBLIC_URL', ''));
  const dataHome = env.XDG_DATA_HOME || join(homedir(), '.local/share');
  const dataDir = path(text(env, 'HUB_DATA_DIR', join(dataHome, 'yamcp-hub')));
  const runtimeDir = path(text(env, 'HUB_RUNTIME_DIR', join(dataDir, 'run')));
  const yamcpUiDir = text(env, 'HUB_YAMCP_UI_DIR', '');
  const protection = protectionOf(env, { host, dataDir, runtimeDir });
  return Object.freeze({
    ...protection,
    host,
    port,
    sidecarPort,
    publicUrl,
    allowedHosts: Object.freeze(names(text(env, 'HUB_ALLOWED_HOSTS', ''))),
    dataDir,
    runtimeDir,
    yamcpDir: path(text(env, 'HUB_YAMCP_DIR', join(dataHome, 'yamcp-nodejs'))),
    yamcpUiDir: yamcpUiDir ? path(yamcpUiDir) : null,
    maxBodyBytes: number(env, 'HUB_MAX_BODY_BYTES', 4 * 1024 * 1024, 1024, Number.MAX_SAFE_INTEGER),
    logLevel: text(env, 'HUB_LOG_LEVEL', 'info'),
    pingInterval: positive(env, 'HUB_PING_INTERVAL', 15),
    baseUrl: (publicUrl ?? at(host, port, protection.tls ? 'https' : 'http')).replace(/\/+$/, ''),
    sidecarUrl: at(host, sidecarPort),
    addresses: Object.freeze({
      desired: socket(runtimeDir, 'desired'),
      actual: socket(runtimeDir, 'actual'),
      events: socket(runtimeDir, 'events'),
      desiredEvents: socket(runtimeDir, 'desired-events'),
    }),
  });
}

/** @param {string} directory @param {string} name */
const socket = (directory, name) => `ipc://${directory}/${name}.sock`;

/** An address that can be clicked. @param {string} host @param {number} port @param {string} [scheme] */
function at(host, port, scheme = 'http') {
  const name = reachedAt(host);
  return `${scheme}://${name.includes(':') ? `[${name}]` : name}:${port}`;
}

/** @param {Environment} env @param {string} name @param {string} otherwise */
const text = (env, name, otherwise) => env[name] || otherwise;

/** @param {string} value */
const names = (value) =>
  value
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter(Boolean);

/** @param {string} value */
function path(value) {
  const whole = value === '~' || value.startsWith('~/') ? join(homedir(), value.slice(1)) : value;
  return isAbsolute(whole) ? whole : resolve(whole);
}

/** @param {Environment} env @param {string} name @param {number} otherwise @param {number} least @param {number} most */
function number(env, name, otherwise, least, most) {
  const value = env[name] ? Number(env[name]) : otherwise;
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new FrontError('SETTING_INVALID', `${name}: ${env[name]} is not a whole number from ${least} to ${most}.`);
  }
  return value;
}

/** @param {Environment} env @param {string} name @param {number} otherwise */
function positive(env, name, otherwise) {
  const value = env[name] ? Number(env[name]) : otherwise;
  if (!(value > 0 && Number.isFinite(value))) {
    throw new FrontError('SETTING_INVALID', `${name}: ${env[name]} is not a number above 0.`);
  }
  return value;
}

/** @param {string} value */
function url(value) {
  if (!value) return null;
  const parsed = URL.canParse(value) ? new URL(value) : null;
  if (!parsed || !/^https?:$/.test(parsed.protocol) || parsed.search || parsed.hash) {
    throw new FrontError(
      'SETTING_INVALID',
      `HUB_PUBLIC_URL: ${value} is not an address that begins with http:// or https://.`,
    );
  }
  return value;
}
