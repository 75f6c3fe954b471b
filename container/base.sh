#!/usr/bin/env bash
# Make the base image that the Dockerfile names, where no image registry can be reached: Debian's packages, from the
# mirrors that this machine's own apt uses, imported under the official name. usage: base.sh SUITE, with ENGINE set.
set -euo pipefail
suite=$1
engine=${ENGINE:?the command of the container engine}

work=$(mktemp -d)
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT

# shellcheck disable=SC2016  # apt-get's own variable
mirrors=$(apt-get indextargets --format '$(REPO_URI)' | sort -u)
main=$(grep -v security <<<"$mirrors" | head -1)
security=$(grep security <<<"$mirrors" | head -1 || true)
[ -n "$main" ] || { echo "missing: apt on this machine has no package lists (apt-get update)" >&2; exit 1; }
{
  echo "deb ${main%/} $suite main"
  echo "deb ${main%/} $suite-updates main"
  [ -z "$security" ] || echo "deb ${security%/} $suite-security main"
} >"$work/sources"

# As the official slim image: no documentation but licences, no translations, no package lists.
# shellcheck disable=SC2016  # the hook's own variable
mmdebstrap --quiet --variant=minbase --skip=cleanup/apt \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-include=/usr/share/doc/*/copyright' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/lintian/*' \
  --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1"/etc/resolv.conf "$1"/etc/hostname "$1"/var/cache/ldconfig/aux-cache "$1"/var/log/*.log "$1"/var/log/apt/*;
    mkdir -p "$1"/var/cache/apt/archives/partial "$1"/var/lib/apt/lists/partial' \
  "$suite" "$work/rootfs.tar" - <"$work/sources"
$engine import --change 'CMD ["bash"]' \
  --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
  "$work/rootfs.tar" "docker.io/library/debian:$suite-slim" >/dev/null
