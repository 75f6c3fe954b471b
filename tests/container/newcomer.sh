#!/usr/bin/env bash
# README.md followed by a new user on a fresh Debian (the Dockerfile's suite), in a container: what README tells to install,
# a clone of this checkout's HEAD, `make run`, its commands and programs, the lines of docs/workflow.md, Ctrl-C. Needs the network for Debian's, PyPI's
# and npm's packages; takes some minutes. The transcript goes to stdout.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$root/container/engine.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git clone -q --bare "$root" "$work/yamcp-hub.git"
cp "$root/tests/container/newcomer.py" "$work"
chmod -R a+rX "$work"
packages=$(git -C "$work/yamcp-hub.git" show HEAD:README.md | sed -n 's/.*`sudo apt-get install \([^`]*\)`.*/\1/p')
[ -n "$packages" ] || fail "README.md says no apt-get line"

find_engine
base=$(sed -n 's/^ARG BASE=//p' "$root/Dockerfile")
fetch_base
options=(--rm -v "$work:/work:ro" -e LANG=C.UTF-8)
for name in PIP_INDEX_URL NPM_CONFIG_REGISTRY APT_MIRROR; do [ -z "${!name:-}" ] || options+=(-e "$name"); done
if [ -n "${SSL_CERT_FILE:-}" ]; then # what mirrors are trusted by here
  options+=(-v "$SSL_CERT_FILE:/run/ca.crt:ro")
  options+=(-e HUB_PASS_ENV=NODE_EXTRA_CA_CERTS,npm_config_cafile,NPM_CONFIG_REGISTRY) # for npx
  for name in SSL_CERT_FILE PIP_CERT NODE_EXTRA_CA_CERTS npm_config_cafile; do options+=(-e "$name=/run/ca.crt"); done
fi
container_engine run "${options[@]}" "$base" bash -euc '
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  echo "# apt-get install $*"
  apt-get install -y -qq "$@" >/dev/null
  useradd --create-home --shell /bin/bash me
  mkdir /srv/data
  touch /srv/data/a.txt
  cp -r /work/yamcp-hub.git /srv/yamcp-hub.git
  chown -R me: /srv/yamcp-hub.git # git clones nothing of another user
  exec runuser -u me -- env HOME=/home/me python3 /work/newcomer.py /srv/yamcp-hub.git
' newcomer $packages
