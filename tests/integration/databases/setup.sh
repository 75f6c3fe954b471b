#!/usr/bin/env bash
# Find the PostgreSQL server that tests here start themselves, or fetch it: its programs alone, out of Debian's packages
# into .envs/postgresql, so that nothing is installed and no service starts. usage: setup.sh
# Exit code 0: it is there, or one line says that its tests are skipped; 1 instead where CI=true.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
place=$root/.envs/postgresql
log=$place/fetch.log

works() { # the same places, in the same order, as tests/support/postgres.py
  for bin in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin "$place"/usr/lib/postgresql/*/bin "$(dirname "$(command -v initdb || true)")"; do
    [ -x "$bin/initdb" ] && [ -x "$bin/postgres" ] || continue
    LD_LIBRARY_PATH=$(echo "$place"/usr/lib/*-linux-gnu) "$bin/postgres" --version >/dev/null 2>&1 && return 0
  done
  return 1
}

depends() { apt-cache depends --no-recommends --no-suggests "$1" | sed -n "s/^ *|\?Depends: \($2\)$/\1/p"; }

unpack() { # the server, and the libraries that it needs but LLVM, which only its JIT compiler loads
  server=$(depends postgresql 'postgresql-[0-9]*' | head -n 1)
  [ -n "$server" ] || return 1
  rm -f "$place"/*.deb
  (
    cd "$place"
    apt-get download -qq "$server" $(depends "$server" 'lib.*' | grep -v llvm)
    for package in *.deb; do dpkg-deb -x "$package" .; done
    rm -f ./*.deb
  ) >>"$log" 2>&1
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
  echo "setup: PostgreSQL, out of Debian's packages"
  unpack || { update_lists && unpack; } || return 1
}

works || { fetch && works; } && exit 0
if [ "${CI:-}" = true ]; then
  tail -n 3 "$log" >&2 || true
  echo "missing: PostgreSQL's server, which tests/integration/databases need; it could not be had from apt" >&2
  exit 1
fi
echo "skipped: tests/integration/databases, as there is no PostgreSQL server (Debian: apt-get install postgresql)"
