/** Log files: those that are listed can be read, and no others. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { listLogFiles, logDirs, openLogFile } from '../../../front/server/api/log_files.mjs';

const root = mkdtempSync(join(tmpdir(), 'logs'));
after(() => rmSync(root, { recursive: true }));
const put = (/** @type {string[]} */ ...path) => {
  mkdirSync(join(root, ...path, '..'), { recursive: true });
  writeFileSync(join(root, ...path), path.join('/'));
};
put('data', 'logs', 'sidecar.log');
put('data', 'logs', 'sidecar.log.1');
put('data', 'logs', 'secret.json');
put('data', 'hub.json');
put('state', 'yamcp-nodejs', 'demo_01234567', 'combined.log');
put('state', 'yamcp-nodejs', 'demo_01234567', 'error.log.1');
put('state', 'yamcp-nodejs', 'ü %2f_89abcdef', 'error.log');
put('state', 'yamcp-nodejs', 'top.log');
put('state', 'outside', 'combined.log');
put('state', 'outside.log');
const yamcp = join(root, 'state', 'yamcp-nodejs');
symlinkSync(join(root, 'state', 'outside'), join(yamcp, 'linked'));
symlinkSync(join(root, 'state', 'outside.log'), join(yamcp, 'demo_01234567', 'linked.log'));
mkdirSync(join(yamcp, 'demo_01234567', 'dir.log'));
execFileSync('mkfifo', [join(yamcp, 'demo_01234567', 'pipe.log')]);
const dirs = logDirs(join(root, 'data'), { XDG_STATE_HOME: join(root, 'state') });

test('log files are listed in the format of YAMCP-UI, without links and pipes', async () => {
  const found = await listLogFiles(dirs);
  assert.deepEqual(
    found.map((file) => file.name),
    ['hub/sidecar.log', 'hub/sidecar.log.1', 'demo_01234567/combined.log', 'ü %2f_89abcdef/error.log'],
  );
  const [{ size, modified, path }] = found;
  assert.equal(size, 'data/logs/sidecar.log'.length);
  assert.equal(new Date(modified).toISOString(), modified);
  assert.equal(path, join(root, 'data', 'logs', 'sidecar.log'));
});

test('listed files can be read', async () => {
  for (const { name, size } of await listLogFiles(dirs)) {
    const [workspace, file] = name.split('/');
    const opened = await openLogFile(dirs, workspace, file);
    assert.equal(opened?.size, size);
    assert.match(String(await opened?.handle.readFile()), new RegExp(`${file}$`));
    await opened?.handle.close();
  }
});

test('nothing else can be read: no paths with dots, slashes or links, no pipe, no directory, no other file', async () => {
  for (const [workspace, file] of [
    ['..', 'outside.log'],
    ['.', 'top.log'],
    ['', 'top.log'],
    ['../outside', 'combined.log'],
    ['demo_01234567', '../top.log'],
    ['demo_01234567', '..\\top.log'],
    ['demo_01234567', 'combined.log\0.log'],
    ['demo_01234567', 'linked.log'],
    ['demo_01234567', 'pipe.log'],
    ['demo_01234567', 'dir.log'],
    ['demo_01234567', 'error.log.1'],
    ['demo_01234567', 'none.log'],
    ['demo_01234567', ''],
    ['demo_01234567', `${'x'.repeat(300)}.log`],
    ['linked', 'combined.log'],
    ['hub', 'secret.json'],
    ['hub', '../hub.json'],
    ['hub', '..'],
    ['top.log', 'x.log'],
  ]) {
    assert.equal(await openLogFile(dirs, workspace, file), null, `${workspace} ${file}`);
  }
});

test('without logs the list is empty', async () => {
  assert.deepEqual(await listLogFiles(logDirs(join(root, 'none'), { XDG_STATE_HOME: join(root, 'none') })), []);
});
