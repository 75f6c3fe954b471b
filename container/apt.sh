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
# Of git, that with which uvx, pipx and npm fetch a package: not what it serves with, nor Perl, in which its commands for
# people are written. The packages count as installed, so that their security updates are asked for.
set -f
for path in '/usr/share/perl/*' '/usr/lib/*/perl/*' '/usr/lib/*/libperl.so*' '/usr/share/perl5/Git*' '/usr/share/gitweb/*' \
  '/usr/share/locale/*' '/usr/share/doc/git/*' '/usr/share/man/*' '/usr/bin/scalar' '/usr/bin/git-shell' \
  '/usr/lib/git-core/scalar' '/usr/lib/git-core/git-http-push' '/usr/lib/git-core/git-http-fetch' '/usr/lib/git-core/git-shell' \
  '/usr/lib/git-core/git-http-backend' '/usr/lib/git-core/git-imap-send' '/usr/lib/git-core/git-daemon'; do
  set -- -o "Dpkg::Options::=--path-exclude=$path" "$@"
done
set +f
apt update
apt install -y --no-install-recommends "$@" >/dev/null
rm -rf /tmp/sources.list /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache \
  /var/lib/dpkg/*-old /var/log/*.log /var/log/apt
