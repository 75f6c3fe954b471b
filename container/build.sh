#!/usr/bin/env bash
# Build the hub's image. usage: build.sh [--yamcp-ui DIRECTORY] [--tag NAME]
# Of the environment: BASE (image to build on), APT_MIRROR, PIP_INDEX_URL and NPM_CONFIG_REGISTRY (where packages come
# from), SSL_CERT_FILE (what those are trusted by), CONTAINER_ENGINE.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/container/engine.sh"

base=${BASE:-$(sed -n 's/^ARG BASE=//p' "$root/Dockerfile")}
tag=yamcp-hub
yamcp_ui=
while [ $# -gt 0 ]; do
  [ $# -gt 1 ] || fail "usage: build.sh [--yamcp-ui DIRECTORY] [--tag NAME]"
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
  yamcp_ui=$(cd "$yamcp_ui" && pwd)
fi

find_engine
fetch_base
options=(--build-arg "BASE=$base" --build-arg "REVISION=$(git -C "$root" rev-parse HEAD 2>/dev/null || echo unknown)")
for name in APT_MIRROR PIP_INDEX_URL NPM_CONFIG_REGISTRY; do
  [ -z "${!name:-}" ] || options+=(--build-arg "$name=${!name}")
done
if is_podman; then options+=(--format docker --pull=never); else export DOCKER_BUILDKIT=1; fi
[ -z "${SSL_CERT_FILE:-}" ] || options+=(--secret "id=ca,src=$SSL_CERT_FILE")
[ -z "$yamcp_ui" ] || options+=(--build-context "yamcp-ui=$yamcp_ui" --build-arg YAMCP_UI_DIR=/opt/yamcp-ui)

log=$store/build.$$.log
say "building $tag with ${engine[0]}"
mkdir -p "$store"
container_engine build "${options[@]}" -t "$tag" -f "$root/Dockerfile" "$root" >"$log" 2>&1 \
  || { tail -30 "$log" >&2; fail "the image was not built; all that was said: $log"; }
rm -f "$log"
say "$tag: $(container_engine image inspect "$tag" --format '{{.Size}}' | awk '{ printf "%.0f MB", $1 / 1e6 }')"
