// In the build: of a built YAMCP-UI's packages leave those that its server runs on; its pages have theirs in dist already.
// usage: node yamcp-ui-packages.mjs DIRECTORY
import { existsSync, lstatSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

const root = process.argv[2];
const modules = join(root, 'node_modules');

/** The packages at the top, with scopes. */
function installed() {
  return readdirSync(modules).flatMap((name) =>
    name.startsWith('@') ? readdirSync(join(modules, name)).map((inner) => `${name}/${inner}`) : [name],
  );
}

/** The packages that a file, or one beside it that it names, has in any string: whatever way it loads them. */
function named(/** @type {string} */ file, seen = new Set()) {
  if (seen.has(file) || !existsSync(file) || !lstatSync(file).isFile()) return new Set();
  seen.add(file);
  const names = new Set();
  for (const [, text] of readFileSync(file, 'utf8').matchAll(
    /(?<=['"`])((?:\.{0,2}\/|@)?[\w.-]+(?:\/[\w.-]+)*)\/?(?=['"`]|\$\{)/g,
  )) {
    if (text.startsWith('.')) named(join(dirname(file), text), seen).forEach((name) => names.add(name));
    else names.add(/^(@[^/]+\/)?[^/]*/.exec(text)?.[0]);
  }
  return names;
}

/** Where a package is found from a directory, as Node looks for it. */
function find(/** @type {string} */ from, /** @type {string} */ name) {
  for (let directory = from; directory.startsWith(root); directory = dirname(directory)) {
    const found = join(directory, 'node_modules', name);
    if (existsSync(join(found, 'package.json'))) return found;
  }
  return undefined;
}

const kept = new Set();

/** Keep a package and all that it depends on. */
function keep(/** @type {string} */ from, /** @type {string} */ name) {
  const found = find(from, name);
  if (!found || kept.has(found)) return;
  kept.add(found);
  const { dependencies, optionalDependencies, peerDependencies } = JSON.parse(
    readFileSync(join(found, 'package.json'), 'utf8'),
  );
  for (const other of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies }))
    keep(found, other);
}

// Where packages are links (pnpm, a workspace), what they lead to is not for this script to judge.
if (existsSync(modules) && !installed().some((name) => lstatSync(join(modules, name)).isSymbolicLink())) {
  for (const name of named(join(root, 'server.mjs'))) keep(root, name);
  for (const name of installed()) {
    if (!kept.has(join(modules, name))) rmSync(join(modules, name), { recursive: true });
  }
}
