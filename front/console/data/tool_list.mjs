/**
 * Tools of a workspace, searched and put below the servers they come from. Pure.
 *
 * @typedef {{name: string, title?: string, description?: string, inputSchema?: any, outputSchema?: any,
 *            annotations?: {title?: string, readOnlyHint?: boolean, destructiveHint?: boolean, idempotentHint?: boolean,
 *            openWorldHint?: boolean}}} Tool  as MCP's tools/list has it
 * @typedef {{server: string, tools: Tool[]}} Group
 * @typedef {{servers: string[], name_template: string}} In  what of a workspace is used
 * @typedef {{key: string, namespace: string}} From  what of a server is used
 */

/**
 * Return the key of the server that a tool comes from, by the prefix of its name; empty if the prefix is ambiguous.
 *
 * @param {string} tool  its name in the workspace
 * @param {In} workspace
 * @param {From[]} servers
 */
export function serverOf(tool, workspace, servers) {
  if (workspace.servers.length === 1) return workspace.servers[0];
  const [before, after = ''] = workspace.name_template.split('{namespace}');
  const joint = after.split('{name}')[0];
  const candidates = servers
    .filter(({ key, namespace }) => workspace.servers.includes(key) && tool.startsWith(`${before}${namespace}${joint}`))
    .sort((one, other) => other.namespace.length - one.namespace.length);
  return candidates[0]?.key ?? '';
}

/**
 * Return the tools that contain each word of the search in name, title, description or server, by server in the
 * workspace's order.
 *
 * @param {Tool[]} tools
 * @param {string} search
 * @param {In} workspace
 * @param {From[]} servers
 * @returns {Group[]}
 */
export function grouped(tools, search, workspace, servers) {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  /** @type {Map<string, Tool[]>} */
  const groups = new Map([...workspace.servers, ''].map((key) => [key, []]));
  for (const tool of tools) {
    const server = serverOf(tool.name, workspace, servers);
    const text = [tool.name, tool.title, tool.annotations?.title, tool.description, server].join('\n').toLowerCase();
    if (words.every((word) => text.includes(word))) groups.get(server)?.push(tool);
  }
  return [...groups].filter(([, found]) => found.length > 0).map(([server, found]) => ({ server, tools: found }));
}
