/** The ordered members of a workspace, and the names of their tools. Pure. */

/**
 * @typedef {object} Members
 * @property {string[]} keys all that can be picked; the picked ones are members in this order
 * @property {ReadonlySet<string>} picked
 */

/**
 * Return all servers: the members in their order, then the others.
 *
 * @param {string[]} members
 * @param {string[]} servers
 * @returns {Members}
 */
export function membersOf(members, servers) {
  return { keys: [...new Set([...members, ...servers])], picked: new Set(members) };
}

/** @param {Members} members @returns {string[]} */
export function pickedKeys({ keys, picked }) {
  return keys.filter((key) => picked.has(key));
}

/** @param {Members} members @param {string} key @returns {Members} */
export function toggled({ keys, picked }, key) {
  const next = new Set(picked);
  if (!next.delete(key)) next.add(key);
  return { keys, picked: next };
}

/**
 * Return the members with one moved up or down among the picked ones; unchanged at the end of the list.
 *
 * @param {Members} members
 * @param {string} key
 * @param {-1|1} by
 * @returns {Members}
 */
export function moved(members, key, by) {
  const { keys, picked } = members;
  const order = pickedKeys(members);
  const other = order[order.indexOf(key) + by];
  if (!picked.has(key) || other === undefined) return members;
  const rest = keys.filter((item) => item !== key);
  rest.splice(rest.indexOf(other) + (by > 0 ? 1 : 0), 0, key);
  return { keys: rest, picked };
}

export const DEFAULT_TEMPLATE = '{namespace}_{name}';

/**
 * Return why a template is invalid for that many servers; empty if it is valid.
 *
 * @param {string} template
 * @param {number} servers
 */
export function templateFault(template, servers) {
  if (template.replace(/\{namespace\}|\{name\}|[A-Za-z0-9_-]/g, '') !== '')
    return 'Use only letters, digits, _ and -, {namespace} and {name}.';
  if (template.split('{name}').length !== 2) return 'The template must contain {name} exactly once.';
  if (servers > 1 && !template.includes('{namespace}'))
    return 'A workspace with several servers needs {namespace}; otherwise their tools could have the same names.';
  return '';
}

/** Return why a text is invalid as a slug; empty if it is valid or empty. @param {string} slug */
export function slugFault(slug) {
  return /^[A-Za-z0-9_-]{0,64}$/.test(slug) ? '' : 'Use at most 64 letters (a-z, A-Z), digits, _ and -.';
}

/** Return the name that a tool gets. @param {string} template @param {string} namespace @param {string} name */
export function exampleName(template, namespace, name) {
  return template.replaceAll('{namespace}', () => namespace).replace('{name}', () => name);
}
