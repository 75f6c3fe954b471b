#!/usr/bin/env bash
# Find the browser that the browser tests drive, or install it: Debian's package `chromium`. CHROMIUM names one to use.
# Exit code 0: it is there; 3: it is not, and one line says why the tests are skipped; 1 instead of 3 where CI=true.
set -euo pipefail
. "$(dirname "$0")/../support/apt.sh"

find_browser() {
  local name
  for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
    [ -z "$name" ] || ! command -v "$name" >/dev/null || return 0
  done
  return 1
}

if find_browser || { apt_install chromium && find_browser; }; then
  exit 0
fi
if [ "${CI:-}" = true ]; then
  echo "missing: chromium, which the browser tests need; it could not be installed with apt-get" >&2
  exit 1
fi
echo "skipped: tests/browser, as there is no chromium (Debian: apt-get install chromium; or CHROMIUM=/path/to/it)"
exit 3
