/** Texts about access.json: its roles and rules in words, and decisions. Pure. */

/**
 * @typedef {import('../../../bridge/node/types.mjs').AccessRule} AccessRule
 * @typedef {import('../../../bridge/node/types.mjs').RoleGrant} RoleGrant
 * @typedef {import('../../../bridge/node/types.mjs').AccessItem} AccessItem
 * @typedef {{roles: Partial<RoleGrant>[], rules: Partial<AccessRule>[]}} Content
 */

/** What a new file begins with. */
export const EXAMPLE = `{
  "version": 1,
  "roles": [
    {"subject": "group:platform", "role": "admin"}
  ],
  "rules": [
    {"effect": "allow", "subject": "group:dev", "workspaces": ["dev*"]},
    {"effect": "deny", "subject": "*", "tools": ["delete_*"]}
  ]
}
`;

/**
 * Return the roles and rules of a text; null if it is not JSON, or has none in lists.
 * @param {string} text
 * @returns {Content | null}
 */
export function contentOf(text) {
  try {
    const { roles = [], rules = [] } = JSON.parse(text);
    const lists = [roles, rules].every((each) => Array.isArray(each) && each.every(isObject));
    return lists ? { roles, rules } : null;
  } catch {
    return null;
  }
}

/** @param {unknown} value */
const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

/** @param {unknown} names */
const listed = (names) => (Array.isArray(names) ? names.join(', ') : '');

/** @type {[('tools' | 'resources' | 'prompts'), string][]} */
const KINDS = [
  ['tools', 'tools'],
  ['resources', 'resources'],
  ['prompts', 'prompts'],
];

/**
 * Return what a rule is about, in words.
 * @param {Partial<AccessRule>} rule
 */
export function ruleText({ servers, workspaces, annotations, ...rule }) {
  const items = KINDS.filter(([kind]) => rule[kind]).map(([kind, noun]) => `${noun} ${listed(rule[kind])}`);
  const hints = Object.entries(annotations ?? {}).map(([name, value]) => `${name} ${value ? 'true' : 'false'}`);
  const what = items.length > 0 ? items.join('; ') : hints.length > 0 ? 'tools' : 'everything';
  return [
    what,
    hints.length > 0 ? ` with ${hints.join(' and ')}` : '',
    servers ? ` of ${listed(servers)}` : '',
    workspaces ? ` in ${listed(workspaces)}` : '',
  ].join('');
}

/**
 * Return what a role gives, in words.
 * @param {Partial<RoleGrant>} role
 */
export function roleText({ role, servers, workspaces }) {
  const owned = [
    ...(servers ? [`servers ${listed(servers)}`] : []),
    ...(workspaces ? [`workspaces ${listed(workspaces)}`] : []),
  ];
  return owned.length > 0 ? `${role} of ${owned.join('; ')}` : String(role);
}

/**
 * Return why an item is allowed or not, as a sentence. Rules are counted from 1, as in the table of the page.
 * @param {Pick<AccessItem, 'reason' | 'rule' | 'why'>} item
 */
export function reasonText({ reason, rule, why }) {
  if (reason === 'rule' && typeof rule === 'number') return `Rule ${rule + 1} decides.`;
  return `${why.charAt(0).toUpperCase()}${why.slice(1)}.`;
}

/**
 * Return the subjects that a page can propose: those of the file, and the keys.
 * @param {Content | null} content @param {{name: string}[]} keys
 */
export function subjectsOf(content, keys) {
  const named = [...(content?.roles ?? []), ...(content?.rules ?? [])].map(({ subject }) => subject);
  const texts = named.filter((subject) => typeof subject === 'string');
  return [...new Set([...texts, ...keys.map(({ name }) => `key:${name}`)])].sort();
}
