/** The settings of a workspace in hub.json that are fields like a server's (settings_spec.mjs). Pure. */

import { settingOf } from './settings_spec.mjs';
import { SCHEMA } from './workspace_settings.mjs';

/** @type {import('./settings_spec.mjs').SettingText[]} */
const TEXTS = [
  {
    name: 'record',
    label: 'In the history',
    help: 'What the history records of arguments and results. The setting of a server has precedence.',
    kind: 'pick',
    labels: {
      off: 'Nothing of them',
      sizes: 'Their sizes',
      redacted: 'Their text, secrets masked by name too',
      full: 'Their text',
    },
  },
  {
    name: 'cache_read_only',
    label: 'Keep results of read-only tools',
    help: 'Seconds for which the hub caches results of tools that declare to change nothing (readOnlyHint and idempotentHint). 0: not at all.',
    kind: 'seconds',
  },
];

/** @type {import('./settings_spec.mjs').Setting[]} */
export const WORKSPACE_SETTINGS = TEXTS.map((said) =>
  settingOf(said, SCHEMA.properties[said.name], SCHEMA.properties[said.name].default),
);
