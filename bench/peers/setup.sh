#!/usr/bin/env bash
# Install the programs that `make bench` and `make bars` compare the hub with, each from its lock file into an environment of its own below
# .envs/peers. What is done is skipped: a stamp is named for the lock's content. One that cannot be had is told, and left out of the
# tables; exit code 0 all the same. PYTHON names the interpreter to use (default: the project's).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
place=$root/.envs/peers
python=${PYTHON:-$root/.venv/bin/python}
mkdir -p "$place"

sum() { cat "$@" | cksum | cut -d' ' -f1; }

failed() { # name: what is said when its installation ended badly
  echo "peers: $1 cannot be installed ($(tail -n 1 "$place/$1.log")); it is left out"
  rm -rf "${place:?}/$1"
}

install_python() { # name of the lock file, which is the environment's too
  local lock=$here/$1.txt done
  done=$place/$1/.done-$(sum "$lock")
  [ -e "$done" ] && return
  echo "peers: $1"
  { "$python" -m venv --clear "$place/$1" \
    && "$place/$1/bin/python" -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r "$lock" \
    && touch "$done"; } >"$place/$1.log" 2>&1 || failed "$1"
}

install_node() {
  local done
  done=$place/node/.done-$(sum "$here/package.json" "$here/package-lock.json")
  [ -e "$done" ] && return
  echo "peers: those of npm"
  rm -rf "$place/node" && mkdir "$place/node"
  cp "$here/package.json" "$here/package-lock.json" "$root/.npmrc" "$place/node"
  { (cd "$place/node" && npm ci --loglevel=error --ignore-scripts --no-audit --no-fund) && touch "$done"; } >"$place/node.log" 2>&1 \
    || failed node
}

install_node
for name in mcp_proxy contextforge; do install_python "$name"; done
