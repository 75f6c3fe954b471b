/**
 * The clients that keep their MCP servers in a file: which file, where in it, and what a workspace's entry looks like. Pure.
 * The console's snippets and `hubctl connect` are both made of this table.
 *
 * @typedef {{slug: string, sse_url: string, http_url: string}} Endpoint  what of a workspace of State is used
 * @typedef {{user: string, darwin?: string, project?: string}} Places  of the file: the user's own (`darwin`: on macOS,
 *   where it is another one), and below a project's directory
 * @typedef {{id: string, title: string, format: 'json'|'toml', at: string, places: Places, note: string,
 *   entry: (workspace: Endpoint, token?: string) => Record<string, any>,
 *   command?: (workspace: Endpoint, token?: string) => string}} FileClient  `at`: the object or table in the file that has
 *   the servers by name; `entry`: a server's entry, with the token in it where there is one; `command`: of the client's
 *   own, that adds it
 */

/** Hosts for which mcp-remote accepts plain http without an option. */
const MCP_REMOTE_HTTP_HOSTS = ['localhost', '127.0.0.1'];
const CODE = '.config/Code/User';
const CODE_MAC = 'Library/Application Support/Code/User';
const CLINE = 'globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json';

/** @param {string} [token] */
const authorization = (token) => (token ? { headers: bearer(token) } : {});

/** @param {string} token */
const bearer = (token) => ({ Authorization: `Bearer ${token}` });

/** Quote a word for a shell. @param {string} text */
export const word = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** @param {string} [token] */
const header = (token) => (token ? ` --header ${word(`Authorization: Bearer ${token}`)}` : '');

/** @type {readonly FileClient[]} */
export const FILE_CLIENTS = [
  {
    id: 'claude-code',
    title: 'Claude Code',
    format: 'json',
    at: 'mcpServers',
    places: { user: '.claude.json', project: '.mcp.json' },
    entry: ({ http_url }, token) => ({ type: 'http', url: http_url, ...authorization(token) }),
    command: ({ slug, http_url }, token) => `claude mcp add --transport http ${slug} ${word(http_url)}${header(token)}`,
    note: 'Sessions that are already open see it after /mcp or a restart.',
  },
  {
    id: 'claude-desktop',
    title: 'Claude Desktop',
    format: 'json',
    at: 'mcpServers',
    places: {
      user: '.config/Claude/claude_desktop_config.json',
      darwin: 'Library/Application Support/Claude/claude_desktop_config.json',
    },
    entry: mcpRemote,
    note: 'Claude Desktop speaks stdio, so mcp-remote connects it to the hub. Restart Claude Desktop after the change.',
  },
  {
    id: 'cursor',
    title: 'Cursor',
    format: 'json',
    at: 'mcpServers',
    places: { user: '.cursor/mcp.json', project: '.cursor/mcp.json' },
    entry: ({ http_url }, token) => ({ url: http_url, ...authorization(token) }),
    note: '',
  },
  {
    id: 'vscode',
    title: 'VS Code',
    format: 'json',
    at: 'servers',
    places: { user: `${CODE}/mcp.json`, darwin: `${CODE_MAC}/mcp.json`, project: '.vscode/mcp.json' },
    entry: ({ http_url }, token) => ({ type: 'http', url: http_url, ...authorization(token) }),
    note: 'Start the server in the list of MCP servers (command: MCP: List Servers).',
  },
  {
    id: 'codex',
    title: 'Codex',
    format: 'toml',
    at: 'mcp_servers',
    places: { user: '.codex/config.toml', project: '.codex/config.toml' },
    entry: ({ http_url }, token) => ({ url: http_url, ...(token && { http_headers: bearer(token) }) }),
    note: 'The command line and the editor extensions of Codex read the same file.',
  },
  {
    id: 'gemini-cli',
    title: 'Gemini CLI',
    format: 'json',
    at: 'mcpServers',
    places: { user: '.gemini/settings.json', project: '.gemini/settings.json' },
    entry: ({ http_url }, token) => ({ httpUrl: http_url, ...authorization(token) }),
    command: ({ slug, http_url }, token) => `gemini mcp add --transport http ${slug} ${word(http_url)}${header(token)}`,
    note: '/mcp lists the servers and their tools.',
  },
  {
    id: 'windsurf',
    title: 'Windsurf',
    format: 'json',
    at: 'mcpServers',
    places: { user: '.codeium/windsurf/mcp_config.json' },
    entry: ({ http_url }, token) => ({ serverUrl: http_url, ...authorization(token) }),
    note: 'Refresh the list of MCP servers in the settings of Windsurf.',
  },
  {
    id: 'cline',
    title: 'Cline',
    format: 'json',
    at: 'mcpServers',
    places: { user: `${CODE}/${CLINE}`, darwin: `${CODE_MAC}/${CLINE}` },
    entry: ({ http_url }, token) => ({ type: 'streamableHttp', url: http_url, ...authorization(token) }),
    note: '',
  },
  {
    id: 'zed',
    title: 'Zed',
    format: 'json',
    at: 'context_servers',
    places: { user: '.config/zed/settings.json', project: '.zed/settings.json' },
    entry: ({ http_url }, token) => ({ url: http_url, ...authorization(token) }),
    note: '',
  },
];

/**
 * Return the entry for a client that supports stdio only: mcp-remote connects it to the hub.
 *
 * @param {Endpoint} workspace @param {string} [token]
 */
export function mcpRemote({ http_url }, token) {
  const url = new URL(http_url);
  const plain = url.protocol === 'http:' && !MCP_REMOTE_HTTP_HOSTS.includes(url.hostname);
  // The argument contains no space, because on Windows arguments with spaces are split.
  const header = token ? ['--header', 'Authorization:${AUTH_HEADER}'] : [];
  const args = ['-y', 'mcp-remote', http_url, ...(plain ? ['--allow-http'] : []), ...header];
  return { command: 'npx', args, ...(token && { env: { AUTH_HEADER: `Bearer ${token}` } }) };
}

/**
 * Return the client with that id.
 *
 * @param {string} id
 * @returns {FileClient}
 */
export function fileClient(id) {
  const found = FILE_CLIENTS.find((client) => client.id === id);
  if (!found) throw new Error(`no client ${id} with a file`);
  return found;
}
