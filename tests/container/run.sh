#!/usr/bin/env bash
# Build the image twice, with the console and with the stand-in for YAMCP-UI, and test both. Whatever happens, containers,
# volumes and images of the tests are removed; the base image stays, and in a store of our own, outside CI, the build's cache for a day.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
. container/engine.sh

label=yamcp-hub.test=$$
console=yamcp-hub-test:console-$$
standin=yamcp-hub-test:standin-$$
work=$(mktemp -d)

cleanup() {
  local status=$?
  set +e
  mapfile -t pods < <(is_podman && container_engine pod ps -q --filter "label=$label")
  [ ${#pods[@]} = 0 ] || container_engine pod rm -f "${pods[@]}"
  mapfile -t containers < <(container_engine ps -aq --filter "label=$label")
  [ ${#containers[@]} = 0 ] || container_engine rm -f -v "${containers[@]}"
  mapfile -t volumes < <(container_engine volume ls -q --filter "label=$label")
  [ ${#volumes[@]} = 0 ] || container_engine volume rm -f "${volumes[@]}"
  container_engine rmi -f "$console" "$standin"
  if [ "${CONTAINERS_CONF:-}" = "$store/containers.conf" ]; then
    keep=(--filter until=24h)
    [ "${CI:-}" != true ] || keep=()
    container_engine image prune -f "${keep[@]}"
  fi
  rm -rf "$work"
  exit "$status"
} >/dev/null 2>&1
trap cleanup EXIT
trap 'exit 130' INT TERM

# What a checkout may have beside what is wanted, and what the one who builds has in the environment: none of it may be in the image.
marker=marker-$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')
cp -r tests/standin "$work/yamcp-ui"
mkdir -p "$work/yamcp-ui/.git" "$work/yamcp-ui/node_modules/unused"
for file in .env .npmrc .git/config src.log node_modules/unused/package.json; do echo "{\"x\":\"$marker\"}" >"$work/yamcp-ui/$file"; done
export HUB_TOKEN=$marker NPM_TOKEN=$marker

find_engine
start=$SECONDS
bash container/build.sh --tag "$console"
bash container/build.sh --tag "$standin" --yamcp-ui "$work/yamcp-ui"
say "built in $((SECONDS - start)) s"
unset HUB_TOKEN NPM_TOKEN

export TEST_IMAGE_CONSOLE=$console TEST_IMAGE_STANDIN=$standin TEST_IMAGE_LABEL=$label TEST_IMAGE_MARKER=$marker
TEST_IMAGE_ENGINE=$(printf '%s\n' "${engine[@]}")
export TEST_IMAGE_ENGINE
node --test --test-reporter="${TEST_REPORTER:-spec}" --test-timeout=600000 --test-concurrency=1 tests/container/*.test.mjs
say "tested in $((SECONDS - start)) s, builds included"
