/** The console's forms: conversion between the entered text and the entries and settings that are sent. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseArgs, showArgs, splitCommand, unpackedArgs } from '../../../front/console/forms/arguments.mjs';
import { emptyForm, formFaults, MASK, toEntry, toForm } from '../../../front/console/forms/entry.mjs';
import { readPaste } from '../../../front/console/forms/paste.mjs';
import { matches } from '../../../front/console/data/lists.mjs';
import {
  exampleName,
  membersOf,
  moved,
  pickedKeys,
  templateFault,
  toggled,
} from '../../../front/console/forms/members.mjs';
import { readSetting, SETTINGS, settingsChanges, showSetting } from '../../../front/console/forms/settings_spec.mjs';

const free = { taken: () => false };
/** @param {string} name */
const setting = (name) => /** @type {any} */ (SETTINGS.find((item) => item.name === name));

test('arguments survive conversion to lines and back, with spaces, line breaks and quotes', () => {
  for (const args of [
    [],
    ['-y', 'a b'],
    [''],
    [' a '],
    ['a\nb', '\r'],
    ['"x"', '"', '""'],
    ['--x="y"'],
    ['{"a": 1}'],
    ['\\n'],
  ]) {
    assert.deepEqual(parseArgs(showArgs(args)), args);
  }
});

test('one argument per line; blank lines are ignored', () => {
  assert.deepEqual(parseArgs('  -y\r\n\n@scope/server \n'), ['-y', '@scope/server']);
});

test('a command line is split as by a shell, and a program without arguments is not', () => {
  assert.deepEqual(splitCommand(`npx -y "a b" 'c "d"' e\\ f "g\\"h" x="y z"`), {
    command: 'npx',
    args: ['-y', 'a b', 'c "d"', 'e f', 'g"h', 'x=y z'],
  });
  assert.equal(splitCommand('npx'), null);
  assert.equal(splitCommand(''), null);
  assert.deepEqual(splitCommand('it"s one'), { command: 'it"s', args: ['one'] });
});

test('several arguments on one line are split where they were meant to be several, and nowhere else', () => {
  assert.deepEqual(unpackedArgs('npx', ['-y @scope/pkg', '/srv/my docs']), ['-y', '@scope/pkg', '/srv/my docs']);
  assert.deepEqual(unpackedArgs('/usr/bin/uvx', ['pkg --port 1']), ['pkg', '--port', '1']);
  assert.deepEqual(unpackedArgs('node', ['--import "a b"']), ['--import', 'a b']);
  for (const args of [['-y', '@scope/pkg', 'a b'], ['--header=A: b c', '- a list', '-1 2'], []]) {
    assert.equal(unpackedArgs('npx', args.slice()), null, args.join());
  }
  assert.equal(unpackedArgs('echo', ['hello there']), null);
});

test('a pasted command line, URL or client JSON fills in the form', () => {
  const filled = (/** @type {string} */ text) => {
    const { key, kind, command, args, env, url, headers, transport } = /** @type {any} */ (readPaste(text));
    return kind === 'stdio' ? { key, command, args: parseArgs(args), env } : { key, url, headers, transport };
  };
  const files = {
    key: 'filesystem',
    command: 'npx',
    args: ['-y', '@modelcontextprotocol/server-filesystem@1', '/srv/my docs'],
  };
  const line = 'npx -y @modelcontextprotocol/server-filesystem@1 "/srv/my docs"';
  assert.deepEqual(filled(line), { ...files, env: [] });
  assert.deepEqual(filled(`\`\`\`sh\n$ TOKEN=a=b ${line.replace(' "', ' \\\n  "')}\n\`\`\``), {
    ...files,
    env: [{ name: 'TOKEN', value: 'a=b' }],
  });
  assert.deepEqual(filled(`claude mcp add -e TOKEN=x --scope user docs -- ${line}`), {
    ...files,
    key: 'docs',
    env: [{ name: 'TOKEN', value: 'x' }],
  });
  assert.deepEqual(filled('uvx mcp-server-time --local-timezone UTC'), {
    key: 'time',
    command: 'uvx',
    args: ['mcp-server-time', '--local-timezone', 'UTC'],
    env: [],
  });
  const far = { url: 'https://mcp.example.org/mcp', headers: [], transport: 'auto' };
  assert.deepEqual(filled(far.url), { key: 'example', ...far });
  const added = filled(`claude mcp add --transport http far ${far.url} --header "Authorization: Bearer t"`);
  assert.deepEqual(added, {
    key: 'far',
    ...far,
    transport: 'http',
    headers: [{ name: 'Authorization', value: 'Bearer t' }],
  });
  const server = { command: 'c', args: ['a b'], env: { T: 'x' } };
  const expected = { key: 'one', command: 'c', args: ['a b'], env: [{ name: 'T', value: 'x' }] };
  for (const text of [{ mcpServers: { one: server } }, { servers: { one: server } }, { one: server }]) {
    assert.deepEqual(filled(JSON.stringify(text, null, 2)), expected);
  }
  assert.deepEqual(filled(`"one": ${JSON.stringify(server)},`), expected);
  assert.deepEqual(filled(JSON.stringify(server)), { ...expected, key: 'c' });
  assert.deepEqual(readPaste(JSON.stringify({ mcpServers: { a: server, b: server } })), { many: 2 });
  for (const text of ['', '  ', '{', '{"a": 1}', 'A=b', 'claude mcp add x']) assert.equal(readPaste(text), null, text);
});

test('an entry that is opened and saved is unchanged, also in fields that the form does not have', () => {
  const stdio = {
    namespace: 'web',
    type: 'stdio',
    note: 'mine',
    providerParameters: { other: 1, command: 'npx', args: ['-y', ' a '], env: { TOKEN: MASK, MODE: 'x' }, cwd: '/srv' },
  };
  assert.deepEqual(toEntry(toForm('files', stdio), stdio), stdio);
  const remote = {
    namespace: 'r',
    type: 'streamable-http',
    providerParameters: { url: 'http://x/mcp', headers: { A: MASK } },
  };
  assert.deepEqual(toEntry(toForm('r', remote), remote), remote);
});

test("an entry in the flat form is converted to YAMCP's form", () => {
  const flat = { command: 'npx', args: ['x'], disabled: true };
  assert.deepEqual(toEntry(toForm('files', flat), flat), {
    disabled: true,
    namespace: 'files',
    type: 'stdio',
    providerParameters: { command: 'npx', args: ['x'] },
  });
  assert.equal(toForm('r', { url: 'http://x' }).kind, 'remote');
});

test('an invalid entry opens as an empty form', () => {
  for (const entry of [
    null,
    [],
    'text',
    { providerParameters: null },
    { type: 'stdio', providerParameters: { args: 'x', env: 3 } },
  ]) {
    const form = toForm('k', entry);
    assert.deepEqual({ ...form, key: '', namespace: '' }, emptyForm());
  }
});

test('changing the kind removes the fields of the other kind', () => {
  const stdio = { type: 'stdio', namespace: 'a', providerParameters: { command: 'x', args: [], env: { A: '1' } } };
  const form = { ...toForm('a', stdio), kind: /** @type {const} */ ('remote'), url: ' https://x/mcp ' };
  assert.deepEqual(toEntry(form, stdio), { namespace: 'a', type: 'sse', providerParameters: { url: 'https://x/mcp' } });
});

test('a WebSocket URL gets the type that YAMCP knows, whatever was chosen before', () => {
  const form = { ...emptyForm(), key: 'a', kind: /** @type {const} */ ('remote'), url: 'wss://x/mcp' };
  for (const transport of /** @type {const} */ (['auto', 'http'])) {
    const entry = { namespace: 'a', type: 'sse', providerParameters: { url: 'wss://x/mcp' } };
    assert.deepEqual(toEntry({ ...form, transport }), entry);
  }
  assert.equal(toForm('a', { type: 'websocket', url: 'wss://x' }).kind, 'remote');
});

test('names that are properties of every object are ordinary names', () => {
  const form = { ...emptyForm(), key: 'a', command: 'x', env: [{ name: '__proto__', value: '1' }] };
  assert.deepEqual(Object.entries(/** @type {any} */ (toEntry(form)).providerParameters.env), [['__proto__', '1']]);
});

test('an error is shown at its field', () => {
  assert.deepEqual(Object.keys(formFaults(emptyForm(), free)), ['key', 'command']);
  const remote = { ...emptyForm(), key: 'a', kind: /** @type {const} */ ('remote') };
  for (const url of ['', 'ftp://x', 'example.org', 'http://', 'wss://'])
    assert.ok(formFaults({ ...remote, url }, free).url, url);
  for (const url of ['http://x', 'HTTPS://x/y', 'ws://x', 'WSS://x/y', `http://\${HOST}/mcp`])
    assert.deepEqual(formFaults({ ...remote, url }, free), {});
  const program = { ...emptyForm(), key: 'a', command: 'x' };
  assert.match(formFaults(program, { taken: () => true }).key, /Another/);
  const twice = [
    { name: 'A', value: '1' },
    { name: 'A', value: '2' },
  ];
  for (const env of [twice, [{ name: 'A=B', value: '' }], [{ name: '', value: 'x' }]])
    assert.ok(formFaults({ ...program, env }, free).env);
  assert.deepEqual(formFaults({ ...program, env: [{ name: '', value: '' }] }, free), {});
});

test('members are selected in place, and moved past the next selected one', () => {
  let members = membersOf(['c', 'gone'], ['a', 'b', 'c']);
  assert.deepEqual(pickedKeys(members), ['c', 'gone']);
  members = toggled(members, 'b');
  assert.deepEqual(pickedKeys(members), ['c', 'gone', 'b']);
  members = moved(members, 'b', -1);
  assert.deepEqual(pickedKeys(members), ['c', 'b', 'gone']);
  assert.deepEqual(pickedKeys(moved(members, 'c', 1)), ['b', 'c', 'gone']);
  assert.equal(moved(members, 'c', -1), members);
  assert.equal(moved(members, 'a', 1), members);
  assert.deepEqual(pickedKeys(toggled(members, 'c')), ['b', 'gone']);
});

test('a name template is refused if the hub would refuse it', () => {
  assert.equal(templateFault('{namespace}_{name}', 3), '');
  assert.equal(templateFault('{name}', 1), '');
  for (const [template, servers] of [
    ['{name}', 2],
    ['{namespace}', 1],
    ['{name}{name}', 1],
    ['{namespace}.{name}', 1],
    ['', 1],
  ]) {
    assert.notEqual(templateFault(String(template), Number(servers)), '', String(template));
  }
  assert.equal(exampleName('{namespace}_{name}', '$&', 'read'), '$&_read');
});

test('settings: changes are sent, a default as null, and values out of bounds are refused', () => {
  const before = Object.fromEntries(SETTINGS.map(({ name, standard }) => [name, standard]));
  const changed = { ...before, call_timeout: 10, tool_timeouts: { slow: 900 } };
  assert.deepEqual(settingsChanges(before, changed), { call_timeout: 10, tool_timeouts: { slow: 900 } });
  assert.deepEqual(settingsChanges(changed, before), { call_timeout: null, tool_timeouts: null });
  assert.deepEqual(readSetting(setting('start_timeout'), '2.5'), { value: 2.5 });
  for (const text of ['', '0', '-1', '3601', 'x', 'Infinity'])
    assert.ok(readSetting(setting('start_timeout'), text).fault, text);
  assert.ok(readSetting(setting('max_inflight'), '1.5').fault);
});

test('settings: 0 means off where the hub accepts it, and a lazy start is an option', () => {
  for (const name of ['idle_stop', 'idle_timeout', 'health_interval']) {
    assert.deepEqual(readSetting(setting(name), '0'), { value: 0 }, name);
    assert.match(readSetting(setting(name), '-1').fault ?? '', /^0 or more/, name);
  }
  assert.deepEqual(readSetting(setting('tool_idle_timeouts'), 'quick = 0\nindex_* = 60'), {
    value: { quick: 0, 'index_*': 60 },
  });
  const [eager, lazy] = setting('start').options ?? [];
  assert.deepEqual([eager.value, lazy.label], ['eager', 'When needed']);
});

test('settings: timeouts of single tools survive conversion to lines and back', () => {
  const times = { slow: 900, 'a = b': 1.5 };
  const read = readSetting(setting('tool_timeouts'), showSetting(setting('tool_timeouts'), times));
  assert.deepEqual(read, { value: times });
  for (const text of ['slow', 'slow = 0', '= 5', 'slow = x'])
    assert.ok(readSetting(setting('tool_timeouts'), text).fault, text);
});

test('settings: a container survives conversion to lines and back, and invalid lines are reported', () => {
  const spec = setting('container');
  const container = {
    image: 'docker.io/library/node:22@sha256:ab',
    memory: '128m',
    cpus: 0.5,
    network: true,
    mounts: [
      { source: '/srv/a b', target: '/a', read_only: true },
      { source: '/srv/c', target: '/c', read_only: false },
    ],
    user: '1000:1000',
  };
  assert.deepEqual(readSetting(spec, showSetting(spec, container)), { value: container });
  assert.deepEqual(readSetting(spec, ' \n'), { value: null });
  assert.deepEqual([showSetting(spec, null), showSetting(spec, undefined)], ['', '']);
  const wrong = ['memory = 5m', 'image', 'image = x\nmemory = 5', 'image = x\nprivileged = yes', 'image = x\ncpus = 0'];
  for (const text of [...wrong, 'image = x\nmount = a:/b', 'image = x\nmount = /a', 'image = x\nnetwork = true'])
    assert.ok(readSetting(spec, text).fault, text);
  const before = Object.fromEntries(SETTINGS.map(({ name, standard }) => [name, standard]));
  assert.deepEqual(settingsChanges(before, { ...before, container }), { container });
  assert.deepEqual(settingsChanges({ ...before, container }, before), { container: null });
  const full = { ...container, workdir: null, pull: 'missing', pids: 256 };
  const read = readSetting(spec, showSetting(spec, full)).value;
  assert.deepEqual(settingsChanges({ ...before, container: full }, { ...before, container: read }), {});
});

test('a search ignores case and matches word by word', () => {
  assert.ok(matches('DEV files', ['my-dev', 'Files']));
  assert.ok(matches('  ', ['x']));
  assert.ok(!matches('dev prod', ['dev']));
});
