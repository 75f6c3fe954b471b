# shellcheck shell=bash
# Sourced: podman with what it needs, installed with apt-get where it is missing.

podman_packages="podman buildah runc conmon netavark aardvark-dns iptables catatonit mmdebstrap"

have() { # $@: commands
  local command
  for command in "$@"; do command -v "$command" >/dev/null || return 1; done
}

# Without systemd, as in a sandbox, podman works with runc alone, and its networks want iptables.
podman_needs() { if [ -d /run/systemd/system ]; then echo podman; else echo podman runc iptables; fi; }

# All packages are installed together, as one that finds podman there takes the others for there, too.
install_podman() { # $@: commands that have to be there; returns 1 where they cannot be had
  have "$@" && return
  [ "$(id -u)" = 0 ] && have apt-get || return
  echo "setup: podman and what it needs, with apt-get" >&2
  # shellcheck disable=SC2086
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $podman_packages >/dev/null
}
