# shellcheck shell=bash
# apt_install PACKAGE…: install Debian packages, as root, or in CI with sudo that asks for nothing. Returns 1, after the
# last lines that apt-get wrote, if that is not possible. To be sourced.
apt_install() {
  local sudo=()
  command -v apt-get >/dev/null || return 1
  if [ "$(id -u)" != 0 ]; then
    [ "${CI:-}" = true ] && sudo -n true 2>/dev/null || return 1
    sudo=(sudo -n)
  fi
  echo "setup: $*, with apt-get"
  local log
  log=$(mktemp)
  if "${sudo[@]}" apt-get -qq update >"$log" 2>&1 &&
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends "$@" >>"$log" 2>&1; then
    rm -f "$log"
  else
    tail -n 3 "$log" >&2
    rm -f "$log"
    return 1
  fi
}
