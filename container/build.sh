#!/usr/bin/env bash
# Build the hub's image. usage: build.sh [--yamcp-ui DIRECTORY] [--tag NAME]
# Of the environment: BASE (image to build on), PIP_INDEX_URL, NPM_CONFIG_REGISTRY (mirrors), CONTAINER_ENGINE.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. container/engine.sh

base=${BASE:-debian:trixie-slim}
tag=yamcp-hub
yamcp_ui=
while [ $# -gt 0 ]; do
  case $1 in
    --yamcp-ui) yamcp_ui=$2 ;;
    --tag) tag=$2 ;;
    *) fail "unknown: $1" ;;
  esac
  shift 2
done
if [ -n "$yamcp_ui" ]; then
  [ -f "$yamcp_ui/server.mjs" ] && [ -f "$yamcp_ui/dist/index.html" ] \
    || fail "YAMCP_UI: $yamcp_ui is not a built YAMCP-UI (no server.mjs, or no dist/index.html): npm ci --omit=peer && npm run build there"
fi

have_base() { "${engine[@]}" image inspect "$base" >/dev/null 2>&1; }

fetch_base() {
  have_base && return
  "${engine[@]}" pull -q "$base" >/dev/null 2>&1 && return
  if ! is_podman || ! command -v mmdebstrap >/dev/null || ! [[ "$base" =~ ^(docker.io/library/)?debian:([a-z]+)-slim$ ]]; then
    fail "missing: the base image $base (it cannot be pulled; BASE=… names another)"
  fi
  say "no registry answers: making $base of Debian's packages"
  ENGINE="${engine[*]}" container/base.sh "${BASH_REMATCH[2]}"
}

# Where this machine trusts a certificate of its own (a mirror's), so must pip and npm while they build. None of it stays.
trust() {
  local bundle=${SSL_CERT_FILE:-} directory=$store/trust
  if [ -z "$bundle" ] || ! is_podman; then return; fi
  mkdir -p "$directory"
  cp "$bundle" "$directory/ca.crt"
  printf '[global]\ncert = /run/trust/ca.crt\n' >"$directory/pip.conf"
  printf 'cafile=/run/trust/ca.crt\n' >"$directory/npmrc"
  options+=(-v "$directory:/run/trust:ro" -v "$directory/pip.conf:/etc/pip.conf:ro" -v "$directory/npmrc:/etc/npmrc:ro")
}

find_engine
fetch_base
options=(--build-arg "BASE=$base" --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)")
for name in PIP_INDEX_URL NPM_CONFIG_REGISTRY; do
  [ -z "${!name:-}" ] || options+=(--build-arg "$name=${!name}")
done
if is_podman; then options+=(--format docker --pull=never); fi
if [ -n "$yamcp_ui" ]; then
  options+=(--build-context "yamcp-ui=$(cd "$yamcp_ui" && pwd)" --build-arg YAMCP_UI_DIR=/opt/yamcp-ui)
fi
trust

say "building $tag with ${engine[0]} (log: $store/build.log)"
mkdir -p "$store"
"${engine[@]}" build "${options[@]}" -t "$tag" -f Dockerfile . >"$store/build.log" 2>&1 \
  || { tail -30 "$store/build.log" >&2; fail "the image was not built"; }
say "$tag: $("${engine[@]}" image inspect "$tag" --format '{{.Size}}' | awk '{ printf "%.0f MB", $1 / 1e6 }')"
