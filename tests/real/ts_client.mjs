// The TypeScript SDK's client against one endpoint, as a process of its own.
//
//   node ts_client.mjs URL [--transport sse|http] [--call NAME JSON]... [--read URI]... [--prompt NAME JSON]... [--watch]
//
// stdout: one JSON line with server, version, capabilities, instructions, tools, resources, templates, prompts, and the
// results of the calls, reads and prompts, in order, each {name, result} or {name, error}.
// With --watch it then prints one line a list change, {"changed": "tools", "names": [...]}, and one a resource update,
// {"updated": uri}, and takes commands from stdin, one JSON a line ({"call": name, "arguments": {}}, {"read": uri},
// {"subscribe": uri}, {"list": "tools"}), each answered by one line with "reply", until stdin ends.

import { createInterface } from 'node:readline';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  PromptListChangedNotificationSchema,
  ResourceListChangedNotificationSchema,
  ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';

const LISTS = {
  tools: { method: 'listTools', capability: 'tools', name: (item) => item.name },
  resources: { method: 'listResources', capability: 'resources', name: (item) => item.uri },
  resourceTemplates: { method: 'listResourceTemplates', capability: 'resources', name: (item) => item.uriTemplate },
  prompts: { method: 'listPrompts', capability: 'prompts', name: (item) => item.name },
};

const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

function parse(args) {
  const flags = { url: args[0], transport: 'sse', steps: [], watch: false };
  const rest = args.slice(1);
  while (rest.length > 0) {
    const flag = rest.shift();
    if (flag === '--transport') flags.transport = rest.shift();
    else if (flag === '--watch') flags.watch = true;
    else if (flag === '--call') flags.steps.push({ call: rest.shift(), arguments: JSON.parse(rest.shift()) });
    else if (flag === '--read') flags.steps.push({ read: rest.shift() });
    else if (flag === '--prompt') flags.steps.push({ prompt: rest.shift(), arguments: JSON.parse(rest.shift()) });
    else throw new Error(`unknown flag ${flag}`);
  }
  if (!flags.url || !['sse', 'http'].includes(flags.transport)) throw new Error('usage: ts_client.mjs URL [flags]');
  return flags;
}

async function all(client, kind) {
  const { method, capability } = LISTS[kind];
  if (!client.getServerCapabilities()[capability]) return [];
  const items = [];
  let cursor;
  do {
    const page = await client[method]({ cursor });
    items.push(...page[kind]);
    cursor = page.nextCursor;
  } while (cursor);
  return items;
}

async function perform(client, step) {
  if (step.list) return (await all(client, step.list)).map(LISTS[step.list].name);
  if (step.call) return client.callTool({ name: step.call, arguments: step.arguments });
  if (step.read) return client.readResource({ uri: step.read });
  if (step.subscribe) return client.subscribeResource({ uri: step.subscribe });
  return client.getPrompt({ name: step.prompt, arguments: step.arguments });
}

async function outcome(client, step) {
  const name = step.call ?? step.read ?? step.prompt ?? step.subscribe ?? step.list;
  try {
    return { name, result: await perform(client, step) };
  } catch (error) {
    return { name, error: { code: error.code, message: error.message, data: error.data } };
  }
}

function watchLists(client) {
  const announce = (kind) => async () => {
    const names = (await all(client, kind)).map(LISTS[kind].name);
    print({ changed: kind, names });
  };
  client.setNotificationHandler(ToolListChangedNotificationSchema, announce('tools'));
  client.setNotificationHandler(ResourceListChangedNotificationSchema, announce('resources'));
  client.setNotificationHandler(PromptListChangedNotificationSchema, announce('prompts'));
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, (note) => print({ updated: note.params.uri }));
}

const flags = parse(process.argv.slice(2));
const Transport = flags.transport === 'http' ? StreamableHTTPClientTransport : SSEClientTransport;
const client = new Client({ name: 'ts-client', version: '1.0.0' });
const transport = new Transport(new URL(flags.url));
client.onerror = (error) => process.stderr.write(`${error}\n`);
client.onclose = () => flags.watch && print({ closed: true });
if (flags.watch) watchLists(client);
await client.connect(transport);

const results = [];
for (const step of flags.steps) results.push(await outcome(client, step));
print({
  server: client.getServerVersion(),
  version: transport.protocolVersion ?? transport._protocolVersion,
  capabilities: client.getServerCapabilities(),
  instructions: client.getInstructions(),
  tools: await all(client, 'tools'),
  resources: await all(client, 'resources'),
  templates: await all(client, 'resourceTemplates'),
  prompts: await all(client, 'prompts'),
  results,
});
if (flags.watch) {
  for await (const line of createInterface({ input: process.stdin })) {
    print({ reply: await outcome(client, JSON.parse(line)) });
  }
}
flags.watch = false;
await client.close();
await new Promise((flushed) => process.stdout.write('', flushed)); // a pipe takes 64 KiB at a time
process.exit(0);
