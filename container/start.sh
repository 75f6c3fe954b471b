#!/bin/sh
# The image's entry: what the hub's data directory needs, then the command. Below tini, which reaps and passes signals on.
set -eu
if [ "${1:-}" = hubctl ] && [ "${2:-}" = run ]; then
  if ! [ -w /data ] || ! [ -x /data ]; then
    me=$(id -u):$(id -g)
    owner=$(stat -c %u:%g /data)
    {
      echo "yamcp-hub: /data belongs to user $owner, and user $me, which the hub runs as here, cannot write there."
      echo "On the host: chown -R $me DIRECTORY. Or use a volume (-v yamcp:/data)."
      [ "${owner%%:*}" = 0 ] || echo "Or run the hub as the directory's owner: --user $owner."
      echo "Rootless podman: -v DIRECTORY:/data:U."
    } >&2
    exit 2
  fi
  mkdir -p "$HOME" # servers started by npx, uvx or pipx keep their packages there
fi
exec "$@"
