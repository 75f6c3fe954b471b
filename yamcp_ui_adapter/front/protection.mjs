// The settings of a hub that is exposed: whether it wants a token, where tokens and keys are, TLS, proxies.

import { BlockList, isIP } from 'node:net';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { FrontError } from './errors.mjs';
import { TOKEN, tokenHash } from './keys.mjs';

/**
 * `tokenHash`: that of HUB_TOKEN, which itself is not kept. The sidecar's socket is used in place of its port where `protected`.
 * @typedef {Readonly<{
 *   protected: boolean, tokenHash: string | null, tokenFile: string, keysFile: string, frontKeyFile: string,
 *   cookieKeyFile: string, sidecarSocket: string, yamcpUiSocket: string, tls: Tls | null, trustedProxies: BlockList,
 * }>} Protection
 * @typedef {Readonly<{cert: string, key: string}>} Tls  paths of PEM files
 * @typedef {Record<string, string | undefined>} Environment
 */

/** Where one is reached that listens on every address. */
const REACHED = /** @type {Record<string, string>} */ ({ '0.0.0.0': '127.0.0.1', '::': '::1' });

/**
 * @param {Environment} env
 * @param {{host: string, dataDir: string, runtimeDir: string}} here
 * @returns {Protection}
 * @throws {FrontError} SETTING_INVALID
 */
export function protectionOf(env, { host, dataDir, runtimeDir }) {
  const { HUB_TOKEN: token, HUB_TOKEN_FILE: tokenFile } = env;
  if (token && !TOKEN.test(token)) throw invalid('HUB_TOKEN: a token is 16 to 512 visible ASCII characters.');
  return {
    protected: !isLoopback(host) || Boolean(token || tokenFile),
    tokenHash: token ? tokenHash(token) : null,
    tokenFile: tokenFile ? path(tokenFile) : join(dataDir, 'token'),
    keysFile: join(dataDir, 'keys.json'),
    cookieKeyFile: join(dataDir, 'cookie.key'),
    frontKeyFile: join(runtimeDir, 'front.key'),
    sidecarSocket: join(runtimeDir, 'sidecar.sock'),
    yamcpUiSocket: join(runtimeDir, 'yamcp-ui.sock'),
    tls: tlsOf(env),
    trustedProxies: networks(env.HUB_TRUSTED_PROXIES ?? ''),
  };
}

/**
 * An address to listen on, without brackets.
 * @param {string} value of HUB_HOST
 * @throws {FrontError} SETTING_INVALID
 */
export function address(value) {
  const host = /^\[.*\]$/.test(value) ? value.slice(1, -1) : value;
  if (host !== 'localhost' && (!isIP(host) || host.includes('%'))) {
    throw invalid(`HUB_HOST: ${value} is not an IP address or localhost.`);
  }
  return host;
}

/** The address at which this machine reaches the hub. @param {string} host */
export const reachedAt = (host) => REACHED[host] ?? host;

/** Whether only this machine reaches it. @param {string} host  as `address` gives it */
export function isLoopback(host) {
  return host === 'localhost' || /^127\./.test(host) || (isIP(host) === 6 && canonical(host) === '[::1]');
}

/** @param {string} host */
const canonical = (host) => new URL(`http://[${host}]`).hostname;

/** @param {Environment} env @returns {Tls | null} */
function tlsOf({ HUB_TLS_CERT: cert, HUB_TLS_KEY: key }) {
  if (!cert && !key) return null;
  if (!cert || !key) throw invalid('HUB_TLS_CERT and HUB_TLS_KEY: one is set without the other; HTTPS needs both.');
  return { cert: path(cert), key: path(key) };
}

/** @param {string} list */
function networks(list) {
  const found = new BlockList();
  for (const item of list.split(',').map((each) => each.trim())) {
    if (!item) continue;
    const [base, bits] = item.split('/');
    const version = isIP(base);
    try {
      if (bits === undefined) found.addAddress(base, version === 6 ? 'ipv6' : 'ipv4');
      else found.addSubnet(base, bits === '' ? NaN : Number(bits), version === 6 ? 'ipv6' : 'ipv4');
    } catch {
      throw invalid(`HUB_TRUSTED_PROXIES: ${item} is not an IP address or network.`);
    }
  }
  return found;
}

/** @param {string} value */
function path(value) {
  const whole = value === '~' || value.startsWith('~/') ? join(homedir(), value.slice(1)) : value;
  return isAbsolute(whole) ? whole : resolve(whole);
}

/** @param {string} message */
const invalid = (message) => new FrontError('SETTING_INVALID', message);
