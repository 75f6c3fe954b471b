// Version 2 of the TypeScript SDK's client against one endpoint, as a process of its own.
//
//   node ts2_client.mjs URL [--mode legacy|auto] [--call NAME JSON]...
//
// stdout: one JSON line with version (of the protocol), the names of tools and prompts, the URIs of resources and
// templates, and the results of the calls, in order, each {name, result} or {name, error}.

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

function parse([url, ...rest]) {
  const flags = { url, mode: 'legacy', calls: [] };
  while (rest.length > 0) {
    const flag = rest.shift();
    if (flag === '--mode') flags.mode = rest.shift();
    else if (flag === '--call') flags.calls.push({ name: rest.shift(), arguments: JSON.parse(rest.shift()) });
    else throw new Error(`unknown flag ${flag}`);
  }
  return flags;
}

async function outcome(client, call) {
  try {
    return { name: call.name, result: await client.callTool(call) };
  } catch (error) {
    return { name: call.name, error: { code: error.code, message: error.message } };
  }
}

const { url, mode, calls } = parse(process.argv.slice(2));
const client = new Client({ name: 'ts2-client', version: '1.0.0' }, { versionNegotiation: { mode } });
await client.connect(new StreamableHTTPClientTransport(new URL(url)));
const report = {
  version: client.getNegotiatedProtocolVersion(),
  tools: (await client.listTools()).tools.map((item) => item.name),
  prompts: (await client.listPrompts()).prompts.map((item) => item.name),
  resources: (await client.listResources()).resources.map((item) => item.uri),
  templates: (await client.listResourceTemplates()).resourceTemplates.map((item) => item.uriTemplate),
  results: [],
};
for (const call of calls) report.results.push(await outcome(client, call));
process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
