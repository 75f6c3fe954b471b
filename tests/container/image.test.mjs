/** The image itself: what is in it, and what it says where it cannot run. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { engine, engineProcess, IMAGES, MARKER, volume } from './support/container.mjs';

const LIMIT = { timeout: 120_000 };
const LARGEST = 470e6; // bytes; 20 MB more than before the drivers of PostgreSQL and Redis, and OpenTelemetry

/** What a command in a new container says, and its exit code. @param {string} image @param {string[]} options @param {string[]} command */
async function outcome(image, options, ...command) {
  const child = engineProcess('run', '--rm', ...options, image, 'sh', '-c', 'exec "$@" 2>&1', 'sh', ...command);
  child.stdin.end();
  const text = (await child.stdout.setEncoding('utf8').toArray()).join('');
  if (child.exitCode === null) await once(child, 'close');
  return { text, code: child.exitCode };
}

for (const [name, image] of Object.entries(IMAGES)) {
  test(`the image with the ${name} is small enough, and runs as a user of its own`, LIMIT, async (t) => {
    const [found] = JSON.parse(await engine('image', 'inspect', image));
    t.diagnostic(`image size ${(found.Size / 1e6).toFixed(0)} MB (bar: 470 MB)`);
    assert.ok(found.Size <= LARGEST, `${found.Size} bytes`);
    assert.equal(found.Config.User, '10001:10001');
    assert.deepEqual(Object.keys(found.Config.Volumes), ['/data']);
    assert.deepEqual(Object.keys(found.Config.ExposedPorts), ['8765/tcp']);
    assert.equal(found.Config.Labels['org.opencontainers.image.title'], 'yamcp-hub');
    assert.match(found.Config.Labels['org.opencontainers.image.revision'], /^([0-9a-f]{40}|unknown)$/);
  });

  test(
    `the image with the ${name} has nothing of the environment and checkout that it was built in`,
    LIMIT,
    async () => {
      assert.ok(MARKER, 'run.sh says what was planted');
      const child = engineProcess('save', image);
      child.stdin.end();
      let rest = '';
      let bytes = 0;
      for await (const chunk of child.stdout) {
        bytes += chunk.length;
        const text = rest + chunk.toString('latin1');
        assert.ok(!text.includes(MARKER), 'a planted marker is in a layer, or in what is said about the image');
        rest = text.slice(-MARKER.length);
      }
      assert.ok(bytes > 100e6, `${bytes} bytes were looked at`);
      assert.doesNotMatch(await engine('history', '--no-trunc', image), new RegExp(MARKER));
    },
  );
}

test(
  'no compiler, no package lists, no tests and no configuration of whoever built it are in the image',
  LIMIT,
  async () => {
    const unwanted = '/usr/bin/gcc /usr/bin/strip /etc/npmrc /etc/pip.conf /run/secrets /opt/yamcp-hub/tests /build';
    const { text } = await outcome(
      IMAGES.console,
      [],
      'sh',
      '-c',
      `ls -d ${unwanted} /var/lib/apt/lists/* 2>/dev/null`,
    );
    assert.equal(text, '');
  },
);

test('a command of the image is run instead of the hub', LIMIT, async () => {
  assert.match((await outcome(IMAGES.console, [], 'hubctl', '--version')).text, /^hubctl \d/);
  for (const program of ['node', 'npm', 'npx', 'uv', 'uvx', 'pipx', 'python3', 'git']) {
    const { text, code } = await outcome(IMAGES.console, ['--read-only', '--tmpfs', '/tmp'], program, '--version');
    assert.equal(code, 0, `${program}: ${text}`);
  }
});

test('where /data belongs to somebody else, it says to whom, and what to do', LIMIT, async () => {
  const data = await volume('foreign');
  const options = ['-v', `${data}:/data`];
  await outcome(IMAGES.console, [...options, '--user', '0:0'], 'chown', '1234:1234', '/data');
  const { text, code } = await outcome(IMAGES.console, options, '/opt/yamcp-hub/container/start.sh', 'hubctl', 'run');
  assert.equal(code, 2);
  assert.match(text, /\/data belongs to user 1234:1234, and user 10001:10001/);
  assert.match(text, /--user 1234:1234/);
  assert.match(text, /chown -R 10001:10001/);
});
