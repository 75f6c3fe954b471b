/** The Workspaces page: loads its list when it is shown and after its own edits, never else. */

import { confirmDelete, editJson, field, get, h, openDialog, openForm, send, show } from './dom.mjs';
import { page, table } from './parts.mjs';

/** @typedef {{id: string, name: string, description: string, servers: string[]}} Workspace */

export async function workspacesPage() {
  const buttons = [
    h('button', { onclick: () => editJson('workspaces.json', workspacesPage) }, 'Edit workspaces.json'),
    h('button', { onclick: () => edit(null) }, 'Create Workspace'),
  ];
  show(...page('Workspaces', 'Manage your server workspaces and configurations', buttons, 'Loading workspaces...'));
  const list = await get('/api/workspaces');
  if (location.pathname !== '/workspaces') return;
  const rows = list.map((/** @type {Workspace} */ item) => [cells(item), actions(item)]);
  const content = rows.length ? table(['Name', 'Description', 'Servers', 'Actions'], rows) : none();
  const count = `Grouped server configurations for different use cases (${list.length} total)`;
  show(...page('Workspaces', 'Manage your server workspaces and configurations', buttons, count, content));
}

function none() {
  const create = h('button', { onclick: () => edit(null) }, 'Create Workspace');
  return h(
    'div',
    {},
    h('h3', {}, 'No workspaces'),
    h('p', {}, 'Get started by creating your first workspace.'),
    create,
  );
}

/** @param {Workspace} item */
function cells({ name, description, servers }) {
  const members = servers.length ? servers.map((key) => h('div', {}, key)) : [h('span', {}, 'No servers')];
  return [name, description, h('div', { class: 'badges' }, ...members)];
}

/** @param {Workspace} item */
function actions(item) {
  const remove = async (/** @type {HTMLElement} */ row) => {
    const done = await send('DELETE', `/api/workspaces/${item.id}`); // not encoded, as YAMCP-UI has it
    if (done) row.remove();
    return done;
  };
  return [
    ['View', () => view(item)],
    ['Edit', () => edit(item)],
    ['Delete', (/** @type {HTMLElement} */ row) => confirmDelete('workspace', item.name, () => remove(row))],
  ];
}

/** @param {Workspace} item */
function view({ name, description, servers }) {
  const config = { mcpServers: { [name]: { command: 'yamcp', args: ['run', name] } } };
  const details = [
    ['Name:', name],
    ['Servers:', String(servers.length)],
    ['Description:', description],
  ].map(([label, text]) => h('div', {}, h('span', {}, label), h('span', {}, text)));
  openDialog(
    'Workspace Configuration',
    `MCP configuration for "${name}" workspace`,
    h(
      'div',
      {},
      h(
        'div',
        {},
        h('div', {}, h('h3', {}, 'MCP Configuration'), h('button', {}, 'Copy')),
        h('pre', {}, JSON.stringify(config, null, 2)),
      ),
      h('div', {}, h('h3', {}, 'Workspace Details'), ...details),
      h('div', {}, h('h3', {}, 'Setup Instructions'), h('p', {}, 'Your AI app connects to yamcp.')),
    ),
  );
}

/** @param {Workspace | null} item */
async function edit(item) {
  const name = field('Workspace Name', 'name', item?.name);
  const chosen = new Set(item?.servers);
  const available = h('div', {});
  for (const { name: key, type } of await get('/api/servers')) {
    const box = h('input', { type: 'checkbox' });
    box.checked = chosen.has(key);
    const choose = () => {
      if (!chosen.delete(key)) chosen.add(key);
      box.checked = chosen.has(key);
    };
    available.append(h('div', { onclick: choose }, box, h('span', {}, key), h('div', {}, type)));
  }
  const save = async () => {
    const body = { name: name.input.value, servers: [...chosen] };
    const path = item ? `/api/workspaces/${item.id}` : '/api/workspaces';
    const done = await send(item ? 'PUT' : 'POST', path, body);
    if (done) workspacesPage();
    return done;
  };
  const fields = [name.row, h('div', {}, h('label', {}, 'Available Servers'), available)];
  if (item)
    openForm('Edit Workspace', 'Update the configuration for this workspace.', 'Update Workspace', fields, save);
  else openForm('Create New Workspace', 'Create a workspace by selecting servers.', 'Create Workspace', fields, save);
}
