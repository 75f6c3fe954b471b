import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const url = process.env.YAMCP_HUB_URL ?? 'http://127.0.0.1:8765/mcp/demo';
const token = process.env.YAMCP_HUB_TOKEN; // for a protected hub
const requestInit = token ? { headers: { Authorization: `Bearer ${token}` } } : {};

const transport = process.argv.includes('sse')
  ? new SSEClientTransport(new URL(`${url}/sse`), { requestInit })
  : new StreamableHTTPClientTransport(new URL(url), { requestInit });
const client = new Client({ name: 'demo-client', version: '1.0.0' });
await client.connect(transport);

const { tools } = await client.listTools();
const added = await client.callTool({
  name: 'notes_add_note',
  arguments: { title: 'Hello', text: 'From the TypeScript SDK' },
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
