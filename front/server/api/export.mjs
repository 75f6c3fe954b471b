/** Servers as another client's configuration, or as providers.json has them: without their secrets unless asked for. */

import { noSuchServer } from './api_errors.mjs';
import { readConfig } from './edits.mjs';
import { mask, MASK, storedEntries } from '../state/masking.mjs';

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * @typedef {'client' | 'providers'} Form
 * @typedef {{config: Record<string, any>, variables: string[]}} Exported `variables` stand where secrets were
 */

/**
 * The servers of these keys (none named: all) as a configuration.
 *
 * @param {import('../state/hub.mjs').Hub} hub
 * @param {{form: Form, servers?: string[], secrets?: boolean}} asked
 * @returns {Promise<Exported>}
 * @throws NO_SUCH_SERVER, CONFIG_FILE_BROKEN
 */
export async function exportServers(hub, { form, servers, secrets = false }) {
  const { content, entries } = await readConfig(hub, 'providers');
  const stored = storedEntries(content);
  const keys = servers ?? Object.keys(entries);
  const missing = keys.find((key) => !Object.hasOwn(entries, key));
  if (missing !== undefined) throw noSuchServer(missing);
  return exported(new Map(keys.map((key) => [key, stored(key)])), { form, secrets });
}

/**
 * The configuration (pure).
 *
 * @param {Map<string, any>} entries as they are stored
 * @param {{form: Form, secrets: boolean}} options
 * @returns {Exported}
 */
export function exported(entries, { form, secrets }) {
  const variables = new Variables();
  const shown = [...entries].map(([key, entry]) => {
    const safe = secrets ? entry : withVariables(entry, mask(entry), (field) => variables.named(key, field));
    return [key, form === 'client' ? clientForm(safe) : safe];
  });
  const servers = Object.fromEntries(shown);
  return { config: form === 'client' ? { mcpServers: servers } : servers, variables: [...variables.names] };
}

/** Names of variables, each for one value. */
class Variables {
  /** @type {Set<string>} */
  names = new Set();

  /** A name that no other value has. @param {string} key @param {string} field */
  named(key, field) {
    const own = `${key}_${field || 'secret'}`.replace(/[^A-Za-z0-9_]+/g, '_').toUpperCase();
    const plain = NAME.test(own) ? own : `_${own}`;
    let name = NAME.test(field) && field === field.toUpperCase() && !this.names.has(field) ? field : plain;
    for (let n = 2; this.names.has(name); n += 1) name = `${plain}_${n}`;
    this.names.add(name);
    return `\${${name}}`;
  }
}

/**
 * A value in which a reference to a variable stands for each masked part of its text.
 *
 * @param {any} value as it is stored
 * @param {any} masked the same as pages may see it
 * @param {(field: string) => string} reference
 * @param {string} [field] what it is called
 * @returns {any}
 */
function withVariables(value, masked, reference, field = '') {
  if (Array.isArray(masked)) return masked.map((item, at) => withVariables(value?.[at], item, reference));
  if (typeof masked === 'object' && masked !== null) {
    const named = Object.entries(masked).map(([name, item]) => {
      const inner = name === 'url' || name === 'args' ? '' : name;
      return [name, withVariables(value?.[name], item, reference, inner)];
    });
    return Object.fromEntries(named);
  }
  if (typeof masked !== 'string' || masked === value) return masked;
  return masked.replaceAll(MASK, () => reference(field));
}

/** An entry as Claude Desktop, Cursor and others have it. @param {any} entry */
function clientForm(entry) {
  const { type, providerParameters: inside, ...flat } = entry ?? {};
  const { namespace, type: innerType, ...parameters } = inside ?? flat;
  const kind = type ?? innerType;
  return parameters.url === undefined || kind === undefined ? parameters : { type: kind, ...parameters };
}
