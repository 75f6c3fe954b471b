#!/usr/bin/env bash
# Find the reverse proxies that the tests here put before a hub, or fetch them: the programs alone, out of Debian's packages
# into .envs/proxies, so that none is installed and none starts as a service. usage: setup.sh [nginx|caddy ...]
# Exit code 0: all are there, or one line for each says that its tests are skipped; 1 instead where CI=true.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
place=$root/.envs/proxies
log=$place/fetch.log
export PATH=$PATH:/usr/sbin:$place/usr/sbin:$place/usr/bin

works() {
  case $1 in
    nginx) nginx -v ;;
    caddy) caddy version ;;
    *) echo "unknown: $1" >&2; exit 2 ;;
  esac >/dev/null 2>&1
}

unpack() { # the package's files, below $place
  rm -f "$place"/*.deb
  (cd "$place" && apt-get download -qq "$1" && dpkg-deb -x "$1"_*.deb .) >>"$log" 2>&1
}

update_lists() { # as root, or in CI with sudo that asks for nothing
  if [ "$(id -u)" = 0 ]; then apt-get -qq update
  elif [ "${CI:-}" = true ]; then sudo -n apt-get -qq update
  else return 1
  fi >>"$log" 2>&1
}

fetch() {
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
  mkdir -p "$place"
  : >"$log"
  echo "setup: $1, out of Debian's package"
  unpack "$1" || { update_lists && unpack "$1"; } || return 1
  rm -f "$place"/*.deb
}

for name in "${@:-nginx caddy}"; do
  for each in $name; do
    if works "$each" || { fetch "$each" && works "$each"; }; then continue; fi
    if [ "${CI:-}" = true ]; then
      tail -n 3 "$log" >&2 || true
      echo "missing: $each, which tests/integration/proxies need; it could not be had from apt" >&2
      exit 1
    fi
    echo "skipped: tests/integration/proxies with $each, which is not there (Debian: apt-get install $each)"
  done
done
