/**
 * Converts a server's container settings to lines of text for a form and back: `name = value`, one `mount` for each
 * mount.
 * Pure.
 */

import { SCHEMA } from '../forms/server_settings.mjs';

/** @type {[string, any][]} */
const FIELDS = Object.entries(SCHEMA.$defs.ContainerSettings.properties).map(([name, { anyOf, ...schema }]) => [
  name,
  anyOf?.[0] ?? schema,
]);
const SIZE = new RegExp(SCHEMA.$defs.ContainerSettings.properties.memory.pattern);
const NUMBERS = new Set(FIELDS.filter(([, { type }]) => ['number', 'integer'].includes(type)).map(([name]) => name));
const TEXTS = new Set(FIELDS.filter(([, { type }]) => type === 'string').map(([name]) => name));

/** @typedef {{ source: string, target: string, read_only: boolean }} Mount */

/** @param {any} container @returns {string} */
export function showContainer(container) {
  if (!container) return '';
  const { mounts = [], network, ...rest } = container;
  return [
    ...Object.entries(rest)
      .filter(([, value]) => value !== null && value !== undefined)
      .map(([name, value]) => `${name} = ${value}`),
    ...(network ? ['network = yes'] : []),
    ...mounts.map(
      (/** @type {Mount} */ { source, target, read_only }) =>
        `mount = ${source}:${target}${read_only === false ? ':rw' : ''}`,
    ),
  ].join('\n');
}

/**
 * Parse the lines; empty text means no container. The hub validates the values.
 *
 * @param {string} text
 * @returns {{ value: any, fault?: undefined } | { value?: undefined, fault: string }}
 */
export function readContainer(text) {
  /** @type {Record<string, any>} */
  const value = {};
  const lines = text.split('\n').map((line) => line.trim());
  for (const line of lines.filter((item) => item !== '')) {
    const at = line.indexOf('=');
    const [name, text] = [line.slice(0, Math.max(at, 0)).trim(), line.slice(at + 1).trim()];
    const fault = text === '' ? 'name = value' : readLine(value, name, text);
    if (fault) return { fault: `“${line}” is not: ${fault}.` };
  }
  if (Object.keys(value).length === 0) return { value: null };
  return value.image ? { value } : { fault: 'A container needs an image: image = …' };
}

/**
 * Parse one line into `value`; return the expected format if it is invalid.
 * @param {Record<string, any>} value @param {string} name @param {string} text
 */
function readLine(value, name, text) {
  if (name === 'mount') {
    const [source, target, mode, ...more] = text.split(':');
    const usable = source.startsWith('/') && target?.startsWith('/') && ['rw', 'ro', undefined].includes(mode);
    if (!usable || more.length > 0) return 'mount = /on/the/host:/inside, with :rw to let it write';
    value.mounts = [...(value.mounts ?? []), { source, target, read_only: mode !== 'rw' }];
  } else if (name === 'network') {
    if (text !== 'yes' && text !== 'no') return 'network = yes, or no';
    value.network = text === 'yes';
  } else if (NUMBERS.has(name)) {
    if (!(Number(text) > 0)) return `${name} = a number above 0`;
    value[name] = Number(text);
  } else if (TEXTS.has(name)) {
    if (name === 'memory' && !SIZE.test(text)) return 'memory = a number and k, m or g, such as 512m';
    value[name] = text;
  } else return 'one of image, memory, cpus, pids, network, mount, pull, user, workdir';
  return '';
}
