# Sourced by the set-ups of real clients and servers, which set `name`, what their lines begin with. What is done already is skipped: a
# stamp is named for the lock files' content. PYTHON names the interpreter to use (default: the project's, else python3).

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

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

install_python() { # what: the packages of locks/<what>.txt into .envs/<what>
  local lock=$root/locks/$1.txt environment done python
  mkdir -p "$root/.envs"
  environment=$(cd "$root/.envs" && pwd -P)/$1 # its programs name this path, so one that was moved is made anew
  done=$(stamp "$environment" "$lock")
  if [ -e "$done" ] && "$environment/bin/python" -c "" 2>/dev/null && grep -q "^#!$environment/bin/" "$environment/bin/pip"; then
    echo "$name: $1 environment is up to date"
    return
  fi
  python=$(find_python)
  echo "$name: Python environment in .envs/$1, packages of locks/$1.txt"
  "$python" -m venv --clear "$environment"
  "$environment/bin/python" -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r "$lock"
  touch "$done"
}

install_node() { # directory below the root, with package.json and package-lock.json
  local place=$root/$1 done
  done=$(stamp "$place/node_modules" "$place/package.json" "$place/package-lock.json")
  if [ -e "$done" ]; then
    echo "$name: npm packages are up to date"
    return
  fi
  command -v npm >/dev/null || fail "missing: npm (it comes with Node >= 20.19)"
  echo "$name: npm packages of $1/package-lock.json"
  (cd "$place" && npm ci --silent --no-audit --no-fund) || fail "npm ci failed in $1; run it there to see why"
  touch "$done"
}
