/** Fields for the settings of hub.json: one for each that the hub has, in groups, and what is sent of them (pure). */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readContainer, showContainer } from '../../../front/console/data/container_lines.mjs';
import { SCHEMA } from '../../../front/console/forms/server_settings.mjs';
import {
  GROUPS,
  readAll,
  readSetting,
  refusedOf,
  SETTINGS,
  settingsChanges,
  showSetting,
  valuesOf,
} from '../../../front/console/forms/settings_spec.mjs';
import { SCHEMA as WORKSPACE_SCHEMA } from '../../../front/console/forms/workspace_settings.mjs';
import { WORKSPACE_GROUPS, WORKSPACE_SETTINGS, workspaceValues } from '../../../front/console/forms/workspace_spec.mjs';

/** Settings of a server that are no fields of its form, and why. @type {Record<string, string>} */
const NOT_IN_FORM = { enabled: 'the switch of the server', share_between_keys: 'the older form of tenancy' };

/** The same of a workspace. @type {Record<string, string>} */
const WORKSPACE_NOT_IN_SPEC = {
  name: 'a field of its own: Name',
  servers: 'a field of its own: Servers',
  name_template: 'a field of its own: Tool name format, with an example',
  slug: 'a field of its own: URL slug',
  own_slug: 'not a setting: whether there is a slug',
  earlier_slug: 'not a setting: the slug of the first versions',
  enabled: 'the switch of the workspace',
  disabled_servers: 'the switches of servers on its page',
  curation: 'a page of its own',
  aliases: 'Earlier slugs on its page, where they can be removed; the hub adds them',
};

/** @param {string} name */
const setting = (name) => /** @type {any} */ (SETTINGS.find((item) => item.name === name));

/** The names of settings; of one whose members are fields, theirs. */
function namesOfModel() {
  return Object.entries(SCHEMA.properties).flatMap(([name, schema]) => {
    const part = schema.anyOf?.[0]?.$ref?.split('/').at(-1);
    if (!part || SETTINGS.some((each) => each.name === name)) return [name];
    return Object.keys(SCHEMA.$defs[part].properties).map((member) => `${name}.${member}`);
  });
}

test('every setting of a server is a field of its form, or there is a reason why not', () => {
  const there = [...SETTINGS.map(({ name }) => name), ...Object.keys(NOT_IN_FORM)];
  assert.deepEqual(there.sort(), namesOfModel().sort());
  for (const { name, label, help, options } of [...SETTINGS, ...WORKSPACE_SETTINGS]) {
    assert.ok(label && help, name);
    for (const option of options ?? []) assert.notEqual(option.label, option.value, `${name}: a value in words`);
  }
});

test('every member of a container is a line of its field', () => {
  const [mount] = [{ source: '/a', target: '/b', read_only: true }];
  const text = { image: 'x', memory: '1g', pull: 'never', user: 'u', workdir: '/w' };
  const container = { ...text, cpus: 2, pids: 9, network: true, mounts: [mount] };
  assert.deepEqual(Object.keys(container).sort(), Object.keys(SCHEMA.$defs.ContainerSettings.properties).sort());
  assert.deepEqual(Object.keys(mount).sort(), Object.keys(SCHEMA.$defs.Mount.properties).sort());
  assert.deepEqual(readContainer(showContainer(container)), { value: container });
});

test('every setting of a workspace is a field of its form, or there is a reason why not', () => {
  const there = [...WORKSPACE_SETTINGS.map(({ name }) => name), ...Object.keys(WORKSPACE_NOT_IN_SPEC)];
  assert.deepEqual(there.sort(), Object.keys(WORKSPACE_SCHEMA.properties).sort());
  /** @type {any} */
  const stored = { record: 'full', cache_read_only: 60, hub_tools: true, registry: 'ask', pinned_tools: ['a_*'] };
  assert.deepEqual(workspaceValues({ ...stored, tools: 7, tool_search: true }), { ...stored, tools: 'search' });
  const standard = { record: 'off', cache_read_only: 0, hub_tools: false, registry: 'off', pinned_tools: [] };
  assert.deepEqual(workspaceValues({ tools: 7 }), { ...standard, tools: 'all' });
  const typed = readAll(WORKSPACE_SETTINGS, { pinned_tools: ' b \n\na_*\nb' }, stored);
  assert.deepEqual(typed.pinned_tools, { value: ['b', 'a_*'] });
  assert.deepEqual(new Set(WORKSPACE_GROUPS.flatMap(({ settings }) => settings)), new Set(WORKSPACE_SETTINGS));
  const read = readAll(WORKSPACE_SETTINGS, { cache_read_only: '-1' }, stored);
  assert.deepEqual(read.record, { value: 'full' });
  assert.match(read.cache_read_only.fault ?? '', /^0 or more, at most 2,592,000 seconds/);
});

test('each field is in one group', () => {
  const grouped = GROUPS.flatMap(({ settings }) => settings);
  assert.deepEqual(new Set(grouped), new Set(SETTINGS));
  assert.equal(grouped.length, SETTINGS.length);
});

test('limits are sent together, without those that are left to the hub, and none at all as null', () => {
  const stored = { limits: { memory: '1g', pids: null, cpus: null, open_files: null } };
  const before = valuesOf(SETTINGS, stored);
  assert.deepEqual([before['limits.memory'], before['limits.pids'], before.keep], ['1g', null, false]);
  const texts = { 'limits.cpus': ' 0.5 ', 'limits.pids': '0', keep: 'true' };
  const after = Object.entries(readAll(SETTINGS, texts, before)).map(([name, { value }]) => [name, value]);
  assert.deepEqual(settingsChanges(before, Object.fromEntries(after)), {
    limits: { memory: '1g', cpus: 0.5, pids: 0 },
    keep: true,
  });
  assert.deepEqual(settingsChanges(before, { ...before, 'limits.memory': null }), { limits: null });
  assert.deepEqual(settingsChanges(before, valuesOf(SETTINGS, { limits: { memory: '1g' } })), {});
  assert.deepEqual(settingsChanges(valuesOf(SETTINGS, { keep: true }), valuesOf(SETTINGS, {})), { keep: null });
});

test('a limit may be empty or 0, and what the hub would refuse is not accepted', () => {
  for (const name of ['limits.memory', 'limits.cpus', 'limits.pids', 'limits.open_files']) {
    assert.equal(showSetting(setting(name), null), '', name);
    assert.deepEqual(readSetting(setting(name), ' '), { value: null }, name);
    assert.ok(readSetting(setting(name), '-1').fault, name);
    assert.ok(readSetting(setting(name), 'x').fault, name);
  }
  assert.deepEqual(readSetting(setting('limits.memory'), ' 512m '), { value: '512m' });
  assert.deepEqual(readSetting(setting('limits.memory'), '0'), { value: '0' });
  for (const text of ['512', '512MB', '0m', '1.5g']) assert.ok(readSetting(setting('limits.memory'), text).fault, text);
  assert.deepEqual(readSetting(setting('limits.cpus'), '0'), { value: 0 });
  assert.ok(readSetting(setting('limits.cpus'), '1025').fault);
  assert.ok(readSetting(setting('limits.pids'), '1.5').fault);
});

test('a switch is a choice between two texts', () => {
  for (const name of ['cache_shared', 'keep']) {
    const { options } = setting(name);
    assert.deepEqual(
      options.map((/** @type {any} */ { value }) => readSetting(setting(name), value).value),
      [false, true],
    );
    assert.equal(showSetting(setting(name), true), 'true');
    assert.equal(showSetting(setting(name), undefined), 'false');
  }
});

test('what the hub refuses is told at its field', () => {
  const refused = (/** @type {any} */ data) => refusedOf(SETTINGS, { data });
  assert.equal(refused({ field: 'limits.pids' }), 'limits.pids');
  assert.equal(refused({ field: 'tool_timeouts.slow.query' }), 'tool_timeouts');
  assert.equal(refused({ field: 'container.mounts.0.source' }), 'container');
  for (const data of [{ field: 'limits' }, { field: 'enabled' }, {}, null]) assert.equal(refused(data), undefined);
  assert.equal(refusedOf(SETTINGS, null), undefined);
});
