/**
 * What to paste into a client so that it connects to a workspace. Pure: the console and the overlay share it.
 *
 * The name in a configuration is the workspace's slug: letters, digits, `-` and `_`, which no format needs to quote.
 *
 * @typedef {{slug: string, sse_url: string, http_url: string}} Endpoint  what of a workspace of State is used
 * @typedef {{id: string, title: string, language: 'python'|'json'|'typescript', text: string, file?: string, note?: string}} Snippet
 */

/** Where mcp-remote accepts plain http without being told to. */
const MCP_REMOTE_TRUSTS = ['localhost', '127.0.0.1'];

/**
 * Snippets for smolagents, Claude Desktop, Cursor, VS Code, Python and TypeScript, in this order.
 *
 * @param {Endpoint} workspace
 * @returns {Snippet[]}
 */
export function snippets(workspace) {
  return [
    smolagents(workspace),
    claudeDesktop(workspace),
    cursor(workspace),
    vsCode(workspace),
    python(workspace),
    typescript(workspace),
  ];
}

/** A string literal that JSON, Python and TypeScript read alike. */
const quoted = (/** @type {string} */ text) => JSON.stringify(text);

const pretty = (/** @type {unknown} */ value) => JSON.stringify(value, null, 2);

/** @param {Endpoint} workspace @returns {Snippet} */
function smolagents({ sse_url }) {
  return {
    id: 'smolagents',
    title: 'smolagents',
    language: 'python',
    text: `from smolagents import MCPClient

with MCPClient({"url": ${quoted(sse_url)}, "transport": "sse"}, structured_output=False) as tools:
    for tool in tools:
        print(tool.name, "-", tool.description)
    # agent = ToolCallingAgent(tools=tools, model=...)
`,
    note: "Needs: pip install smolagents mcpadapt 'mcp[ws]<2'. The tools are read when it connects: connect again to see new ones.",
  };
}

/** @param {Endpoint} workspace @returns {Snippet} */
function claudeDesktop({ slug, http_url }) {
  const url = new URL(http_url);
  const plain = url.protocol === 'http:' && !MCP_REMOTE_TRUSTS.includes(url.hostname);
  const args = ['-y', 'mcp-remote', http_url, ...(plain ? ['--allow-http'] : [])];
  return {
    id: 'claude-desktop',
    title: 'Claude Desktop',
    language: 'json',
    file: 'claude_desktop_config.json',
    text: pretty({ mcpServers: { [slug]: { command: 'npx', args } } }),
    note: 'It speaks stdio; mcp-remote translates. Restart Claude Desktop after the edit.',
  };
}

/** @param {Endpoint} workspace @returns {Snippet} */
function cursor({ slug, http_url }) {
  return {
    id: 'cursor',
    title: 'Cursor',
    language: 'json',
    file: '.cursor/mcp.json',
    text: pretty({ mcpServers: { [slug]: { url: http_url } } }),
  };
}

/** @param {Endpoint} workspace @returns {Snippet} */
function vsCode({ slug, http_url }) {
  return {
    id: 'vscode',
    title: 'VS Code',
    language: 'json',
    file: '.vscode/mcp.json',
    text: pretty({ servers: { [slug]: { type: 'http', url: http_url } } }),
  };
}

/** @param {Endpoint} workspace @returns {Snippet} */
function python({ http_url }) {
  return {
    id: 'python',
    title: 'Python',
    language: 'python',
    text: `import asyncio

from fastmcp import Client


async def main():
    async with Client(${quoted(http_url)}) as client:
        for tool in await client.list_tools():
            print(tool.name, "-", tool.description)
        # result = await client.call_tool("name", {"argument": "value"})


asyncio.run(main())
`,
    note: "FastMCP's client. Needs: pip install fastmcp",
  };
}

/** @param {Endpoint} workspace @returns {Snippet} */
function typescript({ slug, http_url }) {
  return {
    id: 'typescript',
    title: 'TypeScript',
    language: 'typescript',
    text: `import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const client = new Client({ name: ${quoted(`${slug}-client`)}, version: '1.0.0' });
await client.connect(new StreamableHTTPClientTransport(new URL(${quoted(http_url)})));
const { tools } = await client.listTools();
for (const tool of tools) console.log(tool.name, '-', tool.description);
// const result = await client.callTool({ name: 'name', arguments: { argument: 'value' } });
await client.close();
`,
    note: "The MCP SDK's client, in an ES module. Needs: npm install @modelcontextprotocol/sdk@1",
  };
}
