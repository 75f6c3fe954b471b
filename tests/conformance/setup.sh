#!/usr/bin/env bash
# Install the official conformance suite of MCP, in both versions that the tests run, into tests/conformance/node_modules,
# with a Node >= 22 where there is a package of one. What is done already is skipped: a stamp is named for the lock's content.
# Exit code 0: all is there, or a line says why tests/conformance/test_conformance.py is skipped; 1 instead where CI=true.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
modules=$here/node_modules
done=$modules/.done-$(cat "$here/package.json" "$here/package-lock.json" | cksum | cut -d' ' -f1)

give_up() {
  if [ "${CI:-}" = true ]; then
    echo "missing: $1, which tests/conformance needs" >&2
    exit 1
  fi
  echo "skipped: tests/conformance/test_conformance.py, as there is no $1"
  exit 0
}

node_works() { # as `node()` of suite.py chooses it
  PATH=$modules/.bin:$PATH node -e 'process.exit(parseInt(process.versions.node) >= 22 ? 0 : 1)' 2>/dev/null
}

command -v npm >/dev/null || give_up "npm"
if [ -e "$done" ]; then
  echo "conformance: npm packages are up to date"
else
  echo "conformance: npm packages of tests/conformance/package-lock.json"
  (cd "$here" && npm ci --ignore-scripts --silent --no-audit --no-fund) \
    || { echo "npm ci failed in tests/conformance; run it there to see why" >&2; exit 1; }
  touch "$done"
fi
node_works || give_up "Node >= 22 (on PATH: $(node --version 2>/dev/null || echo none)), and no package of it for this machine"
