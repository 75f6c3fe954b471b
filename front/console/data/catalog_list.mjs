/**
 * Prompts and resources of a workspace, searched and put below their servers. Pure.
 *
 * @typedef {{ name: string, title?: string, description?: string, arguments?: Argument[], uri?: string,
 *             uriTemplate?: string, mimeType?: string, size?: number }} Item  as MCP's lists have it
 * @typedef {{ name: string, title?: string, description?: string, required?: boolean }} Argument
 * @typedef {{ item: Item, server: string, completes: boolean }} CatalogItem
 * @typedef {{ server: string, items: CatalogItem[] }} Group
 */

/**
 * Return the id of an item in its workspace: the URI of a resource, otherwise the name.
 *
 * @param {CatalogItem} listed
 * @returns {string}
 */
export function idOf({ item }) {
  return String(item.uri ?? item.uriTemplate ?? item.name);
}

/**
 * Return the items that contain each word of the search in name, title, description, URI, type or server, by server.
 *
 * @param {CatalogItem[]} all
 * @param {string} search
 * @returns {Group[]}
 */
export function groupItems(all, search) {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  /** @type {Map<string, CatalogItem[]>} */
  const groups = new Map();
  for (const listed of all) {
    const { name, title, description, mimeType } = listed.item;
    const text = [name, title, description, mimeType, idOf(listed), listed.server].join('\n').toLowerCase();
    if (!words.every((word) => text.includes(word))) continue;
    const group = groups.get(listed.server);
    if (group) group.push(listed);
    else groups.set(listed.server, [listed]);
  }
  return [...groups].map(([server, items]) => ({ server, items }));
}

/**
 * Return the valid arguments of a prompt; a server may send anything.
 *
 * @param {Item} item
 * @returns {Argument[]}
 */
export function argumentsOf(item) {
  const given = Array.isArray(item.arguments) ? item.arguments : [];
  return given.filter((each) => typeof each?.name === 'string');
}

/**
 * Return the values without empty ones.
 *
 * @param {Record<string, string>} values
 * @returns {Record<string, string>}
 */
export function withoutEmpty(values) {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== ''));
}
