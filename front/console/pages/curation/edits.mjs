/** Changes of a workspace's curation: each returns a new one. Pure. */

/**
 * @typedef {import('../../../../bridge/node/types.mjs').Curation} Curation
 * @typedef {import('../../../../bridge/node/types.mjs').WorkspaceItem} Item
 * @typedef {'tools' | 'prompts' | 'resources'} Section
 * @typedef {'on' | 'off' | 'ask'} New
 */

/** @type {Record<Item['kind'], Section>} */
const SECTIONS = { tool: 'tools', prompt: 'prompts', resource: 'resources', template: 'resources' };

export const HINTS = /** @type {const} */ (['readOnlyHint', 'destructiveHint', 'idempotentHint', 'openWorldHint']);

/** Return what the curation says about an item; empty if nothing. @param {Curation} curation @param {Item} item */
export function ofItem(curation, item) {
  return kindOf(curation, item.server, SECTIONS[item.kind]).items?.[item.name] ?? {};
}

/** Return what happens to new tools of a server. @param {Curation} curation @param {string} server @returns {New} */
export function newTools(curation, server) {
  return kindOf(curation, server, 'tools').new ?? 'on';
}

/** Switch items on or off, each by its name. @param {Curation} curation @param {Item[]} items @param {boolean} on */
export function switched(curation, items, on) {
  return items.reduce((made, item) => changed(made, item, { on }), curation);
}

/** Change fields of one item. @param {Curation} curation @param {Item} item @param {Record<string, any>} fields */
export function changed(curation, item, fields) {
  const section = SECTIONS[item.kind];
  const { items = {} } = kindOf(curation, item.server, section);
  const next = { ...items, [item.name]: { ...items[item.name], ...fields } };
  return withKind(curation, item.server, section, { items: next });
}

/**
 * Put a rule before the other rules of tools of these servers, in place of one for the same pattern and annotation.
 *
 * @param {Curation} curation
 * @param {string[]} servers
 * @param {{ match: string, annotation?: string, on: boolean }} rule
 */
export function ruled(curation, servers, rule) {
  const same = (/** @type {any} */ other) =>
    other.match === rule.match && (other.annotation ?? undefined) === rule.annotation;
  return servers.reduce((made, server) => {
    const others = (kindOf(made, server, 'tools').rules ?? []).filter((/** @type {any} */ other) => !same(other));
    return withKind(made, server, 'tools', { rules: [rule, ...others] });
  }, curation);
}

/**
 * Choose what happens to new tools of a server. The tools that there are now count as known.
 *
 * @param {Curation} curation
 * @param {Item[]} items
 * @param {string} server
 * @param {New} choice
 */
export function forNewTools(curation, items, server, choice) {
  return withKind(curation, server, 'tools', { new: choice, known: namesOf(items, server, 'tools') });
}

/** Make pending items known, so that they are shown. @param {Curation} curation @param {Item[]} items */
export function accepted(curation, items) {
  return items
    .filter(({ state }) => state === 'pending')
    .reduce((made, { server, kind, name }) => {
      const { known = [] } = kindOf(made, server, SECTIONS[kind]);
      return withKind(made, server, SECTIONS[kind], { known: [...known, name] });
    }, curation);
}

/**
 * Return the items that contain each word in their names or texts.
 *
 * @param {Item[]} items
 * @param {string} search
 */
export function found(items, search) {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return items.filter((item) => {
    const text = [item.server, item.kind, item.name, item.exposed, item.title, item.description, item.state].join('\n');
    return words.every((word) => text.toLowerCase().includes(word));
  });
}

/** @param {Curation} curation @param {string} server @param {Section} section @returns {Record<string, any>} */
function kindOf(curation, server, section) {
  return curation.servers?.[server]?.[section] ?? {};
}

/** @param {Curation} curation @param {string} server @param {Section} section @param {Record<string, any>} fields */
function withKind(curation, server, section, fields) {
  const kinds = curation.servers?.[server] ?? {};
  const next = { ...kinds, [section]: { ...kindOf(curation, server, section), ...fields } };
  return /** @type {Curation} */ ({ ...curation, servers: { ...curation.servers, [server]: next } });
}

/** @param {Item[]} items @param {string} server @param {Section} section */
function namesOf(items, server, section) {
  return items.filter((item) => item.server === server && SECTIONS[item.kind] === section).map(({ name }) => name);
}
