#!/usr/bin/env bash
# Prepare podman for the tests of contained servers: setup.sh DIRECTORY [PYTHON]. `setup.sh --install` only installs it.
# Installs it with apt-get as root on Debian. DIRECTORY gets the configuration (containers.conf, storage.conf), a store of
# its own and the image localhost/yamcp-hub-test. `setup.sh --remove DIRECTORY` empties the store.
# Exit code 0: all is there; 3: it is not, and one line says why the tests are skipped; 1 instead of 3 where CI=true.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
# shellcheck source=container/podman.sh
. "$root/container/podman.sh"
image=localhost/yamcp-hub-test

give_up() {
  if [ "${CI:-}" = true ]; then
    echo "missing: $1, which the tests of contained servers need" >&2
    exit 1
  fi
  echo "skipped: tests/integration/containers, as there is no $1"
  exit 3
}

configure() { # runc and cgroupfs work without systemd and with mixed cgroups, where podman's defaults do not
  mkdir -p "$dir"
  export CONTAINERS_STORAGE_CONF=$dir/storage.conf CONTAINERS_CONF=$dir/containers.conf
  printf '[storage]\ndriver = "overlay"\ngraphroot = "%s/store"\nrunroot = "%s/run"\n' "$dir" "$dir" >"$CONTAINERS_STORAGE_CONF"
  : >"$CONTAINERS_CONF"
  [ -d /run/systemd/system ] || cat "$root/container/containers.conf" >"$CONTAINERS_CONF"
}

make_image() {
  "$python" "$(dirname "${BASH_SOURCE[0]}")/rootfs.py" "$dir/rootfs.tar"
  podman import --quiet "$dir/rootfs.tar" "$image" >/dev/null
  rm "$dir/rootfs.tar"
}

try() {
  podman run --rm --init --network none --read-only --memory 64m --pids-limit 16 --pull never \
    "$image" /usr/bin/python3 -c 'print("works")'
}

if [ "$1" = --remove ]; then
  dir=$2
  configure
  podman rm --all --force --time 0 >/dev/null 2>&1 || true
  podman rmi --all --force >/dev/null 2>&1 || true
  exit 0
fi

install() {
  # shellcheck disable=SC2046
  install_podman $(podman_needs) || give_up "podman (Debian: apt-get install $podman_packages)"
}

if [ "$1" = --install ]; then
  install
  exit 0
fi

dir=$1
python=${2:-python3}
configure
install
make_image || give_up "podman that can store an image"
said=$(try 2>&1) && [ "${said##*$'\n'}" = works ] || give_up "podman that runs a container (${said##*$'\n'})"
