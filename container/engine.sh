# shellcheck shell=bash
# shellcheck disable=SC2034  # `engine` is for those that source this
# Sourced: finds the container engine and puts the command into the array `engine`. CONTAINER_ENGINE names one; else
# docker, where its daemon answers, or podman with a store of its own. As root on Debian, podman is installed if need be.

# shellcheck source=container/podman.sh
. "$(dirname "${BASH_SOURCE[0]}")/podman.sh"

store=${YAMCP_HUB_CONTAINERS:-/var/tmp/yamcp-hub-containers-$(id -u)}

say() { echo "image: $*" >&2; }
fail() { echo "$*" >&2; exit 1; }

# Without systemd and with mixed cgroups, as in a sandbox, podman works only with runc, cgroupfs and no journal.
plain_podman() {
  mkdir -p "$store"
  CONTAINERS_CONF=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/containers.conf
  export CONTAINERS_CONF
  engine=(podman --root "$store/storage" --runroot "$store/run")
}

find_engine() {
  if [ -n "${CONTAINER_ENGINE:-}" ]; then
    # shellcheck disable=SC2206
    engine=($CONTAINER_ENGINE)
  elif command -v docker >/dev/null && docker info >/dev/null 2>&1; then
    engine=(docker)
  else
    # shellcheck disable=SC2046
    install_podman $(podman_needs) ||
      fail "missing: a container engine (docker with a running daemon, or podman: apt-get install $podman_packages)"
    if [ -d /run/systemd/system ]; then engine=(podman); else plain_podman; fi
  fi
}

# It runs outside the checkout, where it leaves nothing.
container_engine() { (cd / && exec "${engine[@]}" "$@"); }

is_podman() { [[ "${engine[0]##*/}" == podman* ]]; }

# Make debian:SUITE-slim, where no image registry can be reached.
make_base() {
  install_podman mmdebstrap || fail "missing: mmdebstrap, which makes the base image where no registry can be reached"
  container_root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
  ENGINE="${engine[*]}" "$container_root/base.sh" "$1"
}

# See that the image in the variable `base` is there: pulled, or, under the suite's plain tag, made of Debian's packages.
fetch_base() {
  container_engine image inspect "$base" >/dev/null 2>&1 && return
  container_engine pull -q "$base" >/dev/null 2>&1 && return
  # What is made here has no digest that a registry would know: it stands under the suite's plain tag.
  if ! is_podman || ! command -v mmdebstrap >/dev/null || ! [[ "$base" =~ ^(docker.io/library/)?debian:([a-z]+)(-[0-9]+)?-slim(@sha256:[0-9a-f]{64})?$ ]]; then
    fail "missing: the base image $base (it cannot be pulled; BASE=… names another)"
  fi
  local suite=${BASH_REMATCH[2]}
  base=debian:$suite-slim
  container_engine image inspect "$base" >/dev/null 2>&1 && return
  say "no registry answers: making $base of Debian's packages"
  make_base "$suite"
}
