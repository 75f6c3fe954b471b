// mcp-remote, started as Claude Desktop starts it: from the configuration that the console shows.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { snippets } from '../../../front/console/data/snippets.mjs';

const url = process.env.YAMCP_HUB_URL;
const token = process.env.YAMCP_HUB_TOKEN;
const sse = process.argv.includes('sse');

const shown = snippets({ slug: 'demo', http_url: url, sse_url: `${url}/sse` }, { token: Boolean(token) });
const text = shown.find(({ id }) => id === 'claude-desktop').text.replace('YOUR_TOKEN', token ?? '');
const { command, args, env } = JSON.parse(text).mcpServers.demo;
if (sse) args.splice(args.indexOf(url), 1, `${url}/sse`, '--transport', 'sse-only');

const client = new Client({ name: 'demo-client', version: '1.0.0' });
await client.connect(new StdioClientTransport({ command, args, env: { ...process.env, ...env } }));
const { tools } = await client.listTools();
const added = await client.callTool({
  name: 'notes_add_note',
  arguments: { title: 'Hello', text: 'From mcp-remote' },
});
const note = await client.readResource({ uri: 'note://notes/1' });
const prompt = await client.getPrompt({ name: 'notes_summarize_notes', arguments: { tag: 'demo' } });
await client.close();

console.log(
  JSON.stringify({
    tools: tools.map((tool) => tool.name),
    call: added.content[0].text,
    resource: note.contents[0].text,
    prompt: prompt.messages[0].content.text,
  }),
);
