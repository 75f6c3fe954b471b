/**
 * What to paste into a client so that it connects to a workspace. Pure: the console and the overlay share it.
 *
 * The name in a configuration is the workspace's slug: letters, digits, `-` and `_`, which no format needs to quote.
 *
 * @typedef {import('./clients.mjs').Endpoint} Endpoint
 * @typedef {{id: string, title: string, language: 'python'|'json'|'typescript', text: string, file?: string, note?: string}} Snippet
 * @typedef {{token?: boolean}} TokenOptions  `token`: the hub wants one
 */

import { fileClient } from './clients.mjs';
import { PLACEHOLDER, VARIABLE } from './programs.mjs';

const FROM_VARIABLE = `Set the environment variable ${VARIABLE} to the token, or replace ${PLACEHOLDER} with it.`;
const REPLACE = `Replace ${PLACEHOLDER} with a token.`;

/**
 * Return snippets for smolagents, Claude Desktop, Cursor, VS Code, Python and TypeScript, in this order.
 *
 * @param {Endpoint} workspace
 * @param {TokenOptions} [wanted]
 * @returns {Snippet[]}
 */
export function snippets(workspace, { token = false } = {}) {
  return [smolagents, claudeDesktop, cursor, vsCode, python, typescript].map((make) => make(workspace, token));
}

/** Return a string literal that is valid in JSON, Python and TypeScript. */
const quoted = (/** @type {string} */ text) => JSON.stringify(text);

const pretty = (/** @type {unknown} */ value) => JSON.stringify(value, null, 2);

/** @param {...(string | false)} sentences */
const note = (...sentences) => sentences.filter(Boolean).join(' ');

/** @param {Endpoint} workspace @param {boolean} token @returns {Snippet} */
function smolagents({ sse_url }, token) {
  const headers = token ? ', "headers": {"Authorization": f"Bearer {token}"}' : '';
  return {
    id: 'smolagents',
    title: 'smolagents',
    language: 'python',
    text: `${token ? 'import os\n\n' : ''}from smolagents import MCPClient
${token ? pythonToken : ''}
with MCPClient({"url": ${quoted(sse_url)}, "transport": "sse"${headers}}, structured_output=False) as tools:
    for tool in tools:
        print(tool.name, "-", tool.description)
    # agent = ToolCallingAgent(tools=tools, model=...)
`,
    note: note(
      "Needs: pip install 'smolagents[mcp]' 'mcp<2'. smolagents reads the tools when it connects: reconnect to see new ones.",
      token && FROM_VARIABLE,
    ),
  };
}

const pythonToken = `\ntoken = os.environ.get(${quoted(VARIABLE)}, ${quoted(PLACEHOLDER)})\n`;

/** @param {Endpoint} workspace @param {boolean} token @returns {Snippet} */
function claudeDesktop(workspace, token) {
  return {
    ...file('claude-desktop', workspace, token ? PLACEHOLDER : undefined),
    note: note(
      fileClient('claude-desktop').note,
      token && REPLACE,
      `On the hub's machine, the command can also be hubctl (its full path), with the arguments run and ${workspace.slug}.`,
    ),
  };
}

/** @param {Endpoint} workspace @param {boolean} token @returns {Snippet} */
function cursor(workspace, token) {
  return {
    ...file('cursor', workspace, token ? PLACEHOLDER : undefined),
    ...(token && { note: `${REPLACE} If the token is in Cursor's environment, use \${env:${VARIABLE}}.` }),
  };
}

/** @param {Endpoint} workspace @param {boolean} token @returns {Snippet} */
function vsCode(workspace, token) {
  const tokenInput = { type: 'promptString', id: 'yamcp-hub-token', description: 'Token of yamcp-hub', password: true };
  return {
    ...file(
      'vscode',
      workspace,
      token ? `\${input:${tokenInput.id}}` : undefined,
      token ? { inputs: [tokenInput] } : {},
    ),
    ...(token && { note: 'VS Code asks for the token when it first connects, and stores it.' }),
  };
}

/**
 * Return a client's file with this workspace only.
 *
 * @param {string} id @param {Endpoint} workspace @param {string} [token] @param {Record<string, unknown>} [before]
 * @returns {Snippet}
 */
function file(id, workspace, token, before = {}) {
  const { title, at, places, entry } = fileClient(id);
  const name = places.project ?? places.user.split('/').at(-1);
  const text = pretty({ ...before, [at]: { [workspace.slug]: entry(workspace, token) } });
  return { id, title, language: 'json', file: name, text };
}

/** @param {Endpoint} workspace @param {boolean} token @returns {Snippet} */
function python({ http_url }, token) {
  return {
    id: 'python',
    title: 'Python',
    language: 'python',
    text: `import asyncio
${token ? 'import os\n' : ''}
from fastmcp import Client
${token ? pythonToken : ''}

async def main():
    async with Client(${quoted(http_url)}${token ? ', auth=token' : ''}) as client:
        for tool in await client.list_tools():
            print(tool.name, "-", tool.description)
        # result = await client.call_tool("name", {"argument": "value"})


asyncio.run(main())
`,
    note: note("FastMCP's client. Needs: pip install fastmcp", token && `(${FROM_VARIABLE})`),
  };
}

/** @param {Endpoint} workspace @param {boolean} token @returns {Snippet} */
function typescript({ slug, http_url }, token) {
  const secret = token ? `const token = process.env.${VARIABLE} ?? ${quoted(PLACEHOLDER)};\n` : '';
  const options = token ? ',\n  { requestInit: { headers: { Authorization: `Bearer ${token}` } } },\n' : '';
  const url = `new URL(${quoted(http_url)})`;
  return {
    id: 'typescript',
    title: 'TypeScript',
    language: 'typescript',
    text: `import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

${secret}const client = new Client({ name: ${quoted(`${slug}-client`)}, version: '1.0.0' });
await client.connect(new StreamableHTTPClientTransport(${token ? `\n  ${url}` : url}${options}));
const { tools } = await client.listTools();
for (const tool of tools) console.log(tool.name, '-', tool.description);
// const result = await client.callTool({ name: 'name', arguments: { argument: 'value' } });
await client.close();
`,
    note: note(
      "The MCP SDK's client, in an ES module. Needs: npm install @modelcontextprotocol/sdk@1",
      token && `(${FROM_VARIABLE})`,
    ),
  };
}
