/** An MCP client: that of the TypeScript SDK, installed by tests/real/setup.sh. */

import { EventEmitter, once } from 'node:events';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { ROOT } from './hub.mjs';

const PATIENCE = 90_000; // ms
const require = createRequire(join(ROOT, 'tests/real/package.json'));
const sdk = (/** @type {string} */ path) => require(`@modelcontextprotocol/sdk/${path}.js`);

/** One session of a client at a workspace's endpoint. */
export class McpClient {
  #bell = new EventEmitter();
  /** Times that the hub said that the list of tools changed. */
  changes = 0;
  closed = false;

  /**
   * @param {any} client
   */
  constructor(client) {
    this.client = client;
    const { ToolListChangedNotificationSchema } = sdk('types');
    client.onclose = () => {
      this.closed = true;
    };
    client.setNotificationHandler(ToolListChangedNotificationSchema, () => {
      this.changes += 1;
      this.#bell.emit('change');
    });
  }

  /**
   * Connect; close it. A URL that ends with /sse is spoken to in HTTP+SSE, another in Streamable HTTP.
   * @param {string} url
   * @param {Record<string, string>} [headers]  of every request
   * @param {Record<string, object>} [capabilities]  what the client says that it can do
   */
  static async connect(url, headers = {}, capabilities = {}) {
    const { Client } = sdk('client/index');
    const { SSEClientTransport } = sdk('client/sse');
    const { StreamableHTTPClientTransport } = sdk('client/streamableHttp');
    const Transport = url.endsWith('/sse') ? SSEClientTransport : StreamableHTTPClientTransport;
    const found = new McpClient(new Client({ name: 'acceptance', version: '1' }, { capabilities }));
    await found.client.connect(new Transport(new URL(url), { requestInit: { headers } }));
    return found;
  }

  /** The names of the tools that it is shown. @returns {Promise<string[]>} */
  async tools() {
    const { tools } = await this.client.listTools();
    return tools.map((/** @type {{name: string}} */ tool) => tool.name);
  }

  /** The text that a tool answers. @param {string} name @param {Record<string, unknown>} [args] @returns {Promise<string>} */
  async call(name, args = {}) {
    const { content } = await this.client.callTool({ name, arguments: args });
    return content.map((/** @type {{text?: string}} */ block) => block.text).join('');
  }

  /**
   * Wait until the list of tools is as wanted, asking again whenever the hub says that it changed.
   * @param {(names: string[]) => boolean} wanted
   */
  async untilTools(wanted) {
    const signal = AbortSignal.timeout(PATIENCE);
    for (;;) {
      const changed = once(this.#bell, 'change', { signal });
      changed.catch(() => {});
      const names = await this.tools();
      if (wanted(names)) return names;
      await changed.catch(() => {
        throw new Error(`the tools are not as wanted, and nothing tells of a change: ${names.join(', ')}`);
      });
    }
  }

  /** End the session. */
  async close() {
    await this.client.close();
  }
}
