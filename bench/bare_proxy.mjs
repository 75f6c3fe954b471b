/** What the front is compared with: http-proxy with kept-open connections, and nothing else. */

import { Agent, createServer } from 'node:http';
import httpProxy from 'http-proxy';

const [target, port] = process.argv.slice(2);
const proxy = httpProxy.createProxyServer({ target, agent: new Agent({ keepAlive: true, maxFreeSockets: 256 }) });
proxy.on('error', (_, __, response) => response.destroy());
createServer((request, response) => proxy.web(request, response)).listen(Number(port), '127.0.0.1');
