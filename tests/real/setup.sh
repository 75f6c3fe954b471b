#!/usr/bin/env bash
# Install the real clients and servers that the tests run: smolagents and mcp-server-time into .envs/smolagents,
# the npm packages into tests/real/node_modules. What is done already is skipped: a stamp is named for the lock
# files' content. Works from any directory. PYTHON names the interpreter to use (default: the project's, else python3).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
environment=$root/.envs/smolagents
modules=$here/node_modules

stamp() { # directory, files...: where the stamp of these files' content stands
  local directory=$1
  shift
  echo "$directory/.done-$(cat "$@" | cksum | cut -d' ' -f1)"
}

fail() {
  echo "$1" >&2
  exit 1
}

find_python() {
  local candidate
  for candidate in "${PYTHON:-}" "$root/.venv/bin/python" python3 python3.14 python3.13 python3.12 python3.11; do
    [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
    echo "$candidate"
    return
  done
  fail "missing: Python >= 3.11 (python3 on PATH, or PYTHON=/path/to/python3)"
}

install_python() {
  local lock=$root/locks/smolagents.txt done python
  done=$(stamp "$environment" "$lock")
  if [ -e "$done" ] && "$environment/bin/python" -c "" 2>/dev/null; then
    echo "real: smolagents environment is up to date"
    return
  fi
  python=$(find_python)
  echo "real: Python environment in .envs/smolagents, packages of locks/smolagents.txt"
  "$python" -m venv --clear "$environment"
  "$environment/bin/python" -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r "$lock"
  touch "$done"
}

install_node() {
  local done
  done=$(stamp "$modules" "$here/package.json" "$here/package-lock.json")
  if [ -e "$done" ]; then
    echo "real: npm packages are up to date"
    return
  fi
  command -v npm >/dev/null || fail "missing: npm (it comes with Node >= 20.19)"
  echo "real: npm packages of tests/real/package-lock.json"
  (cd "$here" && npm ci --silent --no-audit --no-fund) || fail "npm ci failed in tests/real; run it there to see why"
  touch "$done"
}

install_python
install_node
