/** The Servers page. As in YAMCP-UI, an edit splits the arguments on spaces, and drops what its form does not have. */

import { confirmDelete, editJson, field, get, h, openForm, send, show } from './dom.mjs';
import { page, table } from './parts.mjs';

/** @typedef {{id: string, name: string, namespace: string, type: string, status: string, command?: string, args?: string[], env?: Record<string, string>, url?: string}} Server */

const STATUS = /** @type {Record<string, string>} */ ({ running: 'Running', stopped: 'Stopped', error: 'Error' });

export async function serversPage() {
  const buttons = [
    h('button', { onclick: () => editJson('providers.json', serversPage) }, 'Edit providers.json'),
    h('button', { onclick: add }, 'Add Server'),
  ];
  const list = await get('/api/servers');
  if (location.pathname !== '/servers') return;
  const rows = list.map((/** @type {Server} */ item) => [cells(item), actions(item)]);
  const heads = ['Name', 'Namespace', 'Type', 'Status', 'Configuration', 'Actions'];
  const content = rows.length ? table(heads, rows) : h('div', {}, h('h3', {}, 'No servers'));
  const count = `All configured Model Context Protocol servers (${list.length} total)`;
  show(...page('Servers', 'Manage your MCP servers and their configurations', buttons, count, content, 'MCP Servers'));
}

/** @param {Server} item */
function cells({ name, namespace, type, status, command, args = [], url = '' }) {
  const launch = type === 'stdio' ? [command, ...args].join(' ') : url;
  return [name, namespace, h('div', {}, type), h('div', {}, STATUS[status] ?? 'Unknown'), launch];
}

/** @param {Server} item */
function actions(item) {
  const remove = async (/** @type {HTMLElement} */ row) => {
    const done = await send('DELETE', `/api/servers/${item.id}`);
    if (done) row.remove();
    return done;
  };
  return [
    ['Edit', () => edit(item)],
    ['Delete', (/** @type {HTMLElement} */ row) => confirmDelete('server', item.name, () => remove(row))],
  ];
}

const words = (/** @type {string} */ text) => text.split(' ').filter(Boolean);

function add() {
  const name = field('Server Name', 'name');
  const command = field('Command', 'command');
  const args = field('Arguments (space-separated)', 'args');
  const env = field('Environment Variables (optional)', 'env', '', 'textarea');
  const save = async () => {
    const pairs = env.input.value.split('\n').filter(Boolean);
    const body = {
      name: name.input.value,
      type: 'stdio',
      command: command.input.value,
      args: words(args.input.value),
      env: Object.fromEntries(pairs.map((line) => line.split(/=(.*)/s).slice(0, 2))),
    };
    const done = await send('POST', '/api/servers', body);
    if (done) serversPage();
    return done;
  };
  const fields = [name, command, args, env].map(({ row }) => row);
  openForm('Add New Server', 'Configure a new MCP server.', 'Add Server', fields, save);
}

/** @param {Server} item */
function edit({ id, name, namespace, type, command, args = [], env = {}, url }) {
  const [called, space] = [field('Server Name', 'name', name), field('Namespace', 'namespace', namespace)];
  const stdio = type === 'stdio';
  const first = stdio ? field('Command', 'command', command) : field('Server URL', 'url', url);
  const rest = field('Arguments (optional)', 'args', args.join(' '), 'textarea');
  const pairs = Object.entries(env).map((pair) =>
    pair.map((text, at) =>
      Object.assign(h('input', { placeholder: at ? 'Variable value' : 'Variable name' }), { value: text }),
    ),
  );
  const save = async () => {
    const variables = Object.fromEntries(pairs.map((pair) => pair.map(({ value }) => value)));
    const launch = stdio
      ? { command: first.input.value, args: words(rest.input.value), env: variables }
      : { url: first.input.value };
    const body = { name: called.input.value, namespace: space.input.value, type, ...launch };
    const done = await send('PUT', `/api/servers/${id}`, body);
    if (done) serversPage();
    return done;
  };
  const fields = [
    called.row,
    space.row,
    first.row,
    ...(stdio ? [rest.row, ...pairs.map((pair) => h('div', {}, ...pair))] : []),
  ];
  openForm('Edit Server', 'Update the configuration for this MCP server.', 'Update Server', fields, save);
}
