// The TypeScript SDK's client with OAuth: prints the URL at which its user has to allow it access, and reads from stdin
// the URL to which that leads. Usage: node typescript_oauth_client.mjs URL [sse]

import { createInterface } from 'node:readline/promises';
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const url = new URL(process.argv[2]);
const Transport = process.argv.includes('sse') ? SSEClientTransport : StreamableHTTPClientTransport;
const redirectUrl = 'http://127.0.0.1:26091/callback';
const kept = {};

const authProvider = {
  redirectUrl,
  clientMetadata: {
    client_name: 'TypeScript SDK',
    redirect_uris: [redirectUrl],
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
  },
  state: () => 'st4te',
  clientInformation: () => kept.client,
  saveClientInformation: (client) => {
    kept.client = client;
  },
  tokens: () => kept.tokens,
  saveTokens: (tokens) => {
    kept.tokens = tokens;
  },
  codeVerifier: () => kept.verifier,
  saveCodeVerifier: (verifier) => {
    kept.verifier = verifier;
  },
  redirectToAuthorization: (at) => console.log(String(at)),
};

const connect = async () => {
  const transport = new Transport(url, { authProvider });
  const client = new Client({ name: 'demo-client', version: '1.0.0' });
  try {
    await client.connect(transport);
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    const lines = createInterface({ input: process.stdin });
    const answer = new URL(await lines.question(''));
    lines.close();
    await transport.finishAuth(answer.searchParams.get('code'));
    return connect();
  }
  return client;
};

const client = await connect();
const { tools } = await client.listTools();
const called = await client.callTool({ name: 'a_echo', arguments: { text: 'From the TypeScript SDK' } });
await client.close();
console.log(JSON.stringify({ tools: tools.map((tool) => tool.name), call: called.content[0].text }));
