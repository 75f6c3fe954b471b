#!/usr/bin/env bash
# Install the servers of servers.json into .envs/real-servers: npm packages together, without their scripts, and each PyPI
# package in an environment of its own. Needs the two registries. What is installed already is skipped.
set -euo pipefail

name=real-servers
# shellcheck source=tests/support/install.sh
source "$(dirname "${BASH_SOURCE[0]}")/../support/install.sh"
list=$root/tests/real_servers/servers.json
place=$root/.envs/real-servers
done=$(stamp "$place" "$list")
if [ -e "$done" ]; then
  echo "$name: up to date"
  exit
fi
python=$(find_python)
rm -f "$place"/.done-*
mkdir -p "$place/npm"

packages() { # KIND: a line for each server: its key, its package, what else it needs
  "$python" - "$list" "$1" <<'PYTHON'
import json, sys
for server in json.load(open(sys.argv[1])):
    if sys.argv[2] in server:
        print(server["key"], server[sys.argv[2]], *server.get("with", ()))
PYTHON
}

echo "$name: npm packages"
[ -f "$place/npm/package.json" ] || echo '{"private": true}' >"$place/npm/package.json"
mapfile -t wanted < <(packages npm | cut -d' ' -f2-)
npm install --prefix "$place/npm" --ignore-scripts --save-exact --no-audit --no-fund --loglevel=error "${wanted[@]}" >/dev/null

[ -x "$place/uv/bin/uv" ] || {
  "$python" -m venv "$place/uv"
  "$place/uv/bin/python" -m pip install -qq --disable-pip-version-check uv
}
packages pypi | while read -r key wanted; do
  echo "$name: PyPI package of $key"
  "$place/uv/bin/uv" venv -q --clear --python "$python" "$place/$key"
  # shellcheck disable=SC2086  # several words
  "$place/uv/bin/uv" pip install -q --python "$place/$key/bin/python" $wanted
done
touch "$done"
