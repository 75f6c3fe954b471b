#!/usr/bin/env bash
# Find the browser that the browser tests drive, or install it: Debian's package `chromium`. CHROMIUM names one to use.
# Exit code 0: it is there; 3: it is not, and one line says why the tests are skipped; 1 instead of 3 where CI=true.
set -euo pipefail

find_browser() {
  local name
  for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
    [ -z "$name" ] || ! command -v "$name" >/dev/null || return 0
  done
  return 1
}

install_browser() { # as root, or in CI with sudo that asks for nothing
  local sudo=()
  command -v apt-get >/dev/null || return 1
  if [ "$(id -u)" != 0 ]; then
    [ "${CI:-}" = true ] && sudo -n true 2>/dev/null || return 1
    sudo=(sudo -n)
  fi
  echo "setup: chromium, with apt-get"
  local log
  log=$(mktemp)
  if "${sudo[@]}" apt-get -qq update >"$log" 2>&1 &&
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends chromium >>"$log" 2>&1; then
    rm -f "$log"
  else
    tail -n 3 "$log" >&2
    rm -f "$log"
    return 1
  fi
}

if find_browser || { install_browser && find_browser; }; then
  exit 0
fi
if [ "${CI:-}" = true ]; then
  echo "missing: chromium, which the browser tests need; it could not be installed with apt-get" >&2
  exit 1
fi
echo "skipped: tests/browser, as there is no chromium (Debian: apt-get install chromium; or CHROMIUM=/path/to/it)"
exit 3
