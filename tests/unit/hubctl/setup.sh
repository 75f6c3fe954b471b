#!/usr/bin/env bash
# Find the shells whose completion is tested (commands/test_completion.py), or install them: Debian's zsh and fish.
# Exit code 0: they are there; 3: they are not, and one line says what is skipped; 1 instead of 3 where CI=true.
set -euo pipefail
. "$(dirname "$0")/../../support/apt.sh"

find_shells() { command -v zsh >/dev/null && command -v fish >/dev/null; }

if find_shells || { apt_install zsh fish && find_shells; }; then
  exit 0
fi
if [ "${CI:-}" = true ]; then
  echo "missing: zsh or fish, in which completion is tested; they could not be installed with apt-get" >&2
  exit 1
fi
echo "skipped: completion in zsh and fish, which are not here (Debian: apt-get install zsh fish)"
exit 3
