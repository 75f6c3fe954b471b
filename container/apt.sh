#!/bin/sh
# In the build: install Debian packages and leave nothing of apt behind. APT_MIRROR is where they come from, unless empty.
set -eu
export DEBIAN_FRONTEND=noninteractive
if [ -n "${APT_MIRROR:-}" ]; then
  # shellcheck source=/dev/null
  suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
  printf 'deb %s %s main\n' "$APT_MIRROR" "$suite" "$APT_MIRROR" "$suite-updates" >/tmp/sources.list
  apt() { apt-get -qq -o Dir::Etc::SourceList=/tmp/sources.list -o Dir::Etc::SourceParts=/none "$@"; }
else
  apt() { apt-get -qq "$@"; }
fi
apt update
apt install -y --no-install-recommends "$@" >/dev/null
rm -rf /tmp/sources.list /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache \
  /var/lib/dpkg/*-old /var/log/*.log /var/log/apt
