/**
 * What to paste, or to type, for clients without a configuration file of their own. Pure.
 *
 * @typedef {import('./clients.mjs').Endpoint} Endpoint
 * @typedef {{id: string, title: string, language: 'python'|'json'|'typescript'|'shell'|'text', text: string, note?: string}} Program
 */

import { mcpRemote, word } from './clients.mjs';

/** Placeholder in a configuration for the token, or for the variable that has it. */
export const PLACEHOLDER = 'YOUR_TOKEN';
export const VARIABLE = 'YAMCP_HUB_TOKEN';
const INSPECTOR = '@modelcontextprotocol/inspector-cli';

/** Return a string literal that is valid in JSON, Python and TypeScript. */
const quoted = (/** @type {string} */ text) => JSON.stringify(text);

/** A Python dict with the Authorization header. */
const bearer = `{"Authorization": f"Bearer {os.environ['${VARIABLE}']}"}`;

/** @param {boolean} token */
const headers = (token) => (token ? `, "headers": ${bearer}` : '');

/** @param {boolean} token */
const imports = (token) => (token ? 'import os\n' : '');

/** @param {boolean} token */
const setVariable = (token) => (token ? ` The token is read from the environment variable ${VARIABLE}.` : '');

/** @type {Readonly<Record<string, (workspace: Endpoint, token: boolean) => Program>>} by id */
export const PROGRAMS = {
  'open-webui': ({ http_url }, token) => ({
    id: 'open-webui',
    title: 'Open WebUI',
    language: 'text',
    text: `Type: MCP (Streamable HTTP)\nURL:  ${http_url}\nAuth: ${token ? `Bearer, ${PLACEHOLDER}` : 'None'}\n`,
    note: 'Add a server of this type in the admin settings, under External Tools. From a container, the hub has another address than 127.0.0.1.',
  }),
  langchain: ({ slug, http_url }, token) => ({
    id: 'langchain',
    title: 'LangChain',
    language: 'python',
    text: `import asyncio
${imports(token)}
from langchain_mcp_adapters.client import MultiServerMCPClient

server = {"transport": "http", "url": ${quoted(http_url)}${headers(token)}}


async def main():
    tools = await MultiServerMCPClient({${quoted(slug)}: server}).get_tools()
    for tool in tools:
        print(tool.name, "-", tool.description)


asyncio.run(main())
`,
    note: `Needs: pip install langchain-mcp-adapters.${setVariable(token)}`,
  }),
  'openai-agents': ({ http_url }, token) => ({
    id: 'openai-agents',
    title: 'OpenAI Agents SDK',
    language: 'python',
    text: `import asyncio
${imports(token)}
from agents.mcp import MCPServerStreamableHttp

server = MCPServerStreamableHttp({"url": ${quoted(http_url)}${headers(token)}}, client_session_timeout_seconds=60)


async def main():
    async with server:  # agent = Agent(name="...", mcp_servers=[server])
        for tool in await server.list_tools():
            print(tool.name, "-", tool.description)


asyncio.run(main())
`,
    note: `Needs: pip install openai-agents.${setVariable(token)}`,
  }),
  'pydantic-ai': ({ http_url }, token) => ({
    id: 'pydantic-ai',
    title: 'Pydantic AI',
    language: 'python',
    text: `import asyncio
${imports(token)}
from pydantic_ai.mcp import MCPToolset

server = MCPToolset(${quoted(http_url)}${token ? `, headers=${bearer}` : ''})


async def main():
    async with server:  # agent = Agent("...", toolsets=[server])
        for tool in await server.list_tools():
            print(tool.name, "-", tool.description)


asyncio.run(main())
`,
    note: `Needs: pip install 'pydantic-ai-slim[mcp]>=2'.${setVariable(token)}`,
  }),
  inspector: ({ http_url }, token) => ({
    id: 'inspector',
    title: 'MCP inspector',
    language: 'shell',
    text: `npx -y ${INSPECTOR}@0.16.8 --cli ${word(http_url)} --transport http --method tools/list${token ? ` --header "Authorization: Bearer $${VARIABLE}"` : ''}\n`,
    note: `The command line of the inspector; docs/clients.md lists the versions that work.${setVariable(token)}`,
  }),
  'mcp-remote': (workspace, token) => {
    const { command, args } = mcpRemote(workspace, token ? PLACEHOLDER : undefined);
    const before = token ? `AUTH_HEADER="Bearer $${VARIABLE}" ` : '';
    return {
      id: 'mcp-remote',
      title: 'mcp-remote',
      language: 'shell',
      text: `${before}${[command, ...args].map(word).join(' ')}\n`,
      note: `For clients that start a command and speak stdio.${setVariable(token)}`,
    };
  },
};
